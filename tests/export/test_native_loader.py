"""The real consumers: TensorFlow's C API in a program without Python, and saved_model_cli."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.serving.conftest import photos
from tests.tolerance import assert_close
from zoo.export import warmup

TENSORFLOW = Path(tf.__file__).parent
LIBRARY = TENSORFLOW / "libtensorflow_cc.so.2"


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """The C program, compiled against the headers in the TensorFlow wheel."""
    if not shutil.which("gcc") or not LIBRARY.is_file():
        pytest.skip("needs gcc, and a TensorFlow wheel with libtensorflow_cc.so.2")
    program = tmp_path_factory.mktemp("loader") / "loader"
    source = Path(__file__).with_name("loader.c")
    command = ["gcc", "-O1", "-Wall", f"-I{TENSORFLOW / 'include'}", str(source), "-o", str(program), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return program


def packed(array):
    if array.dtype != object:
        return np.ascontiguousarray(array).tobytes()
    return b"".join(struct.pack("<Q", len(v)) + v for v in array.ravel())


def unpacked(content, dtype, shape):
    if dtype != tf.string:
        return np.frombuffer(content, dtype.as_numpy_dtype).reshape(shape)
    found, place = [], 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        found.append(content[place + 8 : place + 8 + length])
        place += 8 + length
    return np.array(found, object).reshape(shape)


def from_c(loader, folder, record, place):
    """What the C program answers to a record."""
    stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    definition = stored.meta_graphs[0].signature_def[record.signature]
    lines = []
    for name, array in record.inputs.items():
        (place / f"in_{name}").write_bytes(packed(array))
        info = definition.inputs[name]
        sizes = " ".join(map(str, array.shape))
        lines.append(f"feed {info.name} {info.dtype} {array.ndim} {sizes} {place / f'in_{name}'}")
    lines += [f"fetch {info.name} {place / f'out_{name}'}" for name, info in definition.outputs.items()]
    (place / "request").write_text("\n".join(lines))
    done = subprocess.run(
        [str(loader), str(LIBRARY), str(folder), str(place / "request")],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {}
    for name, line in zip(definition.outputs, done.stdout.splitlines(), strict=True):
        kind, _, *shape = map(int, line.split())
        found[name] = unpacked((place / f"out_{name}").read_bytes(), tf.as_dtype(kind), shape)
    return found


@pytest.mark.parametrize("name", ["trees", "soil"])
def test_c_answers_every_signature_as_python_does(shelf, loader, tmp_path, name):
    folder = shelf.folder / name / "1"
    largest = {record.signature: record for record in warmup.read(folder)}
    assert set(largest) == ({"serving_default"} if name == "soil" else {"serving_default", "serving_bytes", "features"})
    for record in largest.values():
        found = from_c(loader, folder, record, tmp_path)
        assert set(found) == set(record.answers)
        for output, answer in record.answers.items():
            if answer.dtype == object:
                assert found[output].tolist() == answer.tolist()
            else:
                assert_close(found[output], answer)


@pytest.mark.slow  # a process that imports TensorFlow and Keras
def test_saved_model_cli_runs_an_export(shelf, tmp_path):
    np.save(tmp_path / "photo.npy", photos(4))
    asked = ["run", "--dir", str(shelf.folder / "trees" / "1"), "--tag_set", "serve"]
    asked += ["--signature_def", "serving_default", "--inputs", f"photo={tmp_path / 'photo.npy'}"]
    tool = "import sys; from tensorflow.python.tools.saved_model_cli import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", tool, *asked, "--outdir", str(tmp_path)], check=True, capture_output=True)
    assert_close(np.load(tmp_path / "probabilities.npy"), shelf.answers)
