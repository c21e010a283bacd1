"""Pictures of explanations."""

import numpy as np
import pytest

from tests.explain.test_gradients import draw
from zoo import explain
from zoo.explain.figures.show import stretched


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_an_image_its_map_and_the_overlay_stand_in_a_row(bands, tmp_path):
    import matplotlib.image
    from matplotlib import _pylab_helpers

    before = len(_pylab_helpers.Gcf.figs)
    path = tmp_path / "why.png"
    figure = explain.show(draw(2, 8, 6, bands), draw(2, 8, 6), path=path, titles=["wood", "water"])
    assert [a.get_title() for a in figure.axes[:6]] == ["wood", "map", "overlay", "water", "map", "overlay"]
    assert figure.axes[0].images[0].get_array().shape == ((8, 6, 3) if bands > 2 else (8, 6))
    assert matplotlib.image.imread(path).std() > 0.05
    assert len(_pylab_helpers.Gcf.figs) == before  # pyplot knows of no new figure


def test_maps_of_both_signs_are_scaled_symmetrically_and_others_from_zero():
    values = np.zeros((1, 4, 4))
    values[0, 0, 0], values[0, 1, 1] = -1, 3
    signed = explain.show(draw(1, 4, 4, 3), values).axes[1].images[0]
    assert signed.get_clim()[0] == -signed.get_clim()[1] < 0
    assert signed.get_cmap().name == "RdBu_r"
    plain = explain.show(draw(1, 4, 4, 3), np.abs(values)).axes[1].images[0]
    assert plain.get_clim()[0] == 0 < plain.get_clim()[1]


@pytest.mark.parametrize("value", [0.0, 7.0, -7.0])
def test_constant_images_and_maps_are_drawn(value, tmp_path):
    explain.show(np.full((1, 5, 5, 3), value), np.full((1, 5, 5), value), path=tmp_path / "flat.png")
    assert (stretched(np.full((5, 5, 1), value)) == 0.5).all()


def test_the_stretch_ignores_outliers():
    image = np.linspace(0, 1, 1000).reshape(20, 50, 1)
    image[0, 0] = 1e6
    shown = stretched(image)
    assert 0.49 < np.median(shown) < 0.51
    assert (shown.min(), shown.max()) == (0, 1)
    lonely = np.zeros((20, 50, 1))
    lonely[3, 3] = 2
    assert stretched(lonely)[3, 3] == 1


def test_a_table_shows_its_largest_bars_by_name(tmp_path):
    import pandas

    table = pandas.DataFrame(draw(2, 30), columns=[f"band {i}" for i in range(30)])
    values = np.arange(60).reshape(2, 30) - 29.0
    figure = explain.show(table, values, path=tmp_path / "bars.png", titles=("a", "b"))
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels[:2] == ["band 0", "band 1"]  # -29 and -28
    assert len(labels) == 20
    assert [bar.get_width() for bar in figure.axes[1].patches[:2]] == [30, 29]
    assert [a.get_title() for a in figure.axes] == ["a", "b"]


def test_a_series_keeps_its_steps_in_order():
    figure = explain.show(draw(1, 5, 2), np.array([[1.0, -5, 2, 0, 4]]))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1, -5, 2, 0, 4]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()][1] == "step 1"


@pytest.mark.parametrize(
    ("images", "maps", "titles", "message"),
    [
        (draw(2, 4, 4, 3), draw(1, 4, 4), None, r"`maps` of images \(2, 4, 4, 3\) must have the shape \(2, 4, 4\)"),
        (draw(4, 4), draw(4, 3), None, r"must have the shape \(4, 4\), got \(4, 3\)"),
        (draw(0, 4), draw(0, 4), None, "`maps` of images"),
        (draw(2, 4), draw(2, 4), ("one",), "`titles` must be one for each of 2 examples, got 1"),
        (draw(2, 4), np.full((2, 4), np.nan), None, "`maps` must be finite"),
    ],
)
def test_what_does_not_belong_together_is_refused(images, maps, titles, message):
    with pytest.raises(ValueError, match=message):
        explain.show(images, maps, titles=titles)
