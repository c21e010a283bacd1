"""Images in memory that differ in size: whole, in patches, and as pairs with a known motion."""

import dataclasses

import numpy as np

from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.split import content_keys, split


@dataclasses.dataclass(frozen=True, eq=False)
class ImageList:
    """Images in memory that may differ in size.

    Args:
        images: (H, W, C) arrays of one dtype and with the same bands.
    """

    images: tuple

    def __len__(self):
        return len(self.images)

    def take(self, indices):
        """Returns the images at `indices`, in that order."""
        if isinstance(indices, slice):
            return ImageList(self.images[indices])
        return ImageList(tuple(self.images[int(i)] for i in np.asarray(indices)))

    def read(self, index):
        """Returns the image at `index`: (H, W, C)."""
        return self.images[index]

    def dataset(self):
        """Returns a tf.data.Dataset of single images in their order."""
        import tensorflow as tf

        spec = tf.TensorSpec((None, None, self.images[0].shape[-1]), self.images[0].dtype)
        return tf.data.Dataset.from_generator(lambda: iter(self.images), output_signature=spec)


def from_image_list(images, names, split_options, *, name, notes=(), **facts):
    """Returns `Data` of whole clean images, split image by image.

    Args:
        images: (H, W, C) uint8 arrays with the same bands.
        names: of the images.
        split_options: `SplitOptions`.
        name, notes: as `Data` has them.
        **facts: source, license, description, as `Data` has them.
    Returns:
        `Data` of the task restoration; the targets are the images' indices, as a recipe makes its targets from the
        images themselves.
    Raises:
        ValueError: if the images have other types or bands, or are too few for three splits.
    """
    for image, image_name in zip(images, names, strict=True):
        if image.ndim != 3 or image.dtype != np.uint8 or image.shape[-1] != images[0].shape[-1]:
            raise ValueError(
                f"images must be (H, W, {images[0].shape[-1]}) uint8, got {image.shape} {image.dtype}: {image_name}."
            )
    keys = np.concatenate([content_keys(image[None]) for image in images])
    indices = split(np.zeros((len(images), 1), np.float32), keys, split_options.fractions, split_options.seed)
    whole = Examples(ImageList(tuple(images)), np.arange(len(images), dtype=np.int32), np.array(names))
    splits = {s: whole.take(selected) for s, selected in zip(SPLITS, indices, strict=True)}
    sizes = ", ".join(f"{len(e)} {s}" for s, e in splits.items() if len(e))
    return Data(
        name=name, task="restoration", kind="image", shape=(None, None, images[0].shape[-1]), dtype="uint8",
        classes=(), outputs=(), **splits, notes=tuple(notes), **facts,
        split_description=f"whole images: {sizes}; seed {split_options.seed}",
    )  # fmt: skip


def iterate_images(examples):
    """Yields the images of `Examples`, one after the other: (H, W, C)."""
    inputs = examples.inputs
    for i in range(len(examples)):
        yield inputs[i] if isinstance(inputs, np.ndarray) else inputs.read(i)


def cut_patches(examples, side, step=None):
    """Cuts images into patches, row by row; the rest at the right and lower border is left out.

    Args:
        examples: `Examples` of images.
        side: of a patch [pixels].
        step: from one patch to the next [pixels]; `side` if None.
    Returns:
        `Examples`: (N, side, side, C) patches, and the index of the image that each is from.
    Raises:
        ValueError: if an image is smaller than a patch.
    """
    step, patches, image_index = step or side, [], []
    for i, image in enumerate(iterate_images(examples)):
        if min(image.shape[:2]) < side:
            raise ValueError(
                f"`patch` must be at most {min(image.shape[:2])}, the side of the smallest image, got {side}."
            )
        for row in range(0, image.shape[0] - side + 1, step):
            for column in range(0, image.shape[1] - side + 1, step):
                patches.append(image[row : row + side, column : column + side])
                image_index.append(i)
    image_index = np.array(image_index, np.int32)
    names = None if examples.names is None else examples.names[image_index]
    return Examples(np.stack(patches), image_index, names)


def in_patches(data, side):
    """Returns `data` with its training and validation images cut into patches; the test images stay whole.

    Args:
        data: `Data` of 8-bit images, whatever their task; their labels are left out.
        side: of a patch [pixels].
    Returns:
        `Data` of the task restoration; `data` itself if it is in such patches.
    Raises:
        ValueError: if these are no 8-bit images, or an image is smaller than a patch.
    """
    verify_8bit_images(data)
    first = data.train.inputs
    if data.task == "restoration" and isinstance(first, np.ndarray) and first.shape[1:3] == (side, side):
        return data
    splits = {s: getattr(data, s) for s in SPLITS}
    for s in ("train", "validation"):
        if len(splits[s]):
            splits[s] = cut_patches(splits[s], side)
    for s, examples in splits.items():
        splits[s] = dataclasses.replace(examples, targets=np.arange(len(examples), dtype=np.int32))
    description = f"{data.split_description}; training and validation in patches of {side} x {side} pixels"
    return dataclasses.replace(
        data, **splits, task="restoration", classes=(), outputs=(), shape=(None, None, data.shape[-1]),
        split_description=f"{description} without overlap",
    )  # fmt: skip


