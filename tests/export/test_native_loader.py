"""Consumers of an export outside this package: TensorFlow's C API in a program without Python, and saved_model_cli."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.exported_models import photos
from tests.tolerance import assert_close
from zoo.export import warmup
from zoo.export.isolated_inference import read_saved_model

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


def to_bytes(array):
    if array.dtype != object:
        return np.ascontiguousarray(array).tobytes()
    return b"".join(struct.pack("<Q", len(v)) + v for v in array.ravel())


def from_bytes(content, dtype, shape):
    if dtype != tf.string:
        return np.frombuffer(content, dtype.as_numpy_dtype).reshape(shape)
    strings, start = [], 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        strings.append(content[start + 8 : start + 8 + length])
        start += 8 + length
    return np.array(strings, object).reshape(shape)


def run_loader(loader, version, record, folder):
    """The outputs of the C program for a record."""
    definition = read_saved_model(version).meta_graphs[0].signature_def[record.signature]
    lines = []
    for name, array in record.inputs.items():
        (folder / f"in_{name}").write_bytes(to_bytes(array))
        info = definition.inputs[name]
        sizes = " ".join(map(str, array.shape))
        lines.append(f"feed {info.name} {info.dtype} {array.ndim} {sizes} {folder / f'in_{name}'}")
    lines += [f"fetch {info.name} {folder / f'out_{name}'}" for name, info in definition.outputs.items()]
    (folder / "request").write_text("\n".join(lines))
    process = subprocess.run(
        [str(loader), str(LIBRARY), str(version), str(folder / "request")],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    outputs = {}
    for name, line in zip(definition.outputs, process.stdout.splitlines(), strict=True):
        dtype, _, *shape = map(int, line.split())
        outputs[name] = from_bytes((folder / f"out_{name}").read_bytes(), tf.as_dtype(dtype), shape)
    return outputs


@pytest.mark.parametrize("name", ["trees", "soil"])
def test_the_c_api_gives_the_outputs_of_every_signature(exports, loader, tmp_path, name):
    version = exports.folder / name / "1"
    last_records = {record.signature: record for record in warmup.read_records(version)}
    signatures = {"serving_default"} if name == "soil" else {"serving_default", "serving_bytes", "features"}
    assert set(last_records) == signatures
    for record in last_records.values():
        outputs = run_loader(loader, version, record, tmp_path)
        assert set(outputs) == set(record.outputs)
        for output, expected in record.outputs.items():
            if expected.dtype == object:
                assert outputs[output].tolist() == expected.tolist()
            else:
                assert_close(outputs[output], expected)


@pytest.mark.slow  # a process that imports TensorFlow and Keras
def test_saved_model_cli_runs_an_export(exports, tmp_path):
    np.save(tmp_path / "photo.npy", photos(4))
    arguments = ["run", "--dir", str(exports.folder / "trees" / "1"), "--tag_set", "serve"]
    arguments += ["--signature_def", "serving_default", "--inputs", f"photo={tmp_path / 'photo.npy'}"]
    script = "import sys; from tensorflow.python.tools.saved_model_cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, *arguments, "--outdir", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert_close(np.load(tmp_path / "probabilities.npy"), exports.probabilities)
