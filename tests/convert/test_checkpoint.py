"""Weight files of other libraries, read and refused. The pickles are written opcode by opcode."""

import hashlib
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.convert.checkpoint import read_checkpoint

DATA = Path(__file__).parents[3] / "shared" / "data"
KINDS = {"Float": "f4", "Half": "f2", "Double": "f8", "Long": "i8", "Bool": "b1", "BFloat16": "u2"}


def string_opcode(word):
    word = word.encode()
    return b"X" + struct.pack("<i", len(word)) + word


def integer_opcodes(*numbers):
    return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in numbers) + b"t"


def tensor(key, kind, length, offset, shape, strides, view=b""):
    """The opcodes of one tensor: a call of _rebuild_tensor_v2 on a persistent storage."""
    storage = (
        string_opcode("storage")
        + b"ctorch\n"
        + kind.encode()
        + b"Storage\n"
        + string_opcode(key)
        + string_opcode("cpu")
    )
    storage = b"(" + storage + integer_opcodes(length)[1:-1] + view + b"tQ"
    rest = (
        integer_opcodes(offset)[1:-1]
        + integer_opcodes(*shape)
        + integer_opcodes(*strides)
        + b"\x89ccollections\nOrderedDict\n)R"
    )
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"


def state_dict(**items):
    """The opcodes of an OrderedDict with PyTorch's attribute `_metadata`."""
    body = b"".join(string_opcode(k.replace("__", ".")) + v for k, v in items.items())
    return b"ccollections\nOrderedDict\n)R(" + body + b"u}" + string_opcode("_metadata") + b"}sb"


def complete_pickle(body):
    return b"\x80\x02" + body + b"."


def write_zip(path, body, storages, order=None):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", complete_pickle(body))
        if order:
            archive.writestr("x/byteorder", order)
        for key, array in storages.items():
            archive.writestr(f"x/data/{key}", array.tobytes())
    return path


def write_stream(path, body, storages, little=True):
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": little}]
    data = b"".join(pickle.dumps(h, 2) for h in head) + complete_pickle(body) + pickle.dumps(list(storages), 2)
    data += b"".join(struct.pack("<q" if little else ">q", a.size) + a.tobytes() for a in storages.values())
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("write", [write_zip, write_stream])
def test_strides_offsets_shared_storages_and_order_are_read(tmp_path, write):
    storage = np.arange(12, dtype="<f4")
    body = state_dict(
        b__weight=tensor("0", "Float", 12, 0, (4, 3), (3, 1)),
        a__transposed=tensor("0", "Float", 12, 0, (3, 4), (1, 3)),
        a__slice=tensor("0", "Float", 12, 5, (2, 2), (3, 1)),
        a__scalar=tensor("0", "Float", 12, 7, (), ()),
        a__empty=tensor("1", "Long", 0, 0, (0, 2), (2, 1)),
    )
    arrays = read_checkpoint(write(tmp_path / "m.pt", body, {"0": storage, "1": np.zeros(0, "<i8")}))
    assert list(arrays) == ["b.weight", "a.transposed", "a.slice", "a.scalar", "a.empty"]
    np.testing.assert_array_equal(arrays["b.weight"], storage.reshape(4, 3))
    np.testing.assert_array_equal(arrays["a.transposed"], storage.reshape(4, 3).T)
    np.testing.assert_array_equal(arrays["a.slice"], [[5, 6], [8, 9]])
    assert arrays["a.scalar"].shape == () and arrays["a.scalar"] == 7
    assert arrays["a.empty"].shape == (0, 2) and arrays["a.empty"].dtype == np.int64


@pytest.mark.parametrize("write", [write_zip, write_stream])
@pytest.mark.parametrize("kind", KINDS)
def test_every_element_type_is_read(tmp_path, write, kind):
    expected = np.array([1.0, 0.0, 1.5, -2.0]).astype("f4" if kind == "BFloat16" else KINDS[kind])
    stored = (expected.view("u4") >> 16).astype("u2") if kind == "BFloat16" else expected
    array = read_checkpoint(write(tmp_path / "m.pt", state_dict(w=tensor("0", kind, 4, 0, (4,), (1,))), {"0": stored}))[
        "w"
    ]
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_big_endian_numbers_are_read(tmp_path):
    body, stored = state_dict(w=tensor("0", "Float", 3, 0, (3,), (1,))), {"0": np.array([1, 2, 3], ">f4")}
    for path in (
        write_zip(tmp_path / "a.pt", body, stored, "big"),
        write_stream(tmp_path / "b.pt", body, stored, False),
    ):
        np.testing.assert_array_equal(read_checkpoint(path)["w"], [1, 2, 3])


