"""Masks of objects: in any size, mirrored with their images, and from COCO files and numbered masks."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

import recipes
from recipes.data.augment.with_boxes import flip
from recipes.data.boxes.instance_tiles import tiles_with_objects
from recipes.data.boxes.instances import numbered_objects
from recipes.data.boxes.object_masks import Cutout, ObjectMasks, Polygons
from recipes.data.split import SplitOptions


def disk(height, width, y, x, radius):
    rows, columns = np.mgrid[:height, :width]
    return ((rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2 <= radius**2).astype(np.uint8)


def test_a_cutout_is_the_mask_it_was_made_of():
    mask = disk(40, 60, 12, 50, 9)
    np.testing.assert_array_equal(Cutout.of(mask).draw(40, 60), mask)


@pytest.mark.parametrize(("height", "width"), [(20, 30), (80, 120), (33, 90), (7, 11)])
@pytest.mark.parametrize("center", [(12, 50), (3, 2), (38, 30)])
def test_a_resized_cutout_is_the_resized_mask(height, width, center):
    mask = disk(40, 60, *center, 9)
    resized = Image.fromarray(mask * 255).resize((width, height), Image.Resampling.BOX)
    difference = Cutout.of(mask).draw(height, width) != (np.asarray(resized) >= 128)
    assert difference.mean() < 0.01  # pixels whose value is about one half


def test_polygons_are_drawn_in_the_size_that_is_asked_for():
    square = Polygons([[10, 10, 30, 10, 30, 20, 10, 20]], (40, 60))
    assert square.draw(40, 60).sum() == 200
    assert square.draw(80, 120).sum() == 800


def test_masks_are_mirrored_with_the_boxes():
    store = ObjectMasks([Cutout.of(disk(16, 32, 4, 6, 3))])
    targets = np.array([[[3 / 32, 1 / 16, 9 / 32, 7 / 16, 0, 0, 0], [-1] * 7]], "float32")
    for flips in ([True, False], [False, True], [True, True]):
        _, moved = flip(np.zeros((1, 16, 32, 1), "float32"), targets, np.array([flips]))
        moved = moved.numpy()
        mask = store.draw_flipped(moved[..., 5], moved[..., 6], 16, 32)[0]
        rows, columns = (np.flatnonzero(mask[0].any(axis)) for axis in (1, 0))
        corners = [columns[0] / 32, rows[0] / 16, (columns[-1] + 1) / 32, (rows[-1] + 1) / 16]
        np.testing.assert_allclose(moved[0, 0, :4], corners)
        assert not mask[1].any() and (moved[0, 1, :5] == -1).all()


def test_two_flips_cancel():
    targets = np.array([[[0.1, 0.1, 0.5, 0.5, 0, 0, 0]]], "float32")
    image, flips = np.zeros((1, 4, 4, 1), "float32"), np.array([[True, True]])
    np.testing.assert_allclose(flip(*flip(image, targets, flips), flips)[1], targets, atol=1e-6)


def test_numbers_of_objects_may_have_gaps_and_no_background():
    values = np.array([[7, 7, 1000], [7, 7, 1000]])
    numbers, boxes, cutouts = zip(*numbered_objects(values), strict=True)
    assert numbers == (7, 1000) and boxes == ((0, 0, 2, 2), (2, 0, 3, 2))
    np.testing.assert_array_equal(cutouts[1].draw(2, 3), values == 1000)


def test_a_mask_without_an_object_is_a_background_image(tmp_path):
    source = write_numbered(tmp_path, [np.zeros((20, 20)), *(disk(20, 20, 8, 8 + i, 5) for i in range(5))])
    data = recipes.load(source, validation=0, test=0)
    assert [len(rows[rows[:, 4] >= 0]) for rows in data.train.targets].count(0) == 1


def write_numbered(folder, masks):
    """Writes images and masks, and returns their source."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i, mask in enumerate(masks):
        image = np.repeat(np.uint8(mask > 0)[..., None] * 150, 3, axis=-1)
        Image.fromarray(image).save(folder / "images" / f"{i}.png")
        Image.fromarray(np.uint16(mask)).save(folder / "masks" / f"{i}.png")
    return f"instances:{folder / 'images'}?labels={folder / 'masks'}&name=cell"


