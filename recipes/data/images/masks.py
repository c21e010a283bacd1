"""Images with a mask, a class for every pixel: folders of equal names, arrays, and large images cut into tiles.

All of it is kept in memory. Parts share no pixel: whole images, or whole squares of tiles, are on one side.
"""

import re
import typing
from pathlib import Path

import numpy as np

from recipes.data.examples import Data, Examples
from recipes.data.images.image_files import SUFFIXES, read
from recipes.data.images.mask_labels import Table, read_labels
from recipes.data.split import content_keys, split
from recipes.losses import IGNORE
from zoo.arguments import suggestion

FILES = (*SUFFIXES, ".npy")
BLOCK = 2  # tiles along the side of a square that stays on one side
FEW = 10  # images below which squares of tiles make the parts; squares below which single tiles do


class Scene(typing.NamedTuple):
    """One image with its mask as they were read."""

    name: str
    image: np.ndarray  # (H, W, C)
    mask: np.ndarray  # (H, W) values as the user wrote them


def read_masks(place, options):
    """`Data` from a folder of images and one of masks with equal names, or from one file each.

    Args:
        place: folder or file of the images: PNG, JPEG, TIFF, ... in their own depth, or .npy of (H, W, C).
        options: `Options`; `labels` is the folder or file of the masks, `bands` are the bands to take, from 1.
    Returns:
        `Data` of the task segmentation.
    Raises:
        ValueError: if a file has no partner, cannot be read, or does not go with the others; it names the file.
    """
    if not options.labels:
        raise ValueError(f"load: `labels` must be given for masks, as in masks:{place}?labels=MASKS, got None.")
    images, masks = (files_of(Path(p).expanduser()) for p in (place, options.labels))
    if len(images) == len(masks) == 1 and Path(place).expanduser().is_file():
        masks = dict(zip(images, masks.values(), strict=True))
    for name, path in {**masks, **images}.items():
        mine, other = ("mask", masks) if name in images else ("image", images)
        if name not in other:
            raise ValueError(
                f"load: every image must have its mask, got {path} without {mine}.{suggestion(name, other)}"
            )
    scenes = []
    for name in sorted(images):
        image, mask = _taken(read_pixels(images[name]), options.bands, images[name]), read_labels(masks[name])
        if image.shape[:2] != mask.shape:
            raise ValueError(
                f"load: image and mask must have one size, got {image.shape[:2]} of {images[name]} and {mask.shape} of "
                f"{masks[name]}."
            )
        scenes.append(Scene(images[name].name, image, mask))
    return from_scenes({None: scenes}, options, name=Path(place).resolve().stem, source=str(place))


def files_of(place):
    """Name without its ending -> path, of a folder's images or of one file."""
    if place.is_file():
        return {place.stem: place}
    if not place.is_dir():
        near = suggestion(place.name, [p.name for p in place.parent.iterdir()]) if place.parent.is_dir() else ""
        raise ValueError(f"load: there is no folder or file {place}.{near}")
    found = {}
    for path in sorted(place.iterdir()):
        if path.suffix.lower() in FILES and not path.name.startswith("."):
            if path.stem in found:
                raise ValueError(f"load: names must differ beside their ending, got {found[path.stem]} and {path}.")
            found[path.stem] = path
    if not found:
        raise ValueError(f"load: {place} must have images ({', '.join(FILES)}), got none.")
    return found


