"""Explanations that share what is compiled of a model."""

import numpy as np

import zoo
from tests.explain.test_gradients import draw
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.score import Score
from zoo.explain.shared_functions import sharing


def test_functions_are_compiled_once_while_shared_and_see_new_weights():
    model, x = zoo.cnn((8, 8, 3), 4, filters=(4,), units=()), draw(2, 8, 8, 3)
    with sharing():
        first, map_first = explain.saliency(model, x, 1), explain.gradcam(model, x, 1)
        kept = Score("here", model, x, None, 8).functions
        compiled = dict(kept)
        assert set(compiled) == {"gradients", "gradcam None"}
        for weight in model.weights:
            weight.assign(weight * 2 + 0.1)
        with sharing():  # one within another is the outer one
            second, map_second = explain.saliency(model, x, 1), explain.gradcam(model, x, 1)
        assert all(kept[name] is function for name, function in compiled.items())
    assert Score("here", model, x, None, 8).functions == {}
    assert not np.allclose(first, second)
    assert_close(second, explain.saliency(model, x, 1))
    assert_close(map_second, explain.gradcam(model, x, 1))
    assert map_first.shape == map_second.shape


def test_answers_and_logits_and_masked_answers_are_kept_apart():
    model, x = zoo.unet((16, 16, 1), 2, filters=(2, 4)), draw(1, 16, 16, 1)
    region = np.zeros((16, 16))
    region[:4] = 1
    alone = [explain.saliency(model, x, 1), explain.saliency(model, x, 1, mask=region)]
    with sharing():
        score = Score("here", model, x, None, 8, dense=True)
        answers, logits = score.answers(x), score.values(x)
        together = [explain.saliency(model, x, 1), explain.saliency(model, x, 1, mask=region)]
    assert np.abs(answers - logits).max() > 1e-3
    for one, other in zip(alone, together, strict=True):
        assert_close(one, other)
    assert not np.allclose(alone[0], alone[1])
