"""Presto: parity with the authors' code and released weights, and masking."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.layers import SeasonPosition
from zoo.layers.presto_bands import BANDS, DIVISOR, GROUPS, SHIFT, PrestoBands

RELEASED = Path(__file__).parents[2] / "../shared/data/presto"
WEIGHTS = RELEASED / "default_model.pt"
released = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason=f"Presto's released weights and outputs are not in {RELEASED}"
)
TINY = {"width": 16, "depth": 1, "units": 12, "heads": 2}


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(RELEASED / "golden.npz"))


def unmasked_inputs(golden):
    """Returns the inputs with nothing masked."""
    return {n: golden[n] for n in ("x", "dynamic_world", "latlons", "month")} | {"mask": np.zeros_like(golden["x"])}


def masked_inputs(golden):
    return unmasked_inputs(golden) | {"mask": golden["mask"], "dynamic_world": golden["dynamic_world_masked"]}


def load(build, *args, **kwargs):
    return zoo.load_weights(build((12, 17), *args, **kwargs), str(WEIGHTS))


@released
def test_the_embedding_equals_the_authors(golden):
    assert_close(load(zoo.presto)(unmasked_inputs(golden)), golden["embedding"])


@released
def test_the_embedding_of_masked_inputs_equals_the_authors(golden):
    assert_close(load(zoo.presto)(masked_inputs(golden)), golden["embedding_masked"])


@released
def test_tokens_reconstruction_and_land_cover_equal_the_authors(golden):
    model = load(zoo.presto_autoencoder)
    outputs = model(masked_inputs(golden))
    assert_close(outputs["reconstruction"], golden["reconstruction"])
    assert_close(outputs["dynamic_world"], golden["dynamic_world_logits"])
    tokens = np.asarray(keras.Model(model.input, model.get_layer("norm").output)(masked_inputs(golden)))
    indices = np.pad(golden["kept_indices"] + 1, ((0, 0), (1, 0)))  # the location is token 0 and never masked
    assert_close(np.take_along_axis(tokens, indices[..., None], axis=1), golden["tokens_masked"])


@released
def test_inputs_without_mask_and_with_every_month_give_the_same_embedding(golden):
    x = unmasked_inputs(golden)
    del x["mask"]
    assert_close(load(zoo.presto, masked=False)(x), golden["embedding"])
    months = (golden["month"][:, None] + np.arange(12)) % 12
    assert_close(load(zoo.presto, month="every")(unmasked_inputs(golden) | {"month": months}), golden["embedding"])


@released
def test_raw_bands_are_scaled_in_the_model(golden):
    """x / 4 + 1 is a plausible scaled input: reflectances above 0."""
    scaled = golden["x"] / 4 + 1
    red, infrared = scaled[..., BANDS.index("B4")], scaled[..., BANDS.index("B8")]
    scaled[..., BANDS.index("NDVI")] = (infrared - red) / (infrared + red)
    raw = scaled * DIVISOR - SHIFT
    raw[..., BANDS.index("NDVI")] = 777
    expected = load(zoo.presto)(unmasked_inputs(golden) | {"x": scaled})
    assert_close(load(zoo.presto, raw=True)(unmasked_inputs(golden) | {"x": raw}), expected, rtol=1e-4)


@released
def test_fine_tuning_starts_from_the_encoder_and_a_new_head(golden):
    model = zoo.load_weights(zoo.presto((12, 17), 1), str(WEIGHTS), head=False)
    embedding = keras.Model(model.input, model.get_layer("norm").output)
    assert_close(embedding(unmasked_inputs(golden)), golden["embedding"])
    assert model(unmasked_inputs(golden)).shape == (3, 1)
    with pytest.raises(
        ValueError, match="2 missing in the source: head.linear.weight .*`head=False` keeps the model's own"
    ):
        zoo.load_weights(model, str(WEIGHTS))


@released
def test_models_of_other_sizes_refuse_the_weights():
    with pytest.raises(ValueError, match=r"12 not used: encoder.blocks.1.norm1.weight"):
        zoo.load_weights(zoo.presto((12, 17), depth=1), str(WEIGHTS))
    with pytest.raises(ValueError, match=r"12 not used: decoder.decoder_blocks.1.norm1.weight"):
        zoo.load_weights(zoo.presto_autoencoder((12, 17), decoder_depth=1), str(WEIGHTS))


@released
def test_the_initial_tables_equal_the_released_ones():
    model = zoo.presto_autoencoder((12, 17))
    before = {w.path: w.numpy() for w in model.non_trainable_weights}
    zoo.load_weights(model, str(WEIGHTS))
    assert len(before) == 4
    for weight in model.non_trainable_weights:
        assert_close(before[weight.path], weight.numpy())


def inputs(examples=2, months=3, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.random((examples, months, 17), "float32"),
        "dynamic_world": rng.integers(0, 9, (examples, months)),
        "latlons": rng.uniform(-60, 60, (examples, 2)).astype("float32"),
        "month": rng.integers(0, 12, examples),
        "mask": np.zeros((examples, months, 17), "float32"),
    }


def test_twelve_months_are_110_tokens():
    assert zoo.outline("presto", input_shape=(12, 17)).get_layer("tokens").output.shape == (None, 110, 128)


def test_examples_may_have_different_masks_and_nan_where_masked():
    model = zoo.presto((3, 17), **TINY)
    x = inputs()
    x["mask"][0, :, 2:12] = 1
    x["mask"][1, 1] = 1
    x["dynamic_world"][1, 1] = 9
    outputs = np.asarray(model(x))
    for i in range(2):
        single = {n: v[i : i + 1] for n, v in x.items()}
        assert_close(outputs[i : i + 1], model(single))
    with_nan = x | {"x": np.where(x["mask"] > 0, np.nan, x["x"])}
    assert_close(model(with_nan), outputs)
    with_other_values = x | {"x": np.where(x["mask"] > 0, 123, x["x"])}
    assert_close(model(with_other_values), outputs)


@pytest.mark.parametrize("group", [g for g in GROUPS if len(GROUPS[g]) > 1])
def test_one_masked_band_masks_its_group(group):
    model = zoo.presto((3, 17), **TINY)
    first, second = (BANDS.index(b) for b in GROUPS[group][:2])
    x = inputs()
    x["mask"][:, :, second] = 1
    changed = x | {"x": x["x"].copy()}
    changed["x"][:, :, first] += 5
    assert_close(model(x), model(changed))
    assert np.abs(model(x) - model(x | {"mask": np.zeros_like(x["mask"])})).max() > 1e-4


def test_only_the_terrain_of_the_first_month_is_used():
    model = zoo.presto((3, 17), **TINY)
    x = inputs()
    later = x | {"x": x["x"].copy()}
    later["x"][:, 1:, BANDS.index("elevation")] += 5
    assert_close(model(x), model(later))
    later["x"][:, 0, BANDS.index("elevation")] += 5
    assert np.abs(model(x) - model(later)).max() > 1e-4


def test_january_follows_december():
    first, every = zoo.presto((3, 17), **TINY), zoo.presto((3, 17), **TINY, month="every")
    every.set_weights(first.get_weights())
    x = inputs() | {"month": np.array([11, 4])}
    months = np.array([[11, 0, 1], [4, 5, 6]])
    assert_close(first(x), every(x | {"month": months}))
    assert np.abs(first(x) - every(x | {"month": months[:, ::-1]})).max() > 1e-4


def test_the_decoder_repeats_the_terrain_and_does_not_depend_on_masked_values():
    model = zoo.presto_autoencoder((3, 17), **TINY, decoder_depth=1)
    x = inputs()
    x["mask"][:, :, BANDS.index("B8")] = 1
    outputs = model(x)
    terrain = np.asarray(outputs["reconstruction"])[..., BANDS.index("elevation") : BANDS.index("slope") + 1]
    assert_close(terrain, np.repeat(terrain[:, :1], 3, axis=1))
    changed = x | {"x": x["x"].copy()}
    changed["x"][..., BANDS.index("B8")] = 9
    assert_close(model(changed)["reconstruction"], outputs["reconstruction"])


def test_multiply_accumulates_are_those_that_thop_counts_for_the_authors_model():
    """thop's 43,506,048 includes 4 per element for the norms of 441 tokens and excludes the products of tokens."""
    norms, products = 4 * (4 * 110 + 1) * 128, 2 * 2 * 110**2 * 128
    assert zoo.macs(zoo.outline("presto", input_shape=(12, 17))) - products + norms == 43_506_048


