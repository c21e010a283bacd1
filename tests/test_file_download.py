"""Downloads from a server on this machine: complete and checked, resumed, or refused with nothing left."""

import hashlib
import http.server
import json
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from zoo import file_download
from zoo.file_download import DownloadError, Facts, fetch

DATA = np.random.default_rng(0).bytes(3 * 2**20 + 17)
SHA256 = hashlib.sha256(DATA).hexdigest()
FACTS = Facts(sha256=SHA256[:8], mebibytes=round(len(DATA) / 2**20, 3))


@pytest.fixture
def server():
    """A server of one file: `data` with `tag`, that breaks off after `limit` bytes, and the ranges of its requests."""
    state = types.SimpleNamespace(
        data=DATA, tag='"1"', limit=None, type="application/octet-stream", ranges=[], stated=""
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/redirect"):
                self.send_response(302)
                self.send_header("Location", "/file")
                self.send_header("X-Linked-Etag", f'"{state.stated}"')
                self.end_headers()
                return
            if self.path != "/file":
                self.send_error(404)
                return
            requested = self.headers.get("Range", "")
            state.ranges.append(requested)
            start = int(requested[6:-1]) if requested and self.headers["If-Range"] == state.tag else 0
            if start and start >= len(state.data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.data)}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", state.type)
            self.send_header("Content-Length", str(len(state.data) - start))
            self.send_header("ETag", state.tag)
            self.end_headers()
            self.wfile.write(state.data[start : None if state.limit is None else start + state.limit])

        def log_message(self, *args):
            pass

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http_server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{http_server.server_port}/file"
    yield state
    http_server.shutdown()
    http_server.server_close()
    thread.join()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once_and_its_record_says_what_was_checked(server, tmp_path):
    path = fetch(server.url, tmp_path / "folder" / "w.pth", FACTS)
    assert path.read_bytes() == DATA
    assert names(path.parent) == ["w.pth", "w.pth.json"]
    record = json.loads((path.parent / "w.pth.json").read_text())
    assert record["sha256"] == SHA256
    assert record["checked"] == ["SHA-256 (its first digits)", "size"]
    fetch(server.url, path, FACTS)
    assert server.ranges == [""]


def test_nothing_published_is_said(server, tmp_path):
    path = fetch(server.url, tmp_path / "w", Facts())
    assert json.loads((tmp_path / "w.json").read_text())["checked"] == ["nothing: no checksum is published"]
    assert path.read_bytes() == DATA


def test_an_interrupted_download_continues_where_it_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(file_download, "ATTEMPTS", 1)
    server.limit = 2**21
    with pytest.raises(DownloadError, match="2097152 bytes are kept, and the next call continues"):
        fetch(server.url, tmp_path / "w", FACTS)
    assert not (tmp_path / "w").exists()
    assert fetch(server.url, tmp_path / "w", FACTS).read_bytes() == DATA
    assert server.ranges == ["", "bytes=2097152-"]
    assert names(tmp_path) == ["w", "w.json"]


def test_a_connection_that_breaks_off_is_tried_again(server, tmp_path):
    server.limit = 2**20
    assert fetch(server.url, tmp_path / "w", FACTS).read_bytes() == DATA
    assert len(server.ranges) == 4


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(server, tmp_path, monkeypatch):
    monkeypatch.setattr(file_download, "ATTEMPTS", 1)
    server.limit, server.data, server.tag = 1000, DATA[::-1], '"0"'
    with pytest.raises(DownloadError):
        fetch(server.url, tmp_path / "w", FACTS)
    server.limit, server.data, server.tag = None, DATA, '"1"'
    assert fetch(server.url, tmp_path / "w", FACTS).read_bytes() == DATA