def verify_8bit_images(data):
    """Raises a ValueError where `data` are no 8-bit images that can be read one by one."""
    inputs = data.train.inputs
    readable = isinstance(inputs, np.ndarray) or hasattr(inputs, "read")
    if data.kind != "image" or data.dtype != "uint8" or not readable:
        raise ValueError(f"`data` must be 8-bit images in memory or in files, got {data!r}.")


def affine_pairs(data, side, max_displacement, samples, seed):
    """Returns pairs of frames made from images, with the exact motion between them.

    The second frame is a square of an image. The first is the same square seen through a random affine flow: a shift of
    up to half of `max_displacement`, and a linear change that moves no pixel further than the other half. Pixels that
    move in from beyond the square are the image's own.

    Args:
        data: `Data` of 8-bit images, whatever their task.
        side: of a frame [pixels].
        max_displacement: longest motion along each axis [pixels].
        samples: flows for each square of the training split; the other splits have one.
        seed: of the flows.
    Returns:
        `Data` of the task motion: inputs first and second, (N, side, side, C) uint8; targets (N, side, side, 2) flow
        (u, v) [pixels], float32.
    """
    verify_8bit_images(data)
    splits = {}
    for number, s in enumerate(SPLITS):
        examples = getattr(data, s)
        if not len(examples):
            frames = np.zeros((2, 0, side, side, data.shape[-1]), np.uint8)
            splits[s] = frame_pairs(frames, np.zeros((0, side, side, 2)))
            continue
        patches, rng = cut_patches(examples, side + 2 * max_displacement, side), np.random.default_rng([seed, number])
        repeats = samples if s == "train" else 1
        pairs = [warp_square(image, side, max_displacement, rng) for image in patches.inputs for _ in range(repeats)]
        frames = np.stack([[p[0] for p in pairs], [p[1] for p in pairs]])
        splits[s] = frame_pairs(frames, np.stack([p[2] for p in pairs]))
    description = f"{data.split_description}; frames of {side} x {side} pixels, {samples} affine flows of up to"
    return dataclasses.replace(
        data, **splits, task="motion", kind="pair", classes=(), outputs=("u", "v"), shape=(side, side, data.shape[-1]),
        split_description=f"{description} {max_displacement} pixels each in training and one elsewhere, seed {seed}",
    )  # fmt: skip


def frame_pairs(frames, flows):
    """Returns `Examples` of (2, N, H, W, C) frames and (N, H, W, 2) flows, NaN where a flow is unknown."""
    return Examples({"first": frames[0], "second": frames[1]}, flows.astype(np.float32), np.arange(len(flows)))


def warp_square(image, side, max_displacement, rng):
    """Returns (first frame, second frame, flow) of a square with a margin of `max_displacement` pixels."""
    from scipy.ndimage import map_coordinates

    y, x = np.mgrid[:side, :side].astype(np.float64)
    centered = np.stack([x, y], axis=-1) - (side - 1) / 2
    linear = rng.uniform(-max_displacement / (2 * side), max_displacement / (2 * side), (2, 2))
    flow = centered @ linear.T + rng.uniform(-max_displacement / 2, max_displacement / 2, 2)
    coordinates = np.stack([y + flow[..., 1], x + flow[..., 0]]) + max_displacement
    bands = [map_coordinates(image[..., b].astype(np.float32), coordinates, order=1) for b in range(image.shape[-1])]
    first = np.round(np.stack(bands, axis=-1)).astype(np.uint8)
    inner = slice(max_displacement, max_displacement + side)
    return first, image[inner, inner], flow


def held_out_pairs(frames, flows, *, name, notes=(), **facts):
    """Returns `Data` of pairs that are in the test split only.

    Args:
        frames: (2, N, H, W, C) uint8.
        flows: (N, H, W, 2) [pixels], NaN where they are unknown.
        name, notes: as `Data` has them.
        **facts: source, license, description, as `Data` has them.
    """
    none = frame_pairs(frames[:, :0], flows[:0])
    return Data(
        name=name, task="motion", kind="pair", shape=frames.shape[2:], dtype="uint8", classes=(), outputs=("u", "v"),
        train=none, validation=none, test=frame_pairs(frames, flows), split_description="the test split as given",
        notes=tuple(notes), **facts,
    )  # fmt: skip
