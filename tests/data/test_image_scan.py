"""Scans of image folders: by headers where there are many files, saved, and renewed where a file changed."""

import os

import numpy as np
import pytest
from PIL import Image

from recipes.data import load
from recipes.data.images import image_scan
from recipes.data.images.image_decoding import decode_plain, read_header, read_image
from recipes.data.images.saved_scan import scan_file

RNG = np.random.default_rng(0)


def random_image(height=12, width=10, bands=3):
    return Image.fromarray(RNG.integers(0, 256, (height, width, bands)).astype("uint8").squeeze())


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder that is scanned as a large one is."""
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_scan, "DECODED_BYTES", 0)
    monkeypatch.setattr(image_scan, "SAVED_FILES", 1)
    for name in ("fox", "hare"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(4):
            random_image().save(tmp_path / "photos" / name / f"{i}.jpg")
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch):
    """The paths of the files that a scan decodes."""
    paths = []
    monkeypatch.setattr(image_scan, "read_image", lambda path: (paths.append(path.name), read_image(path))[1])
    return paths


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_header_and_fast_decoding_agree_with_the_reader(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    for bands in (1, 3):
        path = tmp_path / f"a.{suffix}"
        random_image(17, 23, bands).save(path, exif=exif)
        image, (size, header) = read_image(path), read_header(path)
        assert size == image.pixels.shape[:2]
        assert header._replace(pixels=0) == image._replace(pixels=0) and header.orientation == orientation
        content = path.read_bytes()
        np.testing.assert_array_equal(decode_plain(content, bands, orientation), image.pixels)
        color = np.broadcast_to(image.pixels, (*size, 3))
        np.testing.assert_array_equal(decode_plain(content, 3, orientation), color)


def test_files_of_other_kinds_have_no_header_that_suffices(tmp_path):
    for name, image in (
        ("a.png", random_image(bands=4)),
        ("b.png", random_image().convert("P")),
        ("c.png", Image.fromarray(RNG.integers(0, 65536, (9, 9)).astype("uint16"))),
        ("d.jpg", random_image().convert("CMYK")),
        ("e.webp", random_image()),
    ):
        image.save(tmp_path / name)
        assert read_header(tmp_path / name) is None
    whole = tmp_path / "whole.jpg"
    random_image(60, 60).save(whole)
    (tmp_path / "half.jpg").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert read_header(tmp_path / "half.jpg") is None and read_header(tmp_path / "absent.jpg") is None


def test_a_large_folder_is_read_by_headers(root, decoded):
    random_image(20, 30).convert("CMYK").save(root / "fox" / "print.jpg")
    data = load(f"folder:{root}", validation=0, test=0)
    assert decoded == ["print.jpg"]
    assert data.shape == (None, None, 3) and data.notes == ("1 images: CMYK converted",)
    assert sorted(map(tuple, data.train.inputs.sizes.tolist())) == [*[(12, 10)] * 8, (20, 30)]


def test_an_unchanged_folder_is_not_looked_at_again(root, decoded, monkeypatch):
    random_image().save(root / "fox" / "other.webp")
    first = load(f"folder:{root}")
    monkeypatch.setattr(image_scan, "read_header", lambda path: pytest.fail(f"read {path} again"))
    again = load(f"folder:{root}")
    assert decoded == ["other.webp"] and list(again.train.names) == list(first.train.names)


def test_only_changed_and_new_files_are_looked_at(root, monkeypatch):
    load(f"folder:{root}")
    read = []
    monkeypatch.setattr(image_scan, "read_header", lambda path: (read.append(path.name), read_header(path))[1])
    random_image().save(root / "fox" / "new.jpg")
    random_image(15, 15).save(root / "hare" / "2.jpg")
    os.utime(root / "hare" / "2.jpg", ns=(1, 1))
    (root / "hare" / "3.jpg").unlink()
    data = load(f"folder:{root}", validation=0, test=0)
    assert sorted(read) == ["2.jpg", "new.jpg"] and len(data.train) == 8


def test_a_broken_saved_scan_is_replaced(root):
    load(f"folder:{root}")
    scan_file(root).write_bytes(b"no Parquet")
    assert len(load(f"folder:{root}", validation=0, test=0).train) == 8
    assert scan_file(root).read_bytes()[:4] == b"PAR1"


def test_equal_files_are_in_one_split_and_noted(root):
    (root / "hare" / "copy.jpg").write_bytes((root / "fox" / "0.jpg").read_bytes())
    with pytest.warns(UserWarning, match="1 images are identical but of different classes, such as 0.jpg of 'fox'"):
        load(f"folder:{root}")
    (root / "hare" / "copy.jpg").unlink()
    for i in range(4):
        (root / "fox" / f"copy{i}.jpg").write_bytes((root / "fox" / f"{i}.jpg").read_bytes())
    data = load(f"folder:{root}", validation=0.3, test=0.3)
    names = [{os.path.basename(n).replace("copy", "") for n in s.names if "fox" in n} for s in
             (data.train, data.validation, data.test)]  # fmt: skip
    assert sum(map(len, names)) == 4


def test_truncated_files_of_a_large_folder_are_skipped(root):
    path = root / "fox" / "half.jpg"
    random_image(200, 200).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for _ in range(2):  # the second time from the saved scan
        with pytest.warns(UserWarning, match=r"skipped 1 of 9 images that cannot be read. it is truncated: 1 .*half"):
            load(f"folder:{root}")


@pytest.mark.parametrize("many", [False, True])
def test_a_copy_that_was_stopped_and_filled_with_zeros_is_broken(root, monkeypatch, many):
    monkeypatch.setattr(image_scan, "DECODED_BYTES", 0 if many else 2**20)
    path = root / "fox" / "half.jpg"
    random_image(200, 200).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    with pytest.raises(ValueError, match="half.jpg: it is truncated: its end is empty"):
        read_image(path)
    with pytest.warns(UserWarning, match=r"it is truncated: its end is empty: 1 \(fox/half.jpg\)"):
        load(f"folder:{root}")
    path.write_bytes(content + bytes(500))  # padding after the end
    assert read_image(path).pixels.shape == (200, 200, 3)


def test_strict_decodes_every_file(root, decoded):
    load(f"folder:{root}", validation=0, test=0)
    assert not decoded
    load(f"folder:{root}?strict=true", validation=0, test=0)
    assert len(decoded) == 8
    load(f"folder:{root}?strict=true", validation=0, test=0)
    assert len(decoded) == 8  # saved


def test_a_folder_for_scans_that_cannot_be_written_is_no_error(root, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path / "file"))
    assert len(load(f"folder:{root}", validation=0, test=0).train) == 8
