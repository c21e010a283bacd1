"""The folder of a run: what may be written there, the backup until the run is complete, and what is replaced."""

import contextlib
import json
import shutil
from pathlib import Path

from recipes.training.backup import PROGRESS
from recipes.training.example_store import EXAMPLES
from recipes.training.folder_lock import lock_folder
from recipes.training.identity import differences, same_training
from recipes.training.run_record import write_json
from recipes.training.tracking import ID as TRACKING
from zoo.atomic_write import UNFINISHED

RUN = "run.json"
FILES = ("model.keras", "preprocessing.keras", "history.json", "metrics.json", "report.html", "card.md")
# Files of which a run writes several; those that were there before it are not its own
PATTERNS = (
    "tensorboard/train/events.out.tfevents.*",
    "tensorboard/validation/events.out.tfevents.*",
    "tensorboard/samples/events.out.tfevents.*",
    "tensorboard/result/events.out.tfevents.*",
    "samples/epoch_*.png",
    "saved_model/[0-9]*",
)
DIVERGED, DIVERGED_BATCH = "diverged", "batch.npz"  # the last good weights of a training that diverged, as a run
RECIPE = "recipe.json"  # in the backup: what is trained
KERAS_BACKUP = ("latest.weights.h5", "latest.weights.h5.bkp", "training_metadata.json", "training_metadata.json.bkp")


class RunFolder:
    """The folder that a training writes to.

    A run is complete when run.json exists and the backup is gone. Until then the folder `backup` holds recipe.json
    (what is trained) and the state after the last whole epoch.

    Args:
        path: the folder; it need not exist.
        overwrite: whether to replace the files of a run that is there, complete or not.
    """

    def __init__(self, path, overwrite=False):
        self.path, self.overwrite = Path(path).expanduser(), overwrite
        self.backup = self.path / "backup"

    def check(self):
        """Raises a ValueError if there is a complete run, or a file that a run would replace, without `overwrite`."""
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"`out` must be a folder, got the file {self.path}; choose another name.")
        if self.overwrite or self.is_unfinished():
            return
        advice = "choose another folder, or replace it with overwrite=True (zoo train --overwrite)"
        if (self.path / RUN).exists():
            raise ValueError(f"`out` must be without a run, got {self.path} with a complete one; {advice}.")
        if (self.backup / RECIPE).exists():  # stopped before the end of its first epoch
            return
        if any((self.backup / name).exists() for name in KERAS_BACKUP):
            raise ValueError(
                f"`out` must be without the backup of an older fieldzoo, which is not resumed, got {self.backup}; "
                f"{advice}."
            )
        names = [name for name in FILES if (self.path / name).exists()]
        names += [f"saved_model/{version.name}" for version in self.path.glob("saved_model/[0-9]*")]
        if names:
            names = ", ".join(sorted(names))
            raise ValueError(f"`out` must be without files that a run writes, got {self.path} with {names}; {advice}.")

    def is_unfinished(self):
        """Whether the folder has a backup with at least one whole epoch, of this version of the backup."""
        return (self.backup / PROGRESS).is_file() and (self.backup / RECIPE).is_file()

    @contextlib.contextmanager
    def locked(self):
        """Checks the folder and locks it for the block under `with`; see `check` and `lock_folder`."""
        self.check()
        with lock_folder(self.path):
            self.check()
            yield self

    def begin(self, description):
        """Prepares the folder for a training, or for resuming it.

        Args:
            description: what `describe_training` returns.
        Raises:
            ValueError: if the backup is of another training, without `overwrite`.
        """
        saved = self._read(self.backup / RECIPE)
        if self.is_unfinished() and same_training(saved["training"], description):
            return
        if self.is_unfinished() and not self.overwrite:
            raise ValueError(
                f"`out` must be without the backup of another training, got {self.path}: "
                f"{'; '.join(differences(saved['training'], description))}. Repeat the command of that training to "
                "resume it, choose another folder, or replace it with overwrite=True (zoo train --overwrite)."
            )
        previous = self._previous_files(saved)
        self._remove_backup()
        self.backup.mkdir(parents=True, exist_ok=True)
        existing = [name for name in self._matching() if name not in previous]
        write_json(self.backup / RECIPE, {"training": description, "existing": existing})
        for name in (RUN, *FILES, *previous):
            self._remove(name)
        for name in (DIVERGED_BATCH, RUN, *FILES):
            self._remove(f"{DIVERGED}/{name}")

    def save(self, run):
        """Saves the run, with the names of all files that it wrote beside those that every run has."""
        run.record["files"] = self.written()
        run.save(self.path)

    def remove_exports(self):
        """Removes exports of an interrupted session of this training, whole ones and those that were being written.

        The next export has their number.
        """
        for name in self.written():
            if name.startswith("saved_model/"):
                self._remove(name)
        for path in [*self.path.glob(UNFINISHED), *self.path.glob(f"saved_model/{UNFINISHED}")]:
            self._remove(path.relative_to(self.path))

    def written(self):
        """Returns the event files, samples and exports that this training wrote, as paths in the folder."""
        saved = self._read(self.backup / RECIPE)
        return [name for name in self._matching() if name not in set(saved["existing"])]

    def finish(self):
        """Removes the backup, as the run is saved whole."""
        self._remove_backup()

    discard = finish  # of a training that diverged

    def backup_files(self):
        """Returns the paths of the backup's files, if there is at least one whole epoch."""
        if not self.is_unfinished():
            return []
        return [self.backup / RECIPE, self.backup / PROGRESS, *sorted(self.backup.glob("state_*.npz"))]

    def _previous_files(self, saved):
        """Event files, samples and exports of the run that is replaced: complete, or unfinished (`saved`)."""
        if saved:
            return [name for name in self._matching() if name not in set(saved["existing"])]
        if not (self.path / RUN).is_file():
            return []
        record = self._read(self.path / RUN).get("record", {})
        if "files" in record:
            return [name for name in record["files"] if name in set(self._matching())]
        # Of an older run, which did not record them
        export = record.get("export", {}).get("path")
        return [name for name in self._matching() if not name.startswith("saved_model/") or name.endswith(f"/{export}")]

    def _matching(self):
        paths = (path for pattern in PATTERNS for path in self.path.glob(pattern))
        return sorted(path.relative_to(self.path).as_posix() for path in paths)

    def _remove_backup(self):
        # progress.json first: without it, nothing that is left counts as a backup
        for name in (PROGRESS, RECIPE, TRACKING, *KERAS_BACKUP):
            (self.backup / name).unlink(missing_ok=True)
        for path in [*self.backup.glob("state_*.npz"), *self.backup.glob(UNFINISHED)]:
            path.unlink()
        shutil.rmtree(self.backup / EXAMPLES, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.backup.rmdir()  # only an empty one

    def _remove(self, name):
        path = self.path / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # only an empty one

    @staticmethod
    def _read(path):
        try:
            return json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return {}


class WorkerFolder:
    """The folder of a worker that is not the chief: it holds the chief's backup, to resume from, and no run.

    Args:
        path: a temporary folder.
    """

    path = None  # no run's files are written

    def __init__(self, path):
        self.backup = path / "backup"

    def receive(self, name, content):
        """Writes one file of the chief's backup.

        Args:
            name: of the file.
            content: bytes.
        """
        self.backup.mkdir(exist_ok=True)
        (self.backup / Path(name).name).write_bytes(content)
