"""Downloads of large files: resumed where they stopped, checked, and in place only when they are complete."""

import contextlib
import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import sys
import typing
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from zoo.atomic_write import write_text

MIRROR = "FIELDZOO_MIRROR"  # environment variable: an address to use in place of https://HOST
TIMEOUT = 30  # of a connection without data [s]
ATTEMPTS = 4  # of a connection that breaks off
BLOCK = 2**20  # [bytes]


class Facts(typing.NamedTuple):
    """What is known of a file: each is empty or None where it is not published."""

    sha256: str = ""  # all 64 digits, or the first ones
    md5: str = ""
    mebibytes: float | None = None  # to three decimals


class DownloadError(ValueError):
    """A file could not be fetched; the message says why."""


def fetch(url, path, facts):
    """Returns the path of a file, and downloads it first where it is missing.

    An interrupted download continues at the next call, if the server has the same file. Another process that wants the
    same file waits. Beside the file, `PATH.json` holds its address, size, SHA-256 and what it was checked against. A
    file that somebody else put there is checked as a download is.

    Args:
        url: address. The environment variable FIELDZOO_MIRROR replaces its scheme and host.
        path: where to put the file.
        facts: `Facts` to check it against.
    Returns:
        `Path`.
    Raises:
        DownloadError: if it cannot be fetched, or a web page comes instead.
        ValueError: if the file is not the one that `facts` describe. A download is removed then.
    """
    path = Path(path)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        with _locked_part(part) as file:
            try:
                if not path.is_file():
                    stated = _download(mirror_address(url), file, part)
                    _check(part, path, url, facts, stated)
                    if os.name == "nt":  # it cannot rename an open file
                        file.close()
                    os.replace(part, path)
            except DownloadError:
                if not part.stat().st_size:
                    _remove_part(part)
                raise
            except ValueError:
                _remove_part(part)
                raise
            _remove_part(part)
    _check_existing(path, url, facts)
    return path


def mirror_address(url):
    """Returns the address of a file, at the mirror if FIELDZOO_MIRROR names one."""
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    if not mirror:
        return url
    if urlsplit(mirror).scheme not in ("http", "https"):
        raise ValueError(f"{MIRROR} must be an address such as https://example.org/mirror, got {mirror!r}.")
    return mirror + urlsplit(url).path


def _download(url, file, part):
    """Appends the rest of a file; returns the SHA-256 that the server states, or ""."""
    print(f"downloading {url}", file=sys.stderr)
    tag_path = _tag_path(part)
    for attempt in range(ATTEMPTS):
        tag = tag_path.read_text("utf-8") if tag_path.is_file() else ""
        if not tag:  # it cannot be known whether the server still has the same file
            file.truncate(0)
        start = file.seek(0, os.SEEK_END)
        redirects = _Redirects()
        try:
            with contextlib.closing(_open(url, redirects, start, tag)) as response:
                if response.status == 200:
                    file.truncate(0)
                    new_tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
                    write_text(tag_path, "" if new_tag.startswith("W/") else new_tag)
                size = _copy(url, response, file)
        except urllib.error.HTTPError as error:
            if error.code == 416 and start:  # nothing comes after the part
                if error.headers.get("Content-Range", "").rpartition("/")[2] == str(start):
                    return redirects.sha256
                file.truncate(0)
                continue
            raise DownloadError(f"{url} could not be fetched (HTTP status {error.code} {error.reason})") from error
        except (http.client.HTTPException, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DownloadError(f"{part} could not be written ({error.strerror})") from error
            if file.seek(0, os.SEEK_END) > start and attempt < ATTEMPTS - 1:
                continue  # the connection broke off on the way
            raise DownloadError(f"{url} could not be fetched ({getattr(error, 'reason', None) or error})") from error
        file.flush()
        received = file.seek(0, os.SEEK_END)
        if size is None or received == size:
            return redirects.sha256
    raise DownloadError(
        f"{url} broke off {ATTEMPTS} times; {file.seek(0, os.SEEK_END)} bytes are kept, and the next call continues"
    )


def _open(url, redirects, start, tag):
    headers = {"User-Agent": "fieldzoo", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag}
    opener = urllib.request.build_opener(redirects)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)