def test_a_complete_part_needs_no_more_bytes(server, tmp_path):
    (tmp_path / "w.part").write_bytes(DATA)
    (tmp_path / "w.part.etag").write_text(server.tag)
    assert fetch(server.url, tmp_path / "w", FACTS).read_bytes() == DATA
    assert server.ranges == [f"bytes={len(DATA)}-"]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (Facts(sha256="0" * 8), f"the SHA-256 must be 00000000..., got {SHA256}. Nothing is read"),
        (Facts(md5="0" * 32), f"the MD5 must be {'0' * 32}, got {hashlib.md5(DATA).hexdigest()}"),
        (Facts(mebibytes=3.5), "must have 3.5 MiB, got 3.000"),
    ],
)
def test_another_file_is_refused_and_removed(server, tmp_path, facts, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as error:
        fetch(server.url, tmp_path / "w", facts)
    assert server.url in str(error.value)
    assert names(tmp_path) == []


def test_the_checksum_that_a_server_states_is_checked(server, tmp_path):
    url = server.url.replace("/file", "/redirect")
    server.stated = "0" * 64
    with pytest.raises(ValueError, match="the SHA-256 that the server states must be 0000"):
        fetch(url, tmp_path / "w", Facts())
    server.stated = SHA256
    fetch(url, tmp_path / "w", Facts())
    assert json.loads((tmp_path / "w.json").read_text())["checked"] == ["SHA-256 that the server states"]


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream"])
def test_a_web_page_is_refused(server, tmp_path, kind):
    server.data, server.type = b"\n<!DOCTYPE html><title>Log in</title>", kind
    with pytest.raises(DownloadError, match="gave a web page instead of the file, as a proxy"):
        fetch(server.url, tmp_path / "w", Facts())
    assert names(tmp_path) == []


def test_a_missing_file_and_a_missing_server_are_said(server, tmp_path):
    with pytest.raises(DownloadError, match="HTTP status 404"):
        fetch(f"{server.url}s", tmp_path / "w", Facts())
    with pytest.raises(DownloadError, match="127.0.0.1:9/w could not be fetched"):
        fetch("http://127.0.0.1:9/w", tmp_path / "w", Facts())
    assert names(tmp_path) == []


def test_a_file_put_there_by_hand_is_checked(tmp_path, server):
    (tmp_path / "w").write_bytes(DATA[:-1])
    with pytest.raises(ValueError, match=rf"SHA-256 must be {SHA256[:8]}.* Remove .*w; the right file is {server.url}"):
        fetch(server.url, tmp_path / "w", FACTS)
    assert (tmp_path / "w").read_bytes() == DATA[:-1]  # it is not ours to remove
    (tmp_path / "w").write_bytes(DATA)
    assert fetch(server.url, tmp_path / "w", FACTS) == tmp_path / "w"
    (tmp_path / "w").write_bytes(DATA[:-1] + b"x")  # changed after the check
    with pytest.raises(ValueError, match="SHA-256 must be"):
        fetch(server.url, tmp_path / "w", FACTS)


def test_a_mirror_replaces_the_host(server, tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDZOO_MIRROR", server.url.removesuffix("/file"))
    assert fetch("https://example.org/file", tmp_path / "w", FACTS).read_bytes() == DATA
    monkeypatch.setenv("FIELDZOO_MIRROR", "files")
    with pytest.raises(ValueError, match="FIELDZOO_MIRROR must be an address such as https"):
        fetch("https://example.org/file", tmp_path / "v", FACTS)


def test_a_part_that_another_process_removes_meanwhile_is_opened_again(tmp_path, monkeypatch):
    part, stat, calls = tmp_path / "w.part", Path.stat, []

    def remove_first(self, **options):
        if self == part:
            calls.append(self)
            if len(calls) == 1:
                part.unlink()
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", remove_first)
    with file_download._locked_part(part) as file:
        file.write(b"1")
    assert len(calls) == 2 and part.read_bytes() == b"1"


def test_two_callers_share_one_download(server, tmp_path):
    threads = [threading.Thread(target=fetch, args=(server.url, tmp_path / "w", FACTS)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "w").read_bytes() == DATA
    assert server.ranges == [""]
    assert names(tmp_path) == ["w", "w.json"]