def test_a_view_of_a_storage_in_the_older_format_is_read(tmp_path):
    view = string_opcode("v") + integer_opcodes(2, 3)[1:]  # (key, start, length)
    body = state_dict(w=tensor("0", "Float", 6, 1, (2,), (1,), b"(" + view))
    arrays = read_checkpoint(write_stream(tmp_path / "m.pt", body, {"0": np.arange(6, dtype="<f4")}))
    np.testing.assert_array_equal(arrays["w"], [3, 4])


def test_parameters_and_subclasses_are_tensors(tmp_path):
    plain = tensor("0", "Float", 2, 0, (2,), (1,))
    call = plain.index(b"R", plain.rindex(b"R") - 1)  # the last R, which makes the tensor
    arguments = plain[len(b"ctorch._utils\n_rebuild_tensor_v2\n") : call]
    body = state_dict(
        p=b"ctorch._utils\n_rebuild_parameter\n(" + plain + b"\x88ccollections\nOrderedDict\n)RtR",
        q=b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n"
        + arguments
        + b"}tR",
    )
    arrays = read_checkpoint(write_zip(tmp_path / "m.pt", body, {"0": np.array([4, 5], "<f4")}))
    np.testing.assert_array_equal(arrays["p"], [4, 5])
    np.testing.assert_array_equal(arrays["q"], [4, 5])


@pytest.mark.parametrize("nest", ["state_dict", "model", "anything"])
def test_weights_in_a_training_checkpoint_are_read(tmp_path, nest):
    inner = state_dict(w=tensor("0", "Float", 2, 0, (2,), (1,)))
    body = b"}(" + string_opcode("epoch") + b"K\x03" + string_opcode(nest) + inner + string_opcode("optimizer") + b"}u"
    assert list(read_checkpoint(write_zip(tmp_path / "m.pt", body, {"0": np.ones(2, "<f4")}))) == ["w"]


@pytest.mark.parametrize("write", [write_zip, write_stream])
@pytest.mark.parametrize(
    ("name", "opcodes"),
    [
        ("posix.system", b"cposix\nsystem\n" + string_opcode("true") + b"\x85R"),
        ("__builtin__.eval", b"c__builtin__\neval\n" + string_opcode("1") + b"\x85R"),
        ("builtins.getattr", b"cbuiltins\ngetattr\n"),
        ("argparse.Namespace", b"cargparse\nNamespace\n)\x81"),
        ("torchvision.models.vgg.VGG", b"ctorchvision.models.vgg\nVGG\n)\x81"),
        ("numpy.core.multiarray._reconstruct", b"cnumpy.core.multiarray\n_reconstruct\n"),
    ],
)
def test_a_pickle_that_needs_more_than_tensors_is_refused_with_the_name(tmp_path, write, name, opcodes):
    path = write(tmp_path / "m.pt", state_dict(w=opcodes), {})
    with pytest.raises(ValueError, match=f"m.pt cannot be read: its pickle names `{name}`.*refused"):
        read_checkpoint(path)


def test_a_pickle_cannot_change_allowed_functions(tmp_path):
    """BUILD with (None, {...}) sets attributes on whatever lies on the stack."""
    for target in (b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n"):
        change = target + b"N}" + string_opcode("code") + string_opcode("x") + b"s\x86b"
        path = write_zip(tmp_path / "m.pt", state_dict(w=change), {})
        with pytest.raises(ValueError, match="changes what it calls|truncated or no file of weights"):
            read_checkpoint(path)
    body = state_dict(w=tensor("0", "Float", 2, 0, (2,), (1,)))
    assert list(read_checkpoint(write_zip(tmp_path / "n.pt", body, {"0": np.ones(2, "<f4")}))) == ["w"]


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (tensor("0", "Float", 4, 0, (4, 2), (2, 1)), "ends beyond its storage of 4"),
        (tensor("0", "Float", 4, 3, (2,), (1,)), "ends beyond its storage of 4"),
        (tensor("0", "Float", 4, -1, (2,), (1,)), "offset -1"),
        (tensor("0", "Float", 4, 0, (2,), (-1,)), r"strides \(-1,\)"),
        (tensor("0", "Float", 8, 0, (8,), (1,)), "truncated: storage 0 has 4 of 8"),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path, opcodes, message):
    path = write_zip(tmp_path / "m.pt", state_dict(w=opcodes), {"0": np.zeros(4, "<f4")})
    with pytest.raises(ValueError, match=message):
        read_checkpoint(path)


