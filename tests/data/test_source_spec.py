"""Every kind of data is read alike by keywords, by a string and by its reader, and again from its saved spec."""

import inspect
import json
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import recipes
from recipes.data import SourceSpec, as_source_spec, load, reopen
from recipes.data.new_image import read_bands
from recipes.data.readers import READERS, reader_named
from recipes.data.source_spec import reader_options
from recipes.runs.load import load_run
from recipes.runs.predict_files import evaluate_run
from tests.box_images import write_rectangles
from tests.question_files import write_table

RNG = np.random.default_rng(0)
SPLITS = ("train", "validation", "test")


def write_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def folder(path):
    for name in ("oak", "birch"):
        for i in range(12):
            write_image(path / "trees" / name / f"site{i % 6}_{i}.png", RNG.integers(0, 256, (8, 8, 3)).astype("uint8"))
    return path / "trees", {"group": r"site(\d)", "validation": 0.25, "test": 0.25, "seed": 1}


def image_table(path):
    folder(path)
    rows = [(f"{name}/site{i % 6}_{i}.png", name, i % 6, 1 + i % 2) for name in ("oak", "birch") for i in range(12)]
    pd.DataFrame(rows, columns=["file", "tree", "site", "weight"]).to_csv(path / "trees.csv", index=False)
    options = {"target": ("tree",), "group": "site", "weight": "weight", "validation": 0.25, "test": 0.25, "seed": 1}
    return path / "trees.csv", {"images": str(path / "trees"), **options}


def masks(path):
    for i in range(12):
        write_image(path / "x" / f"{i}.png", RNG.integers(0, 256, (8, 8, 3)).astype("uint8"))
        write_image(path / "y" / f"{i}.png", RNG.integers(0, 2, (8, 8)).astype("uint8"))
    options = {"bands": (3, 1), "tile": 4, "classes": ("ground", "tree"), "test": 0.25, "seed": 2}
    return path / "x", {"labels": str(path / "y"), **options}


def pairs(path):
    for i in range(8):
        write_image(path / "x" / f"{i}.png", RNG.integers(0, 256, (8, 8)).astype("uint8"))
        write_image(path / "y" / f"{i}.png", RNG.integers(0, 256, (8, 8, 3)).astype("uint8"))
    return path / "x", {"labels": str(path / "y"), "tile": 4, "seed": 3}


