"""A labelling session: photos without labels, the order in which they are shown, and the file of their labels."""

import collections
import csv
import io
import threading
from pathlib import Path

import numpy as np

from recipes.data.tables.table_files import read_table_file
from recipes.labels.active import choose_among, predict_labels
from zoo.atomic_write import write_text

QUEUE = 10  # photos that are chosen together
RECENT = 20  # photos whose suggestions are compared with the labels
HEADER = ("file", "label")


class Labelling:
    """Photos, their labels so far, and the next photos to label.

    Labels are written at each of them. A thread chooses the next photos with all labels so far while others are shown.

    Args:
        root: folder of the photos.
        paths: their paths, below `root`.
        features: (N, F) of the photos.
        classes: names of the classes; more may be added.
        labels_path: CSV file with the columns file, the path below `root`, and label. Labels that are there are read.
        seed: of the order.
    Raises:
        ValueError: if the file of labels is no such table, or names photos that are not there.
    """

    def __init__(self, root, paths, features, classes, labels_path, seed=0):
        self.root, self.paths, self.features, self.seed = Path(root), list(paths), features, seed
        self.names = [Path(path).relative_to(root).as_posix() for path in paths]
        self.labels_path, self.labels = Path(labels_path), {}  # index -> class
        self.classes, self.skipped, self.history = list(dict.fromkeys(classes)), set(), []
        self.hits = collections.deque(maxlen=RECENT)
        self.suggestions, self._queue, self._thread = {}, [], None
        self._lock = threading.RLock()
        if self.labels_path.exists():
            self._read_labels()
        self._choose()

    def state(self):
        """Returns what the page shows: the photo, its suggestion, the classes with their counts, and the progress."""
        with self._lock:
            counts = collections.Counter(self.labels.values())
            index = self._next()
            suggestion = self.suggestions.get(index)
            return {
                "photo": None if index is None else {"id": index, "name": self.names[index]},
                "suggestion": suggestion and {"label": suggestion[0], "probability": round(suggestion[1], 3)},
                "classes": [{"name": name, "count": counts[name]} for name in self.classes],
                "labelled": len(self.labels),
                "photos": len(self.paths),
                "recent": len(self.hits),
                "hits": sum(self.hits),
                "can_undo": bool(self.history),
            }

    def label(self, index, name):
        """Gives a photo a label, and writes all labels.

        Args:
            index: of the photo.
            name: one of the classes.
        Raises:
            ValueError: if there is no such photo or class.
        """
        with self._lock:
            self._verify(index)
            if name not in self.classes:
                raise ValueError(f"`label` must be one of {', '.join(self.classes)}, got {name!r}.")
            if index in self.suggestions:
                self.hits.append(self.suggestions[index][0] == name)
            self.history.append((index, self.labels.get(index)))
            self.labels[index] = name
            self._write()
            self._refill()

    def skip(self, index):
        """Shows another photo; this one does not come again in this session."""
        with self._lock:
            self._verify(index)
            self.skipped.add(index)
            self.history.append((index, None))
            self._refill()

    def undo(self):
        """Takes the last label or skip back, and shows that photo again."""
        with self._lock:
            if not self.history:
                raise ValueError("there is no label to take back.")
            index, before = self.history.pop()
            self.skipped.discard(index)
            self.labels.pop(index, None)
            if before is not None:
                self.labels[index] = before
            self._queue.insert(0, index)
            self._write()

    def add_class(self, name):
        """Adds a class.

        Raises:
            ValueError: if the name is empty, too long, has control characters, or exists.
        """
        name = " ".join(str(name).split())
        if not 0 < len(name) <= 80 or not name.isprintable():
            raise ValueError(f"a class must be a name of 1 to 80 characters, got {name!r}.")
        with self._lock:
            if name in self.classes:
                raise ValueError(f"the class {name!r} exists.")
            self.classes.append(name)

    def wait(self):
        """Waits until the next photos are chosen."""
        if self._thread:
            self._thread.join()

    def _verify(self, index):
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(self.paths):
            raise ValueError(f"`id` must be a photo from 0 to {len(self.paths) - 1}, got {index!r}.")

    def _next(self):
        """Returns the index of the photo to show: of the queue, else any without a label, or None."""
        self._queue = [i for i in self._queue if i not in self.labels and i not in self.skipped]
        if self._queue:
            return self._queue[0]
        rest = (i for i in range(len(self.paths)) if i not in self.labels and i not in self.skipped)
        return next(rest, None)

    def _refill(self):
        """Chooses further photos in a thread where half of the queue was labelled."""
        waiting = sum(i not in self.labels and i not in self.skipped for i in self._queue)
        if waiting <= QUEUE // 2 and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._choose, name="next photos", daemon=True)
            self._thread.start()

    def _choose(self):
        """Fits to the labels so far, and sets the next photos and the suggestions."""
        with self._lock:
            indices = np.array(list(self.labels), int)
            labels = np.array(list(self.labels.values()), dtype=str)
            others = np.setdiff1d(np.arange(len(self.paths)), [*indices, *self.skipped])
        probabilities, suggestions = None, {}
        if len(set(labels)) > 1:
            classes, probabilities = predict_labels(self.features[indices], labels, self.features, self.seed)
            best = probabilities.argmax(1)
            suggestions = {int(i): (str(classes[best[i]]), float(probabilities[i, best[i]])) for i in others}
        queue = choose_among(others, self.features, probabilities, QUEUE, self.seed)
        with self._lock:
            self.suggestions, self._queue = suggestions, queue.tolist()

    def _read_labels(self):
        frame, _ = read_table_file(self.labels_path, checked=())
        if tuple(frame.columns[:2]) != HEADER:
            raise ValueError(
                f"{self.labels_path} must have the columns {', '.join(HEADER)}, got {', '.join(map(str, frame))}."
            )
        position = {name: i for i, name in enumerate(self.names)}
        for name, label in zip(frame["file"].astype(str), frame["label"].astype(str), strict=True):
            if name not in position:
                raise ValueError(f"{self.labels_path} must name photos below {self.root}, got {name}.")
            self.labels[position[name]] = label
        self.classes += [label for label in dict.fromkeys(self.labels.values()) if label not in self.classes]

    def _write(self):
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(HEADER)
        table.writerows((self.names[i], label) for i, label in self.labels.items())
        write_text(self.labels_path, text.getvalue())
