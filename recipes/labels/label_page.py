"""A web page of this machine for labelling photos, those first that a model is least sure of."""

import importlib.resources
import io
import urllib.parse
from pathlib import Path

import numpy as np

from recipes.data.images.image_files import open_images
from recipes.labels.labelling import HEADER, Labelling
from recipes.labels.photo_features import photo_features
from recipes.prediction.input_list import FILES_BELOW
from zoo.arguments import Count, FilePath, Whole, checked
from zoo.explain.figures.local_page import LocalHandler, LocalPage

LONGEST = 1024  # side of a photo on the page [pixels]
FEATURES = "features"  # ending of the file of features, beside that of the labels


@checked
def label_photos(
    folder: FilePath,
    classes: tuple[str, ...],
    out: FilePath,
    *,
    model: str = "efficientnet_lite0",
    sample: Count = 5_000,
    port: Whole = 0,
    seed: Whole = 0,
    progress: bool = True,
) -> LocalPage:
    """Serves a page that shows photos to label, those first that a model is least sure of and that differ most.

    Every label is saved when its key is pressed. While photos are labelled, a logistic regression on the features of a
    pretrained network is fitted again to all labels, and chooses the next photos. The same call continues a file of
    labels.

    >>> with recipes.label_photos("photos", ("oak", "ash"), "labels.csv") as page:
    ...     page.wait()
    >>> recipes.load("image_table:labels.csv?target=label&images=photos")

    Args:
        folder: of the photos, at any depth.
        classes: names of the classes; more can be added on the page.
        out: CSV file with the columns file (the path below `folder`) and label. Beside it, in OUT.features.npz, are the
            features.
        model: one of `zoo.names()` with bundled weights, whose features are used.
        sample: number of photos, drawn at random, of a larger folder; those with a label are among them.
        port: of the page; 0 for any free port.
        seed: of the sample and the order.
        progress: whether to show a progress bar of the features, on stderr where that is a terminal.
    Returns:
        A running `LocalPage`; open its `.address` in a browser. In a script, `.wait()` keeps it running.
    Raises:
        ValueError: if the folder has no photos that can be read, `out` is another table, or the port is in use.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise ValueError(f"`folder` must be a folder of photos, got {root}, which does not exist.")
    paths = sorted(FILES_BELOW["image"](root))
    if not paths:
        raise ValueError(f"`folder` must have photos, got {root} without any.")
    paths = _sampled(paths, root, Path(out), sample, seed)
    features, readable, reasons = photo_features(paths, model, f"{out}.{FEATURES}.npz", progress=progress)
    session = Labelling(
        root, [p for p, ok in zip(paths, readable, strict=True) if ok], features[readable], classes, out, seed
    )
    if reasons:
        import warnings

        warnings.warn(
            f"left out {len(reasons):,} photos that cannot be read: {next(iter(reasons.values()))}", stacklevel=2
        )
    return LocalPage(type("Handler", (_Handler,), {"session": session}), port, "label_photos")


def _sampled(paths, root, labels_path, sample, seed):
    """Returns at most `sample` paths and those that have a label, in the order of their names."""
    if len(paths) <= sample:
        return paths
    from recipes.data.tables.table_files import read_table_file

    labelled = set()
    if labels_path.exists():
        frame, _ = read_table_file(labels_path, checked=())
        labelled = set(map(str, frame[HEADER[0]])) if HEADER[0] in frame else set()
    sampled = set(np.random.default_rng(seed).permutation(len(paths))[:sample].tolist())
    return [p for i, p in enumerate(paths) if i in sampled or p.relative_to(root).as_posix() in labelled]


class _Handler(LocalHandler):
    """GET / is the page, /state what it shows, /photo/ID a photo; POST /label, /skip, /undo and /class change it."""

    session: Labelling

    def get(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/":
            self.send_page(page())
        elif path == "/state":
            self.send_json(200, self.session.state())
        elif path.startswith("/photo/") and path.removeprefix("/photo/").isdigit():
            self.send_content("image/jpeg", self._photo(int(path.removeprefix("/photo/"))))
        else:
            self.send_json(404, {"error": f"{self.path} does not exist."})

    def post(self, request):
        actions = {
            "/label": lambda: self.session.label(request.get("id"), request.get("label")),
            "/skip": lambda: self.session.skip(request.get("id")),
            "/undo": self.session.undo,
            "/class": lambda: self.session.add_class(request.get("name")),
        }
        if not isinstance(request, dict):
            raise ValueError("the request must be a JSON object.")
        if self.path not in actions:
            self.send_json(404, {"error": f"{self.path} does not exist."})
            return
        actions[self.path]()
        self.send_json(200, self.session.state())

    def _photo(self, index):
        """Returns a photo as a JPEG, upright and at most 1,024 pixels large."""
        from PIL import Image

        if index >= len(self.session.paths):
            raise ValueError(f"there is no photo {index}.")
        pixels = open_images([self.session.paths[index]], (None, None, 3), "uint8").read(0)
        image = Image.fromarray(pixels)
        image.thumbnail((LONGEST, LONGEST))
        content = io.BytesIO()
        image.save(content, "JPEG", quality=88)
        return content.getvalue()


def page():
    """Returns the page's HTML."""
    return importlib.resources.files("recipes.labels").joinpath("label_page.html").read_text("utf-8")