def read_pixels(path):
    """(H, W, C) of an image in its own depth: 8 bits as `photos.read` has them, 16 bits and floats as they are.

    Raises:
        ValueError: if the file cannot be read to its end; it is named.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if path.suffix.lower() == ".npy":
            pixels = np.load(path, allow_pickle=False)
        else:
            try:
                with Image.open(path) as photo:
                    deep = photo.mode[0] in "IF"
                    pixels = np.asarray(photo) if deep else read(path).pixels
            except (UnidentifiedImageError, ValueError):  # kinds of TIFF that Pillow lacks
                pixels = decoded(path.read_bytes())
    except Exception as error:  # a broken file may raise anything in a decoder
        raise ValueError(f"load: every image must be readable, got {path}: {error}") from None
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.dtype.kind not in "uif":
        raise ValueError(f"load: an image must be (H, W, C) numbers, got {pixels.shape} {pixels.dtype} in {path}.")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError(f"load: an image must be finite, got NaN or infinity in {path}.")
    return pixels if pixels.dtype in (np.uint8, np.uint16) else pixels.astype(np.float32)


def decoded(data):
    """(H, W) or (H, W, C) from the bytes of an image file, as OpenCV reads it, in the order R, G, B."""
    import cv2

    logging = getattr(cv2.utils, "logging", cv2)  # where R's reticulate imports OpenCV, it lacks this part
    before = logging.setLogLevel(2)  # errors only; it would warn of the tags of a georeferenced TIFF
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        logging.setLogLevel(before)
    if pixels is None:
        raise ValueError("it is no image, or broken")
    return pixels[..., [2, 1, 0, *range(3, pixels.shape[-1])]] if pixels.ndim == 3 else pixels


def _taken(image, bands, path):
    """The bands that are asked for, counted from 1."""
    absent = [b for b in bands if not 1 <= b <= image.shape[-1]]
    if absent:
        raise ValueError(f"load: `bands` must be from 1 to {image.shape[-1]}, got {absent[0]} for {path}.")
    return image[..., [b - 1 for b in bands]] if bands else image


def read_mask_arrays(pairs, options):
    """`Data` from (part, x, masks) arrays, x (N, H, W) or (N, H, W, C) and masks (N, H, W) or (N, H, W, 1)."""
    parts = {}
    for part, x, y in pairs:
        x, y = np.asarray(x), np.asarray(y)
        x = x[..., None] if x.ndim == 3 else x
        y = y[..., 0] if y.ndim == 4 and y.shape[-1] == 1 else y
        if x.ndim != 4 or y.shape != x.shape[:3] or x.dtype.kind not in "uif" or not len(x):
            raise ValueError(
                "load: x must be (N, H, W, C) numbers and the masks (N, H, W) for segmentation, got "
                f"{x.shape} {x.dtype} and {y.shape}."
            )
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError("load: x must be finite for segmentation, got NaN or infinity.")
        x = x if x.dtype in (np.uint8, np.uint16) else x.astype(np.float32)
        parts[part] = [Scene(f"{part or 'image'} {i}", *pair) for i, pair in enumerate(zip(x, y, strict=True))]
    return from_scenes(parts, options, name="arrays")


def from_scenes(parts, options, *, name, notes=(), **told):
    """`Data` from scenes that are read: masks become class indices, large images tiles, and the whole three parts.

    Args:
        parts: train, validation, test -> scenes as given; or None -> scenes to be split.
        options: `Options`.
        name, notes, told: as `Data` has them.
    Raises:
        ValueError: if the sizes or bands differ, or a mask has a value that is no class; it names the scene.
    """
    table = Table.of([s for scenes in parts.values() for s in scenes], options)
    made, words = {}, []
    for part, scenes in parts.items():
        examples, places = _examples(scenes, table, options)
        shares = [f if p not in parts else 0.0 for f, p in ((options.validation, "validation"), (options.test, "test"))]
        if part in ("validation", "test") or not any(shares):
            made[part or "train"] = examples
            words.append(f"the {part or 'train'} part as given")
            continue
        units, said = _units(scenes, places, options)
        rare = 1.0 - np.array([np.mean((y == table.commonest) | (y == IGNORE)) for y in examples.targets])
        found = split(rare[:, None].astype(np.float32), content_keys(examples.inputs), shares, options.seed, units)
        for side, chosen in zip(("train", "validation", "test"), found, strict=True):
            if side == "train" or side not in parts:
                made[side] = examples.take(chosen)
        sizes = ", ".join(f"{len(p):,} {s}" for s, p in zip(("training", "validation", "test"), found, strict=True))
        words.append(f"{sizes}; {said}, drawn with seed {options.seed}, stratified by the share of the rarer classes")
    for part in ("validation", "test"):
        made.setdefault(part, made["train"].take(slice(0, 0)))
    keys = {part: content_keys(e.inputs) for part, e in made.items()}
    shared = {p: int(np.isin(keys[p], keys["train"]).sum()) for p in ("validation", "test")}
    notes = [
        *notes,
        *table.notes,
        *(f"{n:,} images of the {p} part are also in training" for p, n in shared.items() if n),
    ]
    learnt = np.bincount(made["train"].targets[made["train"].targets != IGNORE], minlength=len(table.names))
    if not learnt.all():
        lacking = table.names[int(learnt.argmin())]
        raise ValueError(f"load: the training part must have pixels of every class, got none of {lacking!r}.")
    told = {"source": "the user", "licence": "not stated", "description": "", **told}
    inputs = made["train"].inputs
    return Data(
        name=name, task="segmentation", kind="image", shape=inputs.shape[1:], dtype=inputs.dtype.name,
        classes=table.names, outputs=(), **made, columns={}, split="; ".join(words), notes=tuple(notes), **told,
    )  # fmt: skip


def _examples(scenes, table, options):
    """`Examples` of whole images or of tiles, and (N, 3) places: scene, row and column of the tile."""
    kinds = {(s.image.shape[-1], s.image.dtype.name): s for s in scenes}
    if len(kinds) > 1:
        told = " and ".join(f"{c} bands of {t} in {s.name}" for (c, t), s in list(kinds.items())[:2])
        raise ValueError(f"load: all images must have the same bands and depth, got {told}.")
    sizes = {s.image.shape[:2]: s for s in scenes}
    if len(sizes) > 1 and not options.tile:
        told = " and ".join(f"{h} x {w} of {s.name}" for (h, w), s in list(sizes.items())[:2])
        raise ValueError(f"load: `tile` must be given where images differ in size, as in tile=128, got {told}.")
    images, masks, names, places = [], [], [], []
    for i, scene in enumerate(scenes):
        labels = table.indices(scene)
        if not options.tile:
            images, masks, names = [*images, scene.image], [*masks, labels], [*names, scene.name]
            places.append((i, 0, 0))
            continue
        for image, mask, (row, column) in tiles(scene.image, labels, options.tile):
            if (mask != IGNORE).any():
                images, masks = [*images, image], [*masks, mask]
                names.append(f"{scene.name} row {row * options.tile} column {column * options.tile}")
                places.append((i, row, column))
    return Examples(np.stack(images), np.stack(masks), np.array(names)), np.array(places)


def tiles(image, mask, side):
    """Squares of an image and its mask side by side, without overlap; at the border mirrored, and ignored there.

    Args:
        image: (H, W, C).
        mask: (H, W) class index.
        side: of a square [pixels].
    Yields:
        (side, side, C), (side, side) and (row, column) of the tile.
    """
    height, width = mask.shape
    more = ((0, -height % side), (0, -width % side))
    image, mask = np.pad(image, (*more, (0, 0)), "symmetric"), np.pad(mask, more, constant_values=IGNORE)
    for row in range(len(mask) // side):
        for column in range(mask.shape[1] // side):
            place = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            yield image[place], mask[place], (row, column)


def _units(scenes, places, options):
    """(N,) what stays on one side, and that in words."""
    tiled = f"tiles of {options.tile} x {options.tile} pixels without overlap, " if options.tile else ""
    if options.group is not None:
        groups = np.array([_group(s.name, options.group) for s in scenes])
        return groups[places[:, 0]], f"{tiled}{len(np.unique(groups)):,} groups of {options.group} whole"
    if not options.tile or len(scenes) >= FEW:
        return places[:, 0], f"{tiled}whole images on one side"
    blocks = np.unique(np.stack([places[:, 0], *(places[:, 1:] // BLOCK).T]), axis=1, return_inverse=True)[1].ravel()
    if blocks.max() + 1 < FEW:
        return np.arange(len(places)), f"{tiled}each on a side of its own, as there are few"
    return blocks, f"{tiled}in {blocks.max() + 1:,} squares of {BLOCK} x {BLOCK} tiles that stay on one side"


def _group(name, pattern):
    found = re.search(str(pattern), name)
    if not found:
        raise ValueError(f"load: `group` must be found in every image's name, got {pattern!r} not in {name}.")
    return found[1] if found.re.groups else found[0]