def test_numbered_masks_and_coco_files_give_the_same_objects(tmp_path):
    masks = [disk(30, 40, 8, 10 + i, 6) + 2 * disk(30, 40, 20, 30, 5) for i in range(6)]
    numbered = recipes.load(write_numbered(tmp_path, masks))
    annotations = []
    for i, values in enumerate(masks):
        for number in (1, 2):
            segment = coco.encode(np.asfortranarray(values == number, np.uint8))
            box = coco.toBbox(segment).tolist()
            segment["counts"] = segment["counts"].decode()
            entry = {"id": len(annotations), "image_id": i, "category_id": 1, "bbox": box, "iscrowd": 0}
            annotations.append({**entry, "segmentation": segment})
    images = [{"id": i, "file_name": f"{i}.png", "height": 30, "width": 40} for i in range(6)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    of_coco = recipes.load(f"coco:{tmp_path / 'coco.json'}?masks=true")
    assert numbered.classes == of_coco.classes == ("cell",)
    for a, b in ((numbered.train, of_coco.train), (numbered.test, of_coco.test)):
        np.testing.assert_allclose(a.targets[..., :6], b.targets[..., :6], atol=1e-6)
        for rows in zip(a.targets, b.targets, strict=True):
            masks = [e.masks.draw(r[:, 6], 30, 40) for e, r in zip((a, b), rows, strict=True)]
            np.testing.assert_array_equal(*masks)


def test_polygons_of_a_file_without_sizes_have_that_of_the_image(tmp_path):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "0.png")
    entry = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [5, 5, 10, 10]}
    entry["segmentation"] = [[5, 5, 15, 5, 15, 15, 5, 15]]
    content = {"images": [{"id": 0, "file_name": "0.png"}], "annotations": [entry]}
    (tmp_path / "coco.json").write_text(json.dumps({**content, "categories": [{"id": 1, "name": "cell"}]}))
    data = recipes.load(f"coco:{tmp_path / 'coco.json'}?masks=true&validation=0&test=0")
    assert data.train.masks.draw([0], 30, 40).sum() == 100


def test_masks_of_another_size_and_objects_without_one_are_skipped_and_counted(tmp_path):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "0.png")
    square = [[5, 5, 15, 5, 15, 15, 5, 15]]
    entries = [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [5, 5, 10, 10], "segmentation": square},
        {"id": 2, "image_id": 0, "category_id": 1, "bbox": [5, 5, 10, 10]},
        {
            **{"id": 3, "image_id": 0, "category_id": 1, "bbox": [5, 5, 10, 10]},
            "segmentation": {"size": [50, 40], "counts": [100, 10, 1890]},
        },
    ]
    images = [{"id": 0, "file_name": "0.png", "height": 30, "width": 40}]
    content = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "cell"}]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    source = f"coco:{tmp_path / 'coco.json'}?masks=true&validation=0&test=0"
    with pytest.warns(UserWarning, match="skipped"):
        data = recipes.load(source)
    assert (data.train.targets[..., 4] >= 0).sum() == 1
    assert any("objects without a mask: 1 (0.png box 2)" in note for note in data.notes)
    assert any("masks of another size than the image: 1 (0.png box 3" in note for note in data.notes)
    with pytest.raises(ValueError, match="annotations must have no errors under `strict`"):
        recipes.load(f"{source}&strict=true")


def test_parts_of_objects_at_the_border_of_a_tile():
    numbers = np.zeros((40, 40), int)
    numbers[2:12, 17:27] = 1  # 3 of its 10 columns lie in the first tile
    numbers[25:35, 1:21] = 2  # 1 of its 20 columns lies in the last one
    options = SplitOptions(0.25, 0.25, 0)
    data = tiles_with_objects(
        np.zeros((40, 40, 1), np.uint8), numbers, "cell", tile=20, split_options=options, name="tiles"
    )
    rows = {
        name: row[row[:, 4] >= 0]
        for examples in (data.train, data.validation, data.test)
        for name, row in zip(examples.names, examples.targets, strict=True)
    }
    np.testing.assert_allclose(rows["tile at row 0, column 0"][0, :6], [17 / 20, 0.1, 1, 0.6, 0, 0], atol=1e-6)
    assert rows["tile at row 20, column 20"][0, 5] == 1  # a crowd
