"""The model store: new, broken and old versions, and the request queue; without a connection."""

import shutil
import threading

import pytest

from tests.exported_models import photos
from zoo.serving.model_store import ModelStore, RequestError, RequestQueue


@pytest.fixture
def folder(exports, tmp_path):
    """A folder with soil/1."""
    shutil.copytree(exports.folder / "soil", tmp_path / "soil")
    return tmp_path


def add_broken_version(folder, version, content=b"no model"):
    version_folder = folder / "soil" / str(version)
    shutil.copytree(folder / "soil" / "1", version_folder)
    (version_folder / "saved_model.pb").write_bytes(content)


@pytest.mark.parametrize("content", [b"no model", b""])
def test_a_corrupt_version_leaves_the_one_before_it_in_service(folder, content):
    add_broken_version(folder, 2, content)
    notes = []
    store = ModelStore(folder, notes.append)
    assert store.find("soil").version == 1
    assert [(s.version, s.state) for s in store.states("soil")] == [(2, "END"), (1, "AVAILABLE")]
    assert store.states("soil")[0].message
    assert notes[0].startswith("soil version 2 cannot be loaded: ")
    with pytest.raises(RequestError, match='model "soil" has no version 2. It could not be loaded: version 2: '):
        store.find("soil", 2)


def test_a_model_without_weights_is_reported_and_other_models_are_served(folder, exports):
    shutil.copytree(exports.folder / "trees" / "1", folder / "trees" / "1")
    (folder / "trees" / "1" / "variables" / "variables.data-00000-of-00001").write_bytes(b"short")
    store = ModelStore(folder)
    assert [s.state for s in store.states("trees")] == ["END"]
    with pytest.raises(RequestError, match='model "trees" has no version.* It could not be loaded'):
        store.find("trees")
    assert store.find("soil").version == 1


def test_a_new_version_replaces_the_old_one_and_a_broken_one_does_not(folder):
    store = ModelStore(folder)
    shutil.copytree(folder / "soil" / "1", folder / "soil" / "2")
    store.refresh()
    assert store.find("soil").version == 2
    assert [s.version for s in store.states("soil")] == [2]
    add_broken_version(folder, 3)
    store.refresh()
    store.refresh()
    assert store.find("soil").version == 2


def test_the_folder_of_one_model_can_be_served(folder):
    assert ModelStore(folder / "soil").find("soil").version == 1


def test_inputs_that_the_graph_refuses_are_a_request_error_and_the_model_stays_in_service(exports):
    model = ModelStore(exports.folder / "trees").find("trees")
    with pytest.raises(RequestError) as caught:
        model.predict("", {"photo": photos(1)[:, :0]})
    assert caught.value.code == "INVALID_ARGUMENT"
    assert model.predict("", {"photo": photos(1)})["probabilities"].shape == (1, 6)


def test_a_full_queue_refuses_at_once():
    queue, running, stop = RequestQueue(1, 0), threading.Event(), threading.Event()

    def work():
        with queue:
            running.set()
            stop.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    running.wait(10)
    with pytest.raises(RequestError, match="the server is busy: its queue is full") as caught, queue:
        pass
    stop.set()
    thread.join()
    assert caught.value.code == "UNAVAILABLE"
    with queue:
        assert queue.run(lambda: 7) == 7


def test_a_half_copied_version_is_loaded_once_it_is_complete(folder):
    add_broken_version(folder, 2)
    store = ModelStore(folder)
    assert [s.state for s in store.states("soil")] == ["END", "AVAILABLE"]
    shutil.copy(folder / "soil" / "1" / "saved_model.pb", folder / "soil" / "2" / "saved_model.pb")
    store.refresh()
    assert [(s.version, s.state) for s in store.states("soil")] == [(2, "AVAILABLE")]
