"""Images with masks that number their objects, such as cells: boxes and masks of the objects."""

from pathlib import Path

import numpy as np

from recipes.data.boxes.annotation_reader import AnnotationSet, annotation_reader
from recipes.data.boxes.annotations import Annotation
from recipes.data.boxes.object_masks import Cutout
from recipes.data.images.mask_files import read_mask
from recipes.data.images.paired_files import paired_files
from zoo.arguments import FilePath


@annotation_reader
def read_instances(root, problems, *, labels: FilePath, name: str = "object", classes: tuple[str, ...] = ()):
    """Reads a folder of images and one of masks that number the objects.

    Names of images and masks may differ by a prefix or suffix that all have, as `read_masks` has it. In a mask 0 is the
    background, and each other value is one object, connected or not.

    Args:
        path: folder or file of the images.
        labels: folder or file of the masks, PNG or TIFF of whole numbers, or .npy.
        name: of the objects' class.
        classes: names of the classes, where the model has others, too; `name` alone where empty.
        {shared}
    Raises:
        ValueError: if a file has no partner or cannot be read, or no object is left.
    """
    notes, annotations = [], []
    for image, mask in paired_files(root, Path(labels).expanduser(), "mask", notes):
        try:
            values = read_mask(mask).values
        except ValueError as error:
            problems.add("masks that cannot be read", str(error))
            continue
        annotation = Annotation(image, image.name, masks=[])
        for number, box, cutout in numbered_objects(values):
            annotation.boxes.append(box)
            annotation.labels.append(name)
            annotation.crowd.append(False)
            annotation.places.append(f"{mask.name} object {number}")
            annotation.masks.append(cutout)
        annotations.append(annotation)
    folder = root if root.is_dir() else root.parent
    return AnnotationSet(annotations, folder, classes or (name,), root.resolve().stem, notes)


def numbered_objects(values):
    """Yields (number, (x1, y1, x2, y2) [pixels], `Cutout`) of each object of a mask (H, W); 0 is the background."""
    from scipy.ndimage import find_objects

    numbers, dense = np.unique(np.maximum(values, 0), return_inverse=True)
    dense = dense.reshape(values.shape) + (numbers[0] > 0)  # background 0, objects from 1
    for i, place in enumerate(find_objects(dense)):
        rows, columns = place
        cutout = Cutout.of(dense[place] == i + 1, (rows.start, columns.start), values.shape)
        yield int(numbers[numbers > 0][i]), (columns.start, rows.start, columns.stop, rows.stop), cutout