def raster(path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")
    arrays = {
        "scene": RNG.integers(0, 9000, (3, 64, 48)).astype("uint16"),
        "truth": RNG.choice([1, 2, 7], (1, 64, 48)).astype("uint8"),
    }
    for name, values in arrays.items():
        size = {"count": len(values), "height": 64, "width": 48, "dtype": values.dtype}
        grid = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
        with rasterio.open(path / f"{name}.tif", "w", driver="GTiff", crs="EPSG:32632", transform=grid, **size) as file:
            file.write(values)
    labels = str(path / "truth.tif")
    return path / "scene.tif", {
        "labels": labels,
        "bands": (3, 2, 1),
        "tile": 8,
        "ignore": (7,),
        "classes": ("a=1", "b=2"),
    }


def table(path):
    n = 60
    x = RNG.uniform(0, 25, n)
    frame = {
        "a": RNG.normal(size=n), "b": RNG.choice(["u", "v"], n), "c, d": RNG.normal(size=n), "x": x,
        "y": RNG.uniform(0, 2, n), "code": RNG.choice([1, 2, 7], n), "site": [f"site {int(v // 2.5)}" for v in x],
    }  # fmt: skip
    pd.DataFrame(frame).to_csv(path / "t.csv", index=False)
    return path / "t.csv", {
        "target": ("b",), "drop_columns": ("c, d", "site"), "categorical": ("code",), "missing": "impute",
        "block": ("x", "y", 2.5), "group": "site", "validation": 0.2, "test": 0.2, "seed": 4,
    }  # fmt: skip


def series(path):
    days = pd.date_range("2020-01-01", periods=200)
    frame = pd.DataFrame({"day": days, "flow": np.arange(200.0), "rain": RNG.random(200), "level": RNG.random(200)})
    frame.to_csv(path / "river.csv", index=False)
    return path / "river.csv", {
        "time": "day", "target": ("flow", "level"), "window": 6, "horizon": (2, 4), "gap": 1, "calendar": ("month",),
        "season_length": 7, "time_fraction": 0.9, "columns": ("flow", "rain"), "validation": 0.2,
    }  # fmt: skip


def labelled_text(path):
    rows = [(f"a heron number {i}" if i % 2 else f"a trout number {i}", i % 2, i // 4) for i in range(40)]
    pd.DataFrame(rows, columns=["note", "bird", "writer"]).to_csv(path / "notes.csv", index=False)
    return path / "notes.csv", {"text": "note", "target": ("bird",), "group": "writer", "test": 0.3, "seed": 5}


def text(path):
    (path / "book.txt").write_text("\n\n".join(f"paragraph {i} of {RNG.integers(9)} words" for i in range(90)))
    return path / "book.txt", {"window": 16, "validation": 0.2}


def sound(path):
    soundfile = pytest.importorskip("soundfile")
    for name in ("wren", "owl"):
        (path / "birds" / name).mkdir(parents=True)
        for i in range(12):
            samples = RNG.uniform(-0.5, 0.5, 900)
            soundfile.write(path / "birds" / name / f"site{i % 6}_{i}.wav", samples, 800)
    return path / "birds", {"seconds": 0.5, "sample_rate": 400, "group": r"site(\d)", "test": 0.25, "seed": 1}


def bundled(path):
    return "seattle-weather", {"window": 7, "horizon": (3,), "columns": ("wind", "temp_max"), "test": 0.3}


def voc(path):
    root = write_rectangles(path / "animals", 12)
    return root, {"classes": ("red", "blue"), "group": r"(\d)\.png", "validation": 0.25, "test": 0.25, "seed": 1}


def boxes(path):
    root, _ = voc(path)
    data = load(f"voc:{root}", validation=0, test=0)
    rows = [
        (name, *(64 * target[:4]).tolist(), data.classes[int(target[4])])
        for name, targets in zip(data.train.names, data.train.targets, strict=True)
        for target in targets[targets[:, 4] >= 0]
    ]
    pd.DataFrame(rows, columns=["photo", "left", "top", "right", "bottom", "animal"]).to_csv(path / "t.csv")
    columns = {"image": "photo", "label": "animal", "corners": ("left", "top", "right", "bottom")}
    return path / "t.csv", {"images": str(root / "JPEGImages"), **columns, "test": 0.25, "seed": 2}


def coco(path):
    files = [f"{i}.png" for i in range(12)]
    for file in files:
        write_image(path / "images" / file, RNG.integers(0, 256, (16, 16, 3)).astype("uint8"))
    document = {
        "images": [{"id": i, "file_name": file, "width": 16, "height": 16} for i, file in enumerate(files)],
        "categories": [{"id": 3, "name": "owl"}, {"id": 8, "name": "wren"}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": (3, 8)[i % 2], "bbox": [2, 3, 4 + i % 5, 6]} for i in range(12)
        ],
    }
    (path / "boxes.json").write_text(json.dumps(document))
    return path / "boxes.json", {"images": str(path / "images"), "group": r"(\d)", "validation": 0.25, "seed": 3}


def yolo(path):
    for i in range(12):
        write_image(path / "images" / f"{i}.png", RNG.integers(0, 256, (16, 16, 3)).astype("uint8"))
        (path / "labels").mkdir(exist_ok=True)
        (path / "labels" / f"{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.25 0.{1 + i % 4}\n")
    (path / "data.yaml").write_text("names: [owl, wren]\n")
    return path, {"images": str(path / "images"), "validation": 0.25, "test": 0.25, "seed": 4}


def instances(path):
    for i in range(12):
        write_image(path / "x" / f"{i}.png", RNG.integers(0, 256, (16, 16, 3)).astype("uint8"))
        numbers = np.zeros((16, 16), "uint8")
        numbers[2:6, 3:9], numbers[8 : 10 + i % 5, 4:8] = 1, 2
        write_image(path / "y" / f"{i}.png", numbers)
    return path / "x", {"labels": str(path / "y"), "name": "cell", "validation": 0.25, "test": 0.25, "seed": 5}


def questions(path):
    table = write_table(path / "photos", header="photo,asked,reply,sort")
    columns = {"image": "photo", "question": "asked", "answer": "reply", "type": "sort"}
    return table, {"images": str(path / "photos"), **columns, "validation": 0.25, "test": 0.25, "seed": 6}


def species(path):
    n = 80
    frame = {"lizard": np.arange(n) % 2, "lon": RNG.uniform(0, 9, n), "lat": RNG.uniform(0, 9, n)}
    frame |= {"warmth": RNG.normal(size=n), "rain": RNG.normal(size=n), "soil": RNG.integers(1, 4, n)}
    pd.DataFrame(frame).to_csv(path / "points.csv", index=False)
    options = {"x": "lon", "y": "lat", "columns": ("warmth", "soil"), "categorical": ("soil",)}
    return path / "points.csv", {"target": ("lizard",), **options, "block": 1.0, "test": 0.25, "seed": 7}


KINDS = [
    folder,
    image_table,
    masks,
    pairs,
    boxes,
    coco,
    voc,
    yolo,
    instances,
    questions,
    raster,
    table,
    species,
    series,
]
KINDS += [labelled_text, text, sound, bundled]
DOWNLOADED = {"cifar56eco", "spoken_digits", "tfds"}  # tested in test_cifar56eco.py, test_sound.py and test_tfds.py


def test_every_kind_of_data_is_tested():
    assert {make.__name__ for make in KINDS} | DOWNLOADED == set(READERS)


def query(options):
    """Options as a source string has them."""
    values = ((n, v if isinstance(v, tuple) else (v,)) for n, v in options.items())
    return "&".join(f"{n}={','.join(str(e).replace(', ', '%2C+') for e in v)}" for n, v in values)


def arrays_of(values):
    """The values of inputs or targets, whatever holds them."""
    if isinstance(values, dict):
        return list(values.values())
    if isinstance(values, np.ndarray):
        return [values]
    items = [values.read(i) for i in range(len(values))]
    keys = list(items[0]) if isinstance(items[0], dict) else []  # an image and a question
    return [np.stack([item[key] for item in items]) for key in keys] or [np.stack(items)]


def assert_equal_data(data, other):
    facts = ("name", "task", "kind", "shape", "dtype", "classes", "outputs", "columns", "missing")
    assert [getattr(data, f) for f in facts] == [getattr(other, f) for f in facts]
    for split in SPLITS:
        one, two = getattr(data, split), getattr(other, split)
        assert len(one) == len(two) > 0
        np.testing.assert_array_equal(one.names, two.names)
        for values, others in zip(
            arrays_of(one.inputs) + arrays_of(one.targets), arrays_of(two.inputs) + arrays_of(two.targets), strict=True
        ):
            np.testing.assert_array_equal(values, others)


@pytest.mark.parametrize("make", KINDS, ids=[make.__name__ for make in KINDS])
def test_keywords_string_reader_and_spec_give_the_same_data(make, tmp_path):
    source, options = make(tmp_path)
    prefix = make.__name__
    data = load(f"{prefix}:{source}", **options)
    assert data.source_spec is not None
    for other in (
        load(f"{prefix}:{source}?{query(options)}"),
        getattr(recipes, f"read_{prefix}")(source, **options),
        reopen(json.loads(json.dumps(data.source_spec.to_json()))),
        reopen(str(data.source_spec)),
        load(str(data.source_spec)),
    ):
        assert_equal_data(data, other)
        assert other.source_spec.to_json() == data.source_spec.to_json()
    for name, value in options.items():  # classes of masks get their values
        saved = data.source_spec.to_json()["options"][name]
        assert saved == (list(value) if isinstance(value, tuple) else value) or name == "classes"
    assert set(data.source_spec.options) == (
        set(reader_options(reader_named(prefix))) if prefix != "bundled" else set(reader_options(recipes.read_series))
    )


def test_a_raster_is_read_again_with_the_bands_in_the_given_order(tmp_path):
    source, options = raster(tmp_path)
    data = load(f"raster:{source}", **options)
    assert data.source_spec.options["bands"] == [3, 2, 1]
    again = reopen(data.source_spec)
    np.testing.assert_array_equal(again.train.inputs.read(0), data.train.inputs.read(0))
    every = load(f"raster:{source}", **{**options, "bands": ()})
    np.testing.assert_array_equal(every.train.inputs.read(0)[..., ::-1], data.train.inputs.read(0))
    assert every.source_spec.options["bands"] == []  # all; a raster with more bands is not like the training data


def test_a_table_is_read_again_with_its_target(tmp_path):
    table(tmp_path)
    data = load(f"table:{tmp_path}/t.csv", target="b")
    assert str(data.source_spec) == f"table:{tmp_path}/t.csv?target=b&task=classification&missing=error"
    assert reopen(data.source_spec).classes == ("u", "v")


def test_a_saved_run_on_a_table_is_evaluated_on_the_same_target_and_split(tmp_path, monkeypatch):
    table(tmp_path)
    monkeypatch.chdir(tmp_path)
    data = load("table:t.csv", target="b", drop_columns=("site", "c, d"), seed=3)
    run = recipes.Classification(epochs=1, batch_size=16).fit("dnn", data, out=tmp_path / "run", verbose=False)
    monkeypatch.chdir("/")
    assert evaluate_run(tmp_path / "run")["accuracy"] == run.evaluate("test")["accuracy"]


def test_a_saved_run_on_a_raster_predicts_from_the_bands_in_the_given_order(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")
    source, options = raster(tmp_path)
    data = load(f"raster:{source}", **{**options, "tile": 16})
    run = recipes.Segmentation(epochs=1, batch_size=4).fit("unet", data, verbose=False, filters=(4, 8))
    run.save(tmp_path / "run")
    maps = []
    for i, (trained, bands) in enumerate([(run, ()), (tmp_path / "run", ()), (run, (3, 2, 1)), (run, (1, 2, 3))]):
        path = tmp_path / f"{i}.tif"
        recipes.predict_raster(trained, source, path, bands=bands, overlap=4, probabilities=True, verbose=False)
        with rasterio.open(path) as file:
            maps.append(file.read())
    np.testing.assert_array_equal(maps[0], maps[2])
    np.testing.assert_array_equal(maps[1], maps[2])
    assert not np.array_equal(maps[2], maps[3])
    pixels = read_bands(source, load_run(tmp_path / "run").schema)
    with rasterio.open(source) as file:
        np.testing.assert_array_equal(pixels, np.moveaxis(file.read([3, 2, 1]), 0, -1))


def test_a_run_on_all_bands_refuses_a_raster_with_more_bands(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")
    source, options = raster(tmp_path)
    data = load(f"raster:{source}", **{**options, "tile": 16, "bands": ()})
    run = recipes.Segmentation(epochs=1, batch_size=4).fit("unet", data, verbose=False, filters=(4, 8))
    more = tmp_path / "more.tif"
    with rasterio.open(source) as file, rasterio.open(more, "w", **{**file.profile, "count": 4}) as out:
        out.write(np.concatenate([file.read(), file.read([1])]))
    with pytest.raises(ValueError, match="there must be 3 bands, as in training, got 4 in .*more.tif"):
        recipes.predict_raster(run, more, tmp_path / "map.tif", verbose=False)


def test_options_of_a_spec_may_be_changed(tmp_path):
    source, options = table(tmp_path)
    data = reopen(load(f"table:{source}", **options).source_spec, validation=0.0, test=0.0)
    assert len(data.train) == 60 and data.source_spec.options["test"] == 0


@pytest.mark.parametrize("make", KINDS[:-1], ids=[make.__name__ for make in KINDS[:-1]])  # not the bundled data
def test_relative_paths_are_absolute_in_the_spec(make, tmp_path, monkeypatch):
    source, options = make(tmp_path)
    monkeypatch.chdir(tmp_path)
    paths = {name: v for name, v in options.items() if isinstance(v, str) and v.startswith(str(tmp_path))}
    relative = {**options, **{name: os.path.relpath(path) for name, path in paths.items()}}
    data = load(f"{make.__name__}:{os.path.relpath(source)}", **relative)
    assert data.source_spec.source == str(source)
    assert {name: data.source_spec.options[name] for name in paths} == paths
    monkeypatch.chdir("/")
    assert_equal_data(reopen(data.source_spec), load(f"{make.__name__}:{source}", **options))


@pytest.mark.parametrize(
    "source", [(RNG.normal(size=(40, 3)), np.arange(40) % 2), {"a": RNG.random(40), "b": [0, 1] * 20}]
)
def test_data_in_memory_have_no_spec(source):
    options = {"target": "b"} if isinstance(source, dict) else {}
    assert load(source, **options).source_spec is None


def test_prefixes_of_tables_and_signatures_of_readers(tmp_path):
    source, options = series(tmp_path)
    assert load(f"table:{source}", **options).source_spec.reader == "series"
    source, options = labelled_text(tmp_path)
    assert load(f"table:{source}?{query(options)}").source_spec.reader == "labelled_text"
    for reader in READERS:
        parameters = inspect.signature(reader_named(reader)).parameters
        assert reader == "bundled" or {"validation", "test", "seed"} <= set(parameters)


def test_unknown_options_offer_the_nearest_and_list_those_of_the_reader(tmp_path):
    source, _ = folder(tmp_path)
    with pytest.raises(ValueError, match=r"unknown option `strickt` in .* Did you mean `strict`\? folder: takes group"):
        load(f"folder:{source}?strickt=true")
    with pytest.raises(ValueError, match=r"read_folder: unknown argument `strickt`. Did you mean `strict`\? It takes"):
        load(f"folder:{source}", strickt=True)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("folder:a?strict=true&seed=3", {"strict": True, "seed": 3}),
        ("folder:a?strict=0&group=none", {"strict": False, "group": None}),
        ("raster:a?labels=b&bands=NIR,2&ignore=0&ignore=9", {"labels": "b", "bands": ("NIR", 2), "ignore": (0, 9)}),
        ("table:a?target=b%2C+c&target=d&block=x,y,20", {"target": ("b, c", "d"), "block": ("x", "y", 20)}),
        ("series:a?time=t&window=14&time_fraction=0.5", {"time": "t", "window": 14, "time_fraction": 0.5}),
    ],
)
def test_values_of_a_string_have_the_types_of_the_reader(text, options):
    assert as_source_spec(text).options == options


def test_a_pattern_with_a_question_mark_survives_the_string():
    spec = SourceSpec("raster", "/scenes/s?.tif", {"labels": "/masks/s?.tif", "bands": [1, "NIR"]})
    again = as_source_spec(str(spec))
    assert (again.source, again.options["labels"]) == (spec.source, spec.options["labels"])
    assert again.options["bands"] == (1, "NIR") and spec.matches(again)