def test_season_position_encodes_months_on_a_circle_and_steps_by_sinusoids():
    season, position = (np.asarray(x)[0] for x in SeasonPosition(24, 8, 6)(np.array([[0, 3, 11]])))
    angles = np.array([0, 3, 11]) * np.pi / 6
    assert_close(season, np.repeat(np.stack([np.sin(angles), np.cos(angles)], 1), 4, 1))
    assert_close(position[:, 0], np.sin([0, 1, 2]))
    assert_close(position[:, 3], np.cos(np.array([0, 1, 2]) / 10))
    with pytest.raises(ValueError, match="SeasonPosition: the series must have at most 2 steps, got 3"):
        SeasonPosition(2, 8, 6)(np.array([[0, 3, 11]]))
    with pytest.raises(ValueError, match="SeasonPosition: `width` and `position_width` must be even, got 7 and 6"):
        SeasonPosition(2, 7, 6)


def test_bands_are_scaled_as_released_and_the_config_has_the_scaling():
    layer = PrestoBands.from_config(PrestoBands().get_config())
    assert (layer.bands, layer.shift, layer.divisor) == (BANDS, SHIFT, DIVISOR)
    raw = np.zeros((1, 17), "float32")
    raw[0, [BANDS.index(b) for b in ("VV", "B4", "B8", "temperature_2m", "slope", "NDVI")]] = -20, 1e3, 4e3, 300, 25, 9
    scaled = dict(zip(BANDS, np.asarray(layer(raw))[0], strict=True))
    expected = {"VV": 0.2, "VH": 1, "B4": 0.1, "B8": 0.4, "temperature_2m": 27.85 / 35, "slope": 0.5, "NDVI": 0.6}
    assert scaled == pytest.approx(dict.fromkeys(BANDS, 0) | expected, abs=1e-6)
    assert np.asarray(layer(np.zeros((1, 17))))[0, -1] == 0  # NDVI is 0 for zero reflectance


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`input_shape` must be \(T, 17\) with T from 1 to 24, got \(25, 17\)"):
        zoo.presto((25, 17))
    with pytest.raises(ValueError, match="`width` must be divisible by 16 and by `heads` = 3, got 32"):
        zoo.presto((12, 17), width=32, heads=3)
    with pytest.raises(ValueError, match="`width` must be divisible by 16 and by `heads` = 2, got 24"):
        zoo.presto_autoencoder((12, 17), width=24, heads=2)
    with pytest.raises(ValueError, match="`month` must be one of 'first', 'every', got 'evry'. Did you mean `every`"):
        zoo.presto((12, 17), month="evry")
    with pytest.raises(ValueError, match="PrestoBands: `bands` must have B4, B8 and NDVI, missing B4, NDVI"):
        PrestoBands(("B8",), (0,), (1,))
    with pytest.raises(ValueError, match="`bands`, `shift` and `divisor` must have equal lengths, got 17, 1 and 17"):
        PrestoBands(shift=(1,))


@pytest.mark.parametrize("month", [12, -1])
def test_invalid_months_are_refused_eagerly_and_in_a_graph(month):
    import tensorflow as tf

    model = zoo.presto((3, 17), **TINY)
    invalid = inputs() | {"month": np.array([0, month])}
    valid = invalid | {"month": np.array([0, 11])}
    assert np.isfinite(model.predict({k: valid[k] for k in model.input}, verbose=0)).all()
    with pytest.raises(ValueError, match=r"`month` must be from 0 \(January\) to 11.*got"):
        model({k: invalid[k] for k in model.input})
    with pytest.raises(tf.errors.InvalidArgumentError, match="`month` must be from 0"):
        model.predict({k: invalid[k] for k in model.input}, verbose=0)
