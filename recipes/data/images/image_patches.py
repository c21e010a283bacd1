"""Photos that are held in memory, each of its own size: whole, in patches, and as pairs with a known motion."""

import dataclasses

import numpy as np

from recipes.data.examples import Data, Examples
from recipes.data.split import content_keys, split

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class Photographs:
    """Images in memory that may differ in size.

    Args:
        images: (H, W, C) arrays of one type and with the same bands.
    """

    images: tuple

    def __len__(self):
        return len(self.images)

    def take(self, indices):
        """The images at `indices`, in that order."""
        if isinstance(indices, slice):
            return Photographs(self.images[indices])
        return Photographs(tuple(self.images[int(i)] for i in np.asarray(indices)))

    def read(self, index):
        """The image at `index`: (H, W, C)."""
        return self.images[index]

    def dataset(self):
        """tf.data.Dataset of single images in their order."""
        import tensorflow as tf

        spec = tf.TensorSpec((None, None, self.images[0].shape[-1]), self.images[0].dtype)
        return tf.data.Dataset.from_generator(lambda: iter(self.images), output_signature=spec)


def from_photos(images, names, options, *, name, notes=(), **told):
    """`Data` of whole clean photos, in three parts that share none.

    Args:
        images: (H, W, C) uint8 arrays with the same bands.
        names: what each is called.
        options: `Options`; its shares are of the photos.
        name, notes, told: as `Data` has them.
    Returns:
        `Data` of the task restoration; the targets are the photos' numbers, as a recipe makes what it learns from the
        photos themselves.
    Raises:
        ValueError: if the images are no photos of the same bands, or too few for three parts.
    """
    for image, called in zip(images, names, strict=True):
        if image.ndim != 3 or image.dtype != np.uint8 or image.shape[-1] != images[0].shape[-1]:
            raise ValueError(
                f"load: photos must be (H, W, {images[0].shape[-1]}) uint8, got {image.shape} {image.dtype}: {called}."
            )
    keys = np.concatenate([content_keys(image[None]) for image in images])
    shares = (options.validation, options.test)
    places = split(np.zeros((len(images), 1), np.float32), keys, shares, options.seed)
    whole = Examples(Photographs(tuple(images)), np.arange(len(images), dtype=np.int32), np.array(names))
    parts = {part: whole.take(chosen) for part, chosen in zip(PARTS, places, strict=True)}
    sizes = ", ".join(f"{len(p)} for {part}" for part, p in parts.items() if len(p))
    told = {"source": "the user", "licence": "not stated", "description": "", **told}
    return Data(
        name=name, task="restoration", kind="image", shape=(None, None, images[0].shape[-1]), dtype="uint8",
        classes=(), outputs=(), **parts, columns={}, notes=tuple(notes), **told,
        split=f"whole photos on one side: {sizes}; drawn with seed {options.seed}",
    )  # fmt: skip


def pixels_of(examples):
    """The images of `Examples`, one after the other: (H, W, C)."""
    inputs = examples.inputs
    for i in range(len(examples)):
        yield inputs[i] if isinstance(inputs, np.ndarray) else inputs.read(i)


def squares(examples, side, step=None):
    """Patches of images, row by row; what is left at the right and lower border is left out.

    Args:
        examples: `Examples` of images.
        side: of a patch [pixels].
        step: from one patch to the next [pixels]; `side` if None.
    Returns:
        `Examples`: (N, side, side, C) patches, and the number of the image that each is from.
    Raises:
        ValueError: if an image is smaller than a patch.
    """
    step, found, origin = step or side, [], []
    for i, image in enumerate(pixels_of(examples)):
        if min(image.shape[:2]) < side:
            raise ValueError(
                f"`patch` must be at most {min(image.shape[:2])}, the side of the smallest image, got {side}."
            )
        for row in range(0, image.shape[0] - side + 1, step):
            for column in range(0, image.shape[1] - side + 1, step):
                found.append(image[row : row + side, column : column + side])
                origin.append(i)
    origin = np.array(origin, np.int32)
    names = None if examples.names is None else examples.names[origin]
    return Examples(np.stack(found), origin, names)


