"""Questions about images: each image is stored and read once, however many questions it has."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class ImageQuestions:
    """Questions about images.

    Args:
        images: (M, H, W, C) array, an (M,) array of images that differ in size, or a sequence that is read on demand,
            such as `ImageFiles`.
        image_index: (N,) index of the image that each question is about.
        questions: (N,) texts.
        types: (N,) type of each question, such as count; "" where types are not stated.
    """

    images: object
    image_index: np.ndarray
    questions: np.ndarray
    types: np.ndarray

    def __len__(self):
        return len(self.questions)

    def take(self, indices):
        """Returns the questions at `indices`, with the same images."""
        columns = (self.image_index, self.questions, self.types)
        return ImageQuestions(self.images, *(column[indices] for column in columns))

    def with_used_images(self):
        """Returns the same questions with only the images that they are about, in the order of their index."""
        used, index = np.unique(self.image_index, return_inverse=True)
        images = self.images.take(used) if hasattr(self.images, "read") else self.images[used]
        return dataclasses.replace(self, images=images, image_index=index.reshape(-1))

    def with_images(self, images):
        """Returns the questions with images in memory, which may differ in size.

        Args:
            images: dict from the index of an image to its pixels (H, W, C), with all that the questions are about.
        """
        used, index = np.unique(self.image_index, return_inverse=True)
        listed = np.empty(len(used), object)
        for position, i in enumerate(used):
            listed[position] = images[i]
        return dataclasses.replace(self, images=listed, image_index=index.reshape(-1))

    def read_image(self, index):
        """Returns the image (H, W, C) at an index of `images`."""
        return self.images.read(index) if hasattr(self.images, "read") else self.images[index]

    def read(self, index):
        """Returns {"image": (H, W, C), "question": text} of one question."""
        return {"image": self.read_image(self.image_index[index]), "question": self.questions[index]}

    def head(self, n):
        """Returns {"image": (n, H, W, C), "question": (n,)}; a list of images where they differ in size."""
        index = self.image_index[:n]
        images = {i: self.read_image(i) for i in np.unique(index)}
        batch = [images[i] for i in index]
        stacked = np.stack(batch) if len({image.shape for image in batch}) == 1 else batch
        return {"image": stacked, "question": self.questions[:n]}
