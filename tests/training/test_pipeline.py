"""Input pipelines beyond the memory: any order, equal in every run, resized as decoded, stored for the next epochs."""

import numpy as np
import pytest
from PIL import Image

from recipes import Classification
from recipes.data import load
from recipes.data.augment.first_epoch import begin_at_epoch
from recipes.data.preprocessing import preprocessing
from recipes.training import batch_reader, example_store, pipeline
from recipes.training.batch_reader import BatchReader
from recipes.training.example_store import FileStore, MemoryStore, store_for, stores_below

RNG = np.random.default_rng(0)
SIZE = (16, 16)


def smooth_image(height, width):
    corners = Image.fromarray(RNG.integers(0, 256, (4, 4, 3)).astype("uint8"))
    return corners.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of two classes with 20 JPEGs each, of two sizes."""
    root = tmp_path_factory.mktemp("photos")
    for name in ("fox", "hare"):
        (root / name).mkdir()
        for i in range(20):
            smooth_image(*((40, 50) if i % 2 else (33, 24))).save(root / name / f"{i}.jpg", quality=95)
    return root


@pytest.fixture
def beyond_memory(monkeypatch):
    """Makes every data set too large for the memory."""
    for module in (pipeline, example_store):
        monkeypatch.setattr(module, "MEMORY", 0)
    monkeypatch.setattr(pipeline, "CACHE_LIMIT", 0)


def epochs(data, number=1, preprocess=None, first=0, **settings):
    """The batches of some epochs, of one pipeline."""
    task = Classification(batch_size=5, **settings)
    with begin_at_epoch(first):
        batches = task.pipeline(data.train, True, preprocess, len(data.classes))
    return [[(x.numpy(), y.numpy()) for x, y in batches] for _ in range(number)]


def order_of(epoch):
    return np.concatenate([y for _, y in epoch])


def numbered(count):
    """A table whose single column and target is each row's number."""
    x = np.arange(count, dtype="float32")[:, None]
    return load((x, np.arange(count) % 3), validation=0, test=0)


def test_every_epoch_has_all_examples_in_another_order(beyond_memory, monkeypatch):
    data = numbered(40)
    for buffer in (100, 10):  # shuffled by a buffer, or by a permutation of the indices
        monkeypatch.setattr(pipeline, "SHUFFLE_BUFFER", buffer)
        first, second = (np.concatenate([x[:, 0] for x, _ in epoch]) for epoch in epochs(data, 2))
        assert sorted(first) == sorted(second) == sorted(data.train.inputs[:, 0])
        assert list(first) != list(second) and list(first) != sorted(first)
        again, resumed = epochs(data)[0], epochs(data, first=1)[0]
        np.testing.assert_array_equal(np.concatenate([x[:, 0] for x, _ in again]), first)
        other = epochs(data, seed=1)[0]
        assert not np.array_equal(np.concatenate([x[:, 0] for x, _ in other]), first)
        if buffer == 10:  # an iterator of a shuffled dataset draws two orders under Keras
            np.testing.assert_array_equal(np.concatenate([x[:, 0] for x, _ in resumed]), second)


def test_targets_belong_to_their_inputs(beyond_memory):
    data = numbered(40)
    expected = dict(zip(data.train.inputs[:, 0], data.train.targets, strict=True))
    for x, y in epochs(data)[0]:
        assert [expected[value] for value in x[:, 0]] == list(y)


def test_a_table_is_read_by_its_columns(beyond_memory):
    import pandas as pd
    import tensorflow as tf

    frame = pd.DataFrame({"a": np.arange(30.0), "b": list("xyz") * 10, "kind": ["p", "q"] * 15})
    data = load(frame, target="kind", validation=0, test=0)
    preprocess = preprocessing(data)
    x, y = (np.concatenate(parts) for parts in zip(*epochs(data, 1, preprocess)[0], strict=True))
    expected = preprocess.predict({c: tf.constant(v[:, None]) for c, v in data.train.inputs.items()}, verbose=0)
    by_number = {row[0]: (row, target) for row, target in zip(expected, data.train.targets, strict=True)}
    for row, target in zip(x, y, strict=True):
        np.testing.assert_allclose(row, by_number[row[0]][0], rtol=1e-6)
        assert target == by_number[row[0]][1]


def test_photos_beyond_the_memory_are_those_that_fit_within_two_gray_levels(photos, monkeypatch):
    data = load(f"folder:{photos}", validation=0, test=0)
    preprocess = preprocessing(data, (*SIZE, 3))
    exact = {y.tobytes() + x.round(1).tobytes() for x, y in epochs(data, 1, preprocess)[0]}
    assert len(exact) == 8
    reader = BatchReader(data.train.inputs, SIZE)
    indices = np.arange(len(data.train))
    batch = reader.read(indices)
    assert batch.shape == (40, *SIZE, 3) and batch.dtype == np.uint8
    for i in indices:
        expected = preprocess(data.train.inputs.read(i)[None], training=False)[0].numpy() * 255
        assert np.abs(batch[i] - expected).mean() < 1.5
    np.testing.assert_array_equal(reader.read(indices), batch)  # from the store


def test_a_training_pipeline_reads_photos_when_they_are_needed(photos, beyond_memory):
    data = load(f"folder:{photos}", validation=0, test=0)
    preprocess = preprocessing(data, (*SIZE, 3))
    plain = epochs(data, 1, preprocess)[0]
    flipped = epochs(data, 1, preprocess, augment=("flip",))[0]
    assert len(plain) == 8 and plain[0][0].shape == (5, *SIZE, 3) and plain[0][0].dtype == np.float32
    assert plain[0][0].min() >= 0 and 0.5 < plain[0][0].max() <= 1
    changed = 0
    for (x, y), (z, again) in zip(plain, flipped, strict=True):
        np.testing.assert_array_equal(y, again)
        for image, other in zip(x, z, strict=True):
            is_equal = np.array_equal(image, other)
            assert is_equal or np.array_equal(image[:, ::-1], other)
            changed += not is_equal
    assert 5 < changed < 35


