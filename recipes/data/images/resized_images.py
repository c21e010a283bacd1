"""Images of other data in the size of a run's training images."""

import dataclasses

import numpy as np

from zoo.export.image_decoding import resize_image


@dataclasses.dataclass(frozen=True, eq=False)
class ResizedImages:
    """Images that are resized when they are read, as the export's `serving_bytes` does.

    Args:
        images: (N, H, W, C) array, or read on demand, such as `ImageFiles`.
        shape: (H, W, C) of every image after it.
        dtype: of the images: uint8, uint16 or float32.
    """

    images: object
    shape: tuple
    dtype: str

    def __len__(self):
        return len(self.images)

    def take(self, indices):
        """Returns the images at `indices`."""
        images = self.images[indices] if isinstance(self.images, np.ndarray) else self.images.take(indices)
        return dataclasses.replace(self, images=images)

    def read(self, index):
        """Returns the image at `index`, `shape` of `dtype`."""
        image = self.images[index] if isinstance(self.images, np.ndarray) else self.images.read(index)
        return image if image.shape == self.shape else resize_image(image, self.shape[:2], self.dtype).numpy()

    def dataset(self):
        """Returns a tf.data.Dataset of single images, in order."""
        import tensorflow as tf

        def read(index):
            image = tf.numpy_function(lambda i: self.read(int(i)), [index], self.dtype)
            return tf.ensure_shape(image, self.shape)

        return tf.data.Dataset.range(len(self)).map(read, tf.data.AUTOTUNE, deterministic=True)