def in_patches(data, side):
    """`data` with its training and validation images cut into patches; the test images stay whole.

    Args:
        data: `Data` of 8-bit images, whatever their task; their labels are left out.
        side: of a patch [pixels].
    Returns:
        `Data` of the task restoration; `data` itself where that is done already.
    Raises:
        ValueError: if these are no 8-bit images, or an image is smaller than a patch.
    """
    verify_photos(data)
    first = data.train.inputs
    if data.task == "restoration" and isinstance(first, np.ndarray) and first.shape[1:3] == (side, side):
        return data
    parts = {part: getattr(data, part) for part in PARTS}
    for part in ("train", "validation"):
        if len(parts[part]):
            parts[part] = squares(parts[part], side)
    for part, examples in parts.items():
        parts[part] = dataclasses.replace(examples, targets=np.arange(len(examples), dtype=np.int32))
    return dataclasses.replace(
        data, **parts, task="restoration", classes=(), outputs=(), shape=(None, None, data.shape[-1]),
        split=f"{data.split}; training and validation in patches of {side} x {side} pixels without overlap",
    )  # fmt: skip


def verify_photos(data):
    """A ValueError where `data` are no 8-bit images that can be read one by one."""
    inputs = data.train.inputs
    readable = isinstance(inputs, np.ndarray) or hasattr(inputs, "read")
    if data.kind != "image" or data.dtype != "uint8" or not readable:
        raise ValueError(f"`data` must be 8-bit images in memory or in files, got {data!r}.")


def known_warps(data, side, max_displacement, samples, seed):
    """Pairs of frames out of photos, with the exact motion between them.

    The second frame is a square of a photo, and the first what is seen through a random affine flow: a shift of up to
    half of `max_displacement`, and a linear change that moves no pixel further than the other half. What moves in from beyond the
    square is known, as the photo goes on there.

    Args:
        data: `Data` of 8-bit images, whatever their task.
        side: of a frame [pixels].
        max_displacement: longest motion along each axis [pixels].
        samples: flows for each square of the training part; the others get one.
        seed: of the flows.
    Returns:
        `Data` of the task motion: inputs first and second, (N, side, side, C) uint8; targets (N, side, side, 2) flow
        (u, v) [pixels], float32.
    """
    verify_photos(data)
    parts = {}
    for number, part in enumerate(PARTS):
        examples = getattr(data, part)
        if not len(examples):
            parts[part] = pairs(np.zeros((2, 0, side, side, data.shape[-1]), np.uint8), np.zeros((0, side, side, 2)))
            continue
        patches, rng = squares(examples, side + 2 * max_displacement, side), np.random.default_rng([seed, number])
        often = samples if part == "train" else 1
        made = [warped(image, side, max_displacement, rng) for image in patches.inputs for _ in range(often)]
        frames = np.stack([[m[0] for m in made], [m[1] for m in made]])
        parts[part] = pairs(frames, np.stack([m[2] for m in made]))
    return dataclasses.replace(
        data, **parts, task="motion", kind="pair", classes=(), outputs=("u", "v"), shape=(side, side, data.shape[-1]),
        split=f"{data.split}; frames of {side} x {side} pixels, {samples} affine flows of up to {max_displacement} pixels each in "
        f"training and one elsewhere, drawn with seed {seed}",
    )  # fmt: skip


def pairs(frames, flows):
    """`Examples` of (2, N, H, W, C) frames and (N, H, W, 2) flows, NaN where a flow is not known."""
    return Examples({"first": frames[0], "second": frames[1]}, flows.astype(np.float32), np.arange(len(flows)))


def warped(image, side, max_displacement, rng):
    """(first frame, second frame, flow) of a square with a margin of `max_displacement` pixels."""
    from scipy.ndimage import map_coordinates

    y, x = np.mgrid[:side, :side].astype(np.float64)
    centred = np.stack([x, y], axis=-1) - (side - 1) / 2
    change = rng.uniform(-max_displacement / (2 * side), max_displacement / (2 * side), (2, 2))
    flow = centred @ change.T + rng.uniform(-max_displacement / 2, max_displacement / 2, 2)
    places = np.stack([y + flow[..., 1], x + flow[..., 0]]) + max_displacement
    bands = [map_coordinates(image[..., b].astype(np.float32), places, order=1) for b in range(image.shape[-1])]
    first = np.round(np.stack(bands, axis=-1)).astype(np.uint8)
    return first, image[max_displacement : max_displacement + side, max_displacement : max_displacement + side], flow


def held_out_pairs(frames, flows, *, name, notes=(), **told):
    """`Data` of pairs that only the test part has.

    Args:
        frames: (2, N, H, W, C) uint8.
        flows: (N, H, W, 2) [pixels], NaN where they are not known.
        name, notes, told: as `Data` has them.
    """
    none = pairs(frames[:, :0], flows[:0])
    return Data(
        name=name, task="motion", kind="pair", shape=frames.shape[2:], dtype="uint8", classes=(), outputs=("u", "v"),
        train=none, validation=none, test=pairs(frames, flows), columns={}, split="the test part as given",
        notes=tuple(notes), **told,
    )  # fmt: skip
