"""Pictures of explanations."""

import numpy as np
import pytest

from tests.explain.test_gradients import random_array
from zoo import explain
from zoo.explain.figures.show import stretch_contrast


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_an_image_its_map_and_the_overlay_are_drawn_in_a_row(bands, tmp_path):
    import matplotlib.image
    from matplotlib import _pylab_helpers

    before = len(_pylab_helpers.Gcf.figs)
    path = tmp_path / "why.png"
    figure = explain.show(random_array(2, 8, 6, bands), random_array(2, 8, 6), path=path, titles=["wood", "water"])
    assert [a.get_title() for a in figure.axes[:6]] == ["wood", "map", "overlay", "water", "map", "overlay"]
    assert figure.axes[0].images[0].get_array().shape == ((8, 6, 3) if bands > 2 else (8, 6))
    assert matplotlib.image.imread(path).std() > 0.05
    assert len(_pylab_helpers.Gcf.figs) == before  # the figure is not registered with pyplot


def test_signed_maps_are_scaled_symmetrically_and_others_from_zero():
    values = np.zeros((1, 4, 4))
    values[0, 0, 0], values[0, 1, 1] = -1, 3
    signed = explain.show(random_array(1, 4, 4, 3), values).axes[1].images[0]
    assert signed.get_clim()[0] == -signed.get_clim()[1] < 0
    assert signed.get_cmap().name == "RdBu_r"
    plain = explain.show(random_array(1, 4, 4, 3), np.abs(values)).axes[1].images[0]
    assert plain.get_clim()[0] == 0 < plain.get_clim()[1]


@pytest.mark.parametrize("value", [0.0, 7.0, -7.0])
def test_constant_images_and_maps_are_drawn(value, tmp_path):
    explain.show(np.full((1, 5, 5, 3), value), np.full((1, 5, 5), value), path=tmp_path / "flat.png")
    assert (stretch_contrast(np.full((5, 5, 1), value)) == 0.5).all()


def test_the_contrast_stretch_ignores_outliers():
    image = np.linspace(0, 1, 1000).reshape(20, 50, 1)
    image[0, 0] = 1e6
    picture = stretch_contrast(image)
    assert 0.49 < np.median(picture) < 0.51
    assert (picture.min(), picture.max()) == (0, 1)
    single_pixel = np.zeros((20, 50, 1))
    single_pixel[3, 3] = 2
    assert stretch_contrast(single_pixel)[3, 3] == 1


def test_a_table_shows_its_largest_bars_by_name(tmp_path):
    import pandas

    table = pandas.DataFrame(random_array(2, 30), columns=[f"band {i}" for i in range(30)])
    values = np.arange(60).reshape(2, 30) - 29.0
    figure = explain.show(table, values, path=tmp_path / "bars.png", titles=("a", "b"))
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels[:2] == ["band 0", "band 1"]  # -29 and -28
    assert len(labels) == 20
    assert [bar.get_width() for bar in figure.axes[1].patches[:2]] == [30, 29]
    assert [a.get_title() for a in figure.axes] == ["a", "b"]


def test_a_series_keeps_its_steps_in_order():
    figure = explain.show(random_array(1, 5, 2), np.array([[1.0, -5, 2, 0, 4]]))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1, -5, 2, 0, 4]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()][1] == "step 1"


@pytest.mark.parametrize(
    ("images", "maps", "titles", "message"),
    [
        (
            random_array(2, 4, 4, 3),
            random_array(1, 4, 4),
            None,
            r"`maps` of images \(2, 4, 4, 3\) must have the shape \(2, 4, 4\)",
        ),
        (random_array(4, 4), random_array(4, 3), None, r"must have the shape \(4, 4\), got \(4, 3\)"),
        (random_array(0, 4), random_array(0, 4), None, "`maps` of images"),
        (random_array(2, 4), random_array(2, 4), ("one",), "`titles` must be one for each of 2 examples, got 1"),
        (random_array(2, 4), np.full((2, 4), np.nan), None, "`maps` must be finite"),
    ],
)
def test_arguments_that_do_not_fit_each_other_raise_an_error(images, maps, titles, message):
    with pytest.raises(ValueError, match=message):
        explain.show(images, maps, titles=titles)