def test_a_file_that_breaks_during_training_is_replaced_and_named(tmp_path):
    for name in ("fox", "hare"):
        (tmp_path / name).mkdir()
        for i in range(4):
            smooth_image(30, 30).save(tmp_path / name / f"{i}.jpg")
    data = load(f"folder:{tmp_path}", validation=0, test=0)
    broken = list(data.train.names).index(str(tmp_path / "fox" / "1.jpg"))
    (tmp_path / "fox" / "1.jpg").write_bytes(b"\xff\xd8\xff no photo")
    reader = BatchReader(data.train.inputs, SIZE)
    with pytest.warns(UserWarning, match=r"1.jpg: .*another example of its batch takes its place"):
        batch = reader.read(np.arange(8))
    assert batch.shape == (8, *SIZE, 3)
    assert any(np.array_equal(batch[broken], batch[i]) for i in range(8) if i != broken)
    reader.read(np.arange(8))  # is named once
    with pytest.raises(ValueError, match="1.jpg"):
        reader.read(np.array([broken]))


# Stores


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_store_returns_what_was_put(kind, tmp_path):
    def new_store():
        return MemoryStore(3, (2, 2), "uint8") if kind == "memory" else FileStore(tmp_path / "x", 3, (2, 2), "uint8")

    store = new_store()
    assert store.get(1) is None
    for i, value in ((1, 7), (0, 0)):
        store.put(i, np.full((2, 2), value, np.uint8))
    assert store.get(1).tolist() == [[7, 7], [7, 7]] and store.get(0).tolist() == [[0, 0], [0, 0]]
    assert store.get(2) is None
    if kind == "file":
        again = new_store()
        assert again.get(1).tolist() == [[7, 7], [7, 7]] and again.get(2) is None


def test_an_example_that_was_not_written_whole_is_not_returned(tmp_path):
    store = FileStore(tmp_path / "x", 2, (4,), "float32")
    for i in range(2):
        store.put(i, np.arange(4.0) + i)
    content = bytearray((tmp_path / "x").read_bytes())
    content[1] ^= 255
    (tmp_path / "x").write_bytes(content[:-2])
    store = FileStore(tmp_path / "x", 2, (4,), "float32")
    assert store.get(0) is None and store.get(1) is None


def test_a_full_disk_ends_the_storing_only(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    store = FileStore(tmp_path / "x", 2, (4,), "float32")
    monkeypatch.setattr(example_store, "_write_at", no_space)
    store.put(0, np.arange(4.0))
    assert store.get(0) is None


def test_room_decides_where_examples_are_stored(tmp_path, monkeypatch):
    assert isinstance(store_for(4, (2,), "uint8", b""), MemoryStore)
    monkeypatch.setattr(example_store, "MEMORY", 7)
    assert store_for(4, (2,), "uint8", b"") is None  # no folder
    with stores_below(tmp_path):
        store = store_for(4, (2,), "uint8", b"a")
        assert isinstance(store, FileStore) and len(list((tmp_path / "examples").iterdir())) == 2
        store.put(3, np.array([5, 6], np.uint8))
        assert store_for(4, (2,), "uint8", b"a").get(3).tolist() == [5, 6]
        assert store_for(4, (2,), "uint8", b"b").get(3) is None  # of other files
        monkeypatch.setattr(example_store, "DISK_FRACTION", 0)
        assert store_for(4, (2,), "uint8", b"c") is None


def test_a_stored_photo_is_not_decoded_again(photos, beyond_memory, tmp_path, monkeypatch):
    data = load(f"folder:{photos}", validation=0, test=0)
    with stores_below(tmp_path):
        first = BatchReader(data.train.inputs, SIZE).read(np.arange(40))
        monkeypatch.setattr(batch_reader.ImageFiles, "read_resized", lambda *_: pytest.fail("decoded again"))
        np.testing.assert_array_equal(BatchReader(data.train.inputs, SIZE).read(np.arange(40)), first)


def test_the_files_of_a_store_are_gone_when_the_run_is_complete(photos, beyond_memory, tmp_path):
    data = load(f"folder:{photos}")
    out = tmp_path / "run"
    task = Classification(epochs=2, batch_size=8)
    task.fit("lenet5", data, out=out, verbose=False, input_shape=(16, 16, 3))
    assert (out / "run.json").is_file() and not (out / "backup").exists()


def test_endless_passes_are_permutations_that_continue_from_epoch_to_epoch():
    data = pipeline.endless_passes(5, 3, batch_size=7, steps=2)
    epochs = [np.stack(list(data.as_numpy_iterator())) for _ in range(5)]
    assert {epoch.shape for epoch in epochs} == {(2, 7)}
    passes = np.concatenate(epochs).reshape(-1, 5)
    np.testing.assert_array_equal(np.sort(passes, axis=1), np.broadcast_to(np.arange(5), passes.shape))
    assert len({tuple(order) for order in passes.tolist()}) > 5
    with begin_at_epoch(3):
        resumed = pipeline.endless_passes(5, 3, batch_size=7, steps=2)
    np.testing.assert_array_equal(np.stack(list(resumed.as_numpy_iterator())), epochs[3])
    other_seed = pipeline.endless_passes(5, 4, batch_size=7, steps=2)
    assert (np.stack(list(other_seed.as_numpy_iterator())) != epochs[0]).any()