def test_truncated_files_are_refused(tmp_path):
    body, stored = state_dict(w=tensor("0", "Float", 64, 0, (64,), (1,))), {"0": np.zeros(64, "<f4")}
    complete_files = [
        write_zip(tmp_path / "a.pt", body, stored).read_bytes(),
        write_stream(tmp_path / "b.pt", body, stored).read_bytes(),
        write_safetensors(tmp_path / "c.safetensors", {"w": np.zeros(64, "<f4")}).read_bytes(),
    ]
    for data in complete_files:
        for fraction in np.linspace(0, 1, 41)[:-1]:
            path = tmp_path / "cut.pt"
            path.write_bytes(data[: int(fraction * len(data))])
            with pytest.raises(ValueError, match="cut.pt"):
                read_checkpoint(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither safetensors nor a PyTorch file"),
        (b"not weights at all", "neither safetensors nor a PyTorch file"),
        (pickle.dumps({"w": [1, 2]}), "a pickle, but not of PyTorch"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(3, 2), "a pickle, but not of PyTorch"),
        (b"\x80\x02garbage", "truncated or no file of weights"),
        (b"PK\x03\x04garbage", "truncated or no file of weights"),
        (b"\x05\0\0\0\0\0\0\0{oops", "cannot be read"),
    ],
)
def test_files_of_other_formats_are_refused(tmp_path, data, message):
    (tmp_path / "g.pth").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_checkpoint(tmp_path / "g.pth")


def test_files_without_named_tensors_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no named tensors.* it has 'epoch'"):
        read_checkpoint(write_zip(tmp_path / "a.pt", b"}" + string_opcode("epoch") + b"K\x03s", {}))
    with pytest.raises(ValueError, match="it holds a list, not named tensors"):
        read_checkpoint(write_zip(tmp_path / "b.pt", b"]", {}))
    with pytest.raises(ValueError, match="a zip without PyTorch's data.pkl"):
        with zipfile.ZipFile(tmp_path / "c.pt", "w") as archive:
            archive.writestr("readme", "hello")
        read_checkpoint(tmp_path / "c.pt")
    with pytest.raises(ValueError, match="nowhere.pt is not a file"):
        read_checkpoint(tmp_path / "nowhere.pt")


