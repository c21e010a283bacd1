"""From the contents of a package to `Data`: one function per kind of bundled data, with the options of that kind.

Each takes what a function of `packages` returns. Tables and series have `read_table` and `read_series`.
"""

from recipes.data.assemble import assemble
from recipes.data.boxes.instance_tiles import tiles_with_objects
from recipes.data.examples import Data
from recipes.data.images.image_patches import from_image_list, held_out_pairs
from recipes.data.images.masks import from_scenes
from recipes.data.images.moving_digits import moving_mnist
from recipes.data.questions import land_questions
from recipes.data.split import SplitOptions
from recipes.data.text.documents import from_documents
from recipes.data.text.labelled_texts import from_texts
from zoo.arguments import Count, Fraction, Whole, checked

NAME = "bundled data"  # in errors; `read_bundled` sets the name of the data set


@checked
def labelled_arrays(contents, *, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0) -> Data:
    """Returns labelled images or series."""
    return assemble(split_options=SplitOptions(validation, test, seed), name=NAME, task="classification", **contents)


@checked
def labelled_texts(contents, *, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0) -> Data:
    """Returns labelled texts."""
    return from_texts(split_options=SplitOptions(validation, test, seed), name=NAME, task="classification", **contents)


@checked
def documents(
    contents, *, window: Count = 128, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0
) -> Data:
    """Returns documents for a language model, with `window` characters in an example."""
    return from_documents(split_options=SplitOptions(validation, test, seed), window=window, name=NAME, **contents)


@checked
def moving_digits(
    contents,
    *,
    window: Count = 10,
    horizon: Count = 10,
    tile: Count = 32,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Returns sequences of `window` input frames and `horizon` target frames with sides of `tile` pixels."""
    digits = labelled_arrays(contents, validation=validation, test=test, seed=seed)
    return moving_mnist(digits, past=window, ahead=horizon, side=tile, seed=seed)


@checked
def questions_on_scenes(
    contents, *, scenes: Count = 2000, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0
) -> Data:
    """Returns balanced questions on `scenes` that are made of real pixels; no pixel is in scenes of two splits."""
    return land_questions.questions_on_scenes(contents, scenes, SplitOptions(validation, test, seed), name=NAME)


@checked
def instance_tiles(
    contents, *, tile: Count, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0
) -> Data:
    """Returns tiles of an image, with the boxes and masks of its objects, with sides of `tile` pixels."""
    return tiles_with_objects(split_options=SplitOptions(validation, test, seed), tile=tile, name=NAME, **contents)


@checked
def scene_tiles(contents, *, tile: Count, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0) -> Data:
    """Returns tiles of an image and its mask with sides of `tile` pixels."""
    return from_scenes(split_options=SplitOptions(validation, test, seed), tile=tile, name=NAME, **contents)[0]


@checked
def whole_images(contents, *, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0) -> Data:
    """Returns images of different sizes."""
    return from_image_list(split_options=SplitOptions(validation, test, seed), name=NAME, **contents)


@checked
def held_out_frames(contents, *, validation: Fraction = 0.15, test: Fraction = 0.15, seed: Whole = 0) -> Data:
    """Returns pairs of frames that are all in the test split; the fractions and the seed are not used."""
    return held_out_pairs(name=NAME, **contents)