def _copy(url, response, file):
    """Appends the body of a response; returns the size of the whole file, or None where the server does not say."""
    first = response.read(BLOCK)
    if response.headers.get_content_type() == "text/html" or re.match(rb"\s*<(!doctype|html|\?xml)", first[:64], re.I):
        raise DownloadError(
            f"{url} gave a web page instead of the file, as a proxy or a login page does; nothing of it is kept"
        )
    length = response.headers.get("Content-Length")
    size = int(length) + file.seek(0, os.SEEK_END) if length and length.isdigit() else None
    file.write(first)
    shutil.copyfileobj(response, file, BLOCK)
    return size


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and remembers the SHA-256 that Hugging Face states with them."""

    sha256 = ""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        stated = headers.get("X-Linked-Etag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", stated):
            self.sha256 = stated
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_existing(path, url, facts):
    """Checks a file that is in place, unless its record says that it was, and that it has not changed since."""
    record = _record_path(path)
    status = path.stat()
    if record.is_file():
        with contextlib.suppress(ValueError, TypeError):
            saved = json.loads(record.read_text("utf-8"))
            same = (saved["bytes"], saved["modified_ns"]) == (status.st_size, status.st_mtime_ns)
            if same and saved["sha256"].startswith(facts.sha256):
                return
    _check(path, path, url, facts, "")


def _check(source, path, url, facts, stated):
    """Raises ValueError if a file is not as the facts say; else writes its record beside `path`."""
    status = source.stat()
    digests = {"sha256": hashlib.sha256(), **({"md5": hashlib.md5(usedforsecurity=False)} if facts.md5 else {})}
    with open(source, "rb") as file:
        while block := file.read(BLOCK):
            for digest in digests.values():
                digest.update(block)
    sha256 = digests["sha256"].hexdigest()
    checks = [("SHA-256", facts.sha256, sha256), ("SHA-256 that the server states", stated, sha256)]
    if facts.md5:
        checks.append(("MD5", facts.md5, digests["md5"].hexdigest()))
    for what, expected, actual in checks:
        if not actual.startswith(expected):
            raise ValueError(
                f"{path.name}: the {what} must be {expected}{'...' if len(expected) < len(actual) else ''}, got "
                f"{actual}. Nothing is read from the file. {_where_from(source, path, url)}"
            )
    mebibytes = status.st_size / 2**20
    if facts.mebibytes is not None and abs(mebibytes - facts.mebibytes) > 0.001:
        raise ValueError(
            f"{path.name} must have {facts.mebibytes} MiB, got {mebibytes:.3f}. Nothing is read from the file. "
            f"{_where_from(source, path, url)}"
        )
    checked = [f"{what}{' (its first digits)' if len(e) < len(a) else ''}" for what, e, a in checks if e]
    checked += ["size"] if facts.mebibytes is not None else []
    record = {"url": url, "bytes": status.st_size, "modified_ns": status.st_mtime_ns, "sha256": sha256}
    record["checked"] = checked or ["nothing: no checksum is published"]
    write_text(_record_path(path), json.dumps(record, indent=1) + "\n")
    print(f"{path.name}: {mebibytes:.1f} MiB, checked: {', '.join(record['checked'])}", file=sys.stderr)


def _where_from(source, path, url):
    """Returns what to do with a file that is not the right one."""
    return f"Remove {path}; the right file is {url}" if source == path else f"It came from {mirror_address(url)}"


def _record_path(path):
    return path.with_name(f"{path.name}.json")


def _tag_path(part):
    return part.with_name(f"{part.name}.etag")


def _remove_part(part):
    part.unlink(missing_ok=True)
    _tag_path(part).unlink(missing_ok=True)


@contextlib.contextmanager
def _locked_part(part):
    """Opens the part of a file to append to it; where the system can, other processes wait until it is closed."""
    while True:
        with open(part, "ab") as file:
            with contextlib.suppress(ImportError):
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            # The process that had the lock before may have removed or renamed this very file.
            is_same = False
            with contextlib.suppress(FileNotFoundError):
                is_same = os.path.samestat(os.fstat(file.fileno()), part.stat())
            if is_same:
                yield file
                return
