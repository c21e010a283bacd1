"""The cache of compiled functions."""

import numpy as np

import zoo
from tests.explain.test_gradients import random_array
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.function_cache import cache_compiled_functions
from zoo.explain.score import Score


def test_cached_functions_are_compiled_once_and_use_new_weights():
    model, x = zoo.cnn((8, 8, 3), 4, filters=(4,), units=()), random_array(2, 8, 8, 3)
    with cache_compiled_functions():
        saliency, gradcam = explain.saliency(model, x, 1), explain.gradcam(model, x, 1)
        functions = Score("test", model, x, None, 8).functions
        first_functions = dict(functions)
        assert set(first_functions) == {"gradients", "gradcam None"}
        for weight in model.weights:
            weight.assign(weight * 2 + 0.1)
        with cache_compiled_functions():  # a nested block uses the outer cache
            new_saliency, new_gradcam = explain.saliency(model, x, 1), explain.gradcam(model, x, 1)
        assert all(functions[name] is function for name, function in first_functions.items())
    assert Score("test", model, x, None, 8).functions == {}
    assert not np.allclose(saliency, new_saliency)
    assert_close(new_saliency, explain.saliency(model, x, 1))
    assert_close(new_gradcam, explain.gradcam(model, x, 1))
    assert gradcam.shape == new_gradcam.shape


def test_predictions_logits_and_masked_scores_are_cached_separately():
    model, x = zoo.unet((16, 16, 1), 2, filters=(2, 4)), random_array(1, 16, 16, 1)
    region = np.zeros((16, 16))
    region[:4] = 1
    uncached = [explain.saliency(model, x, 1), explain.saliency(model, x, 1, mask=region)]
    with cache_compiled_functions():
        score = Score("test", model, x, None, 8, dense=True)
        predictions, logits = score.predict(x), score.predict_logits(x)
        cached = [explain.saliency(model, x, 1), explain.saliency(model, x, 1, mask=region)]
    assert np.abs(predictions - logits).max() > 1e-3
    for first, second in zip(uncached, cached, strict=True):
        assert_close(first, second)
    assert not np.allclose(uncached[0], uncached[1])
