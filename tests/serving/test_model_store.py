"""What is on the shelf: new, broken and unwanted versions, and the gate before it; without a connection."""

import shutil
import threading

import pytest

from tests.serving.conftest import photos
from zoo.serving.model_store import Gate, ModelStore, Refused


@pytest.fixture
def copied(shelf, tmp_path):
    shutil.copytree(shelf.folder / "soil", tmp_path / "soil")
    return tmp_path


def broken(folder, version, content=b"no model"):
    place = folder / "soil" / str(version)
    shutil.copytree(folder / "soil" / "1", place)
    (place / "saved_model.pb").write_bytes(content)


@pytest.mark.parametrize("content", [b"no model", b""])
def test_a_corrupt_version_leaves_the_one_before_it_in_service(copied, content):
    broken(copied, 2, content)
    said = []
    shelf = ModelStore(copied, said.append)
    assert shelf.find("soil").version == 1
    assert [(s.version, s.state) for s in shelf.states("soil")] == [(2, "END"), (1, "AVAILABLE")]
    assert shelf.states("soil")[0].message
    assert said[0].startswith("soil version 2 cannot be loaded: ")
    with pytest.raises(Refused, match='model "soil" has no version 2. It could not be loaded: version 2: '):
        shelf.find("soil", 2)


def test_lost_weights_are_told_and_other_models_are_served(copied, shelf):
    shutil.copytree(shelf.folder / "trees" / "1", copied / "trees" / "1")
    (copied / "trees" / "1" / "variables" / "variables.data-00000-of-00001").write_bytes(b"short")
    found = ModelStore(copied)
    assert [s.state for s in found.states("trees")] == ["END"]
    with pytest.raises(Refused, match='model "trees" has no version.* It could not be loaded'):
        found.find("trees")
    assert found.find("soil").version == 1


def test_a_new_version_takes_over_as_it_appears_and_a_broken_one_does_not(copied):
    shelf = ModelStore(copied)
    shutil.copytree(copied / "soil" / "1", copied / "soil" / "2")
    shelf.look()
    assert shelf.find("soil").version == 2
    assert [s.version for s in shelf.states("soil")] == [2]
    broken(copied, 3)
    shelf.look()
    shelf.look()
    assert shelf.find("soil").version == 2


def test_one_models_own_folder_can_be_served(copied):
    assert ModelStore(copied / "soil").find("soil").version == 1


def test_an_answer_that_no_graph_gives_is_refused_and_the_model_stays(shelf):
    loaded = ModelStore(shelf.folder / "trees").find("trees")
    with pytest.raises(Refused) as caught:
        loaded.run("", {"photo": photos(1)[:, :0]})
    assert caught.value.code == "INVALID_ARGUMENT"
    assert loaded.run("", {"photo": photos(1)})["probabilities"].shape == (1, 6)


def test_a_full_gate_refuses_at_once():
    gate, busy, free = Gate(1, 0), threading.Event(), threading.Event()

    def work():
        with gate:
            busy.set()
            free.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    busy.wait(10)
    with pytest.raises(Refused, match="the server is busy: its queue is full") as caught, gate:
        pass
    free.set()
    thread.join()
    assert caught.value.code == "UNAVAILABLE"
    with gate:
        assert gate.run(lambda: 7) == 7


def test_a_copy_that_was_looked_at_too_early_is_loaded_once_it_is_whole(copied):
    broken(copied, 2)
    shelf = ModelStore(copied)
    assert [s.state for s in shelf.states("soil")] == ["END", "AVAILABLE"]
    shutil.copy(copied / "soil" / "1" / "saved_model.pb", copied / "soil" / "2" / "saved_model.pb")
    shelf.look()
    assert [(s.version, s.state) for s in shelf.states("soil")] == [(2, "AVAILABLE")]