def write_safetensors(path, arrays, kinds=None):
    """A safetensors file, written by hand."""
    index, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        kind = (kinds or {}).get(name, {"f4": "F32", "i8": "I64", "u2": "BF16"}[array.dtype.str[1:]])
        index[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    head = json.dumps(index).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


def test_safetensors_are_read_with_bfloat16(tmp_path):
    arrays = {"a": np.arange(6, dtype="f4").reshape(2, 3), "n": np.array(5), "b": np.array([0x3FC0, 0xC000], "u2")}
    arrays = read_checkpoint(write_safetensors(tmp_path / "m.safetensors", arrays))
    assert list(arrays) == ["a", "n", "b"]
    np.testing.assert_array_equal(arrays["a"], arrays["a"])
    assert arrays["n"].shape == () and arrays["n"] == 5
    np.testing.assert_array_equal(arrays["b"], [1.5, -2.0])


def test_invalid_safetensors_are_refused(tmp_path):
    one = {"w": np.zeros(4, "f4")}
    with pytest.raises(ValueError, match="w is of F8_E4M3"):
        read_checkpoint(write_safetensors(tmp_path / "a.safetensors", one, {"w": "F8_E4M3"}))
    with pytest.raises(ValueError, match=r"w has 2 numbers for the shape \(4,\)"):
        read_checkpoint(write_safetensors(tmp_path / "b.safetensors", one, {"w": "I64"}))


@pytest.mark.parametrize(
    ("file", "digest", "count", "name", "shape"),
    [
        ("presto/default_model.pt", "559c9d76f525bdf2", 102, "encoder.pos_embed", (1, 24, 64)),
        ("dncnn/dncnn_25.pth", None, 34, "model.0.weight", (64, 1, 3, 3)),
    ],
)
def test_published_checkpoints_are_read(file, digest, count, name, shape):
    if not (DATA / file).is_file():
        pytest.skip(f"{file} is not in shared/data beside the repository")
    if digest:
        assert hashlib.sha256((DATA / file).read_bytes()).hexdigest().startswith(digest)
    arrays = read_checkpoint(DATA / file)
    assert len(arrays) == count and arrays[name].shape == shape
    assert all(np.isfinite(array).all() for array in arrays.values())


ZEROS = 2**27  # bytes in memory; a thousandth of it in a compressed file


def test_a_compressed_pytorch_file_that_inflates_is_refused(tmp_path):
    body = state_dict(w=tensor("0", "Float", ZEROS // 4, 0, (ZEROS // 4,), (1,)))
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", complete_pickle(body))
        archive.writestr("x/data/0", bytes(ZEROS))
    with pytest.raises(ValueError, match="states 134.* more than 100 times the stored size is refused"):
        read_checkpoint(tmp_path / "a.pth")


def test_many_compressed_members_are_refused_together(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", complete_pickle(state_dict()))
        for i in range(16):
            archive.writestr(f"x/data/{i}", bytes(ZEROS // 16))
    with pytest.raises(ValueError, match="more than 100 times the stored size"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_compressed_pytorch_file_of_little_expansion_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", complete_pickle(state_dict(w=tensor("0", "Float", 9000, 0, (9000,), (1,)))))
        archive.writestr("x/data/0", bytes(36_000))
    assert not read_checkpoint(tmp_path / "a.pth")["w"].any()


@pytest.mark.parametrize("write", [write_zip, write_stream])
def test_a_tensor_that_repeats_a_number_is_refused_where_it_is_huge(tmp_path, write):
    one = {"0": np.ones(1, "<f4")}
    with pytest.raises(ValueError, match=r"its tensor of shape \(10000, 10000\) states 800000000 bytes"):
        read_checkpoint(write(tmp_path / "a.pt", state_dict(w=tensor("0", "Float", 1, 0, (10**4, 10**4), (0, 0))), one))
    body = state_dict(w=tensor("0", "Float", 1, 0, (40, 3), (0, 0)))
    assert read_checkpoint(write(tmp_path / "b.pt", body, one))["w"].shape == (40, 3)


def test_safetensors_that_share_their_bytes_are_refused(tmp_path):
    index = {f"w{i}": {"dtype": "F32", "shape": [25], "data_offsets": [0, 100]} for i in range(1000)}
    head = json.dumps(index).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(100))
    with pytest.raises(ValueError, match="its tensors state 200 bytes and more, and it stores 100"):
        read_checkpoint(tmp_path / "a.safetensors")


def write_hdf5(path, **options):
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", (ZEROS // 4,), "f4", **options)


@pytest.mark.parametrize("options", [{}, {"chunks": (2**20,), "compression": "gzip"}, {"chunks": (2**20,)}])
def test_an_hdf5_file_that_states_what_it_does_not_store_is_refused(tmp_path, options):
    model = zoo.dnn((4,), 2, units=(3,))
    write_hdf5(tmp_path / "a.weights.h5", **options)
    with pytest.raises(ValueError, match="more than 100 times the stored size"):
        zoo.load_weights(model, str(tmp_path / "a.weights.h5"))
    model.save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as saved, zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("config.json", saved.read("config.json"))
        archive.writestr("metadata.json", saved.read("metadata.json"))
        archive.write(tmp_path / "a.weights.h5", "model.weights.h5")
    with pytest.raises(ValueError, match="more than 100 times the stored size"):
        zoo.load_weights(model, str(tmp_path / "b.keras"))
    zoo.load_weights(model, str(tmp_path / "a.keras"))


def test_a_compressed_keras_file_that_inflates_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(ZEROS))
    with pytest.raises(ValueError, match="more than 100 times the stored size"):
        zoo.load_weights(zoo.dnn((4,), 2, units=(3,)), str(tmp_path / "a.keras"))
