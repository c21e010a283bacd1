"""Models of counts and quantiles: their distributions, beside the means and medians that they predict."""

import weakref

import keras
import numpy as np

from recipes.prediction.predict import model_outputs, predict_inputs

LAYER = "distribution"
_MODELS = weakref.WeakKeyDictionary()  # model -> that of its distribution, which has compiled its prediction


def has_distribution(model):
    """Whether a model has a layer that computes the distribution of each target."""
    return any(layer.name == LAYER for layer in model.layers)


def distribution_model(model):
    """Returns the model of the same layers whose outputs are those of the layer `distribution`.

    Its outputs are (B, outputs, 3) rate, dispersion and fraction of added zeros, or (B, outputs, levels) quantiles.
    """
    if model not in _MODELS:
        _MODELS[model] = keras.Model(model.inputs, model.get_layer(LAYER).output, name=model.name)
    return _MODELS[model]


def with_named_outputs(model):
    """Returns the model with the outputs `values` (B, outputs), and `zero_probability` or `quantiles`."""
    layer = model.get_layer(LAYER)
    return keras.Model(model.inputs, {"values": model.outputs[0], **layer.named_outputs(layer.output)}, name=model.name)


def batch_distribution(run, batch, count):
    """Returns the named outputs of a run's distribution for `count` raw inputs that match its schema, as arrays."""
    model = distribution_model(run.model)
    return _named(run, model_outputs(run, batch, model) if count else np.empty((0, *model.output_shape[1:])))


def predict_distribution(run, inputs):
    """Returns the named outputs of a run's distribution for raw inputs, as `Run.predict_distribution` documents."""
    if not has_distribution(run.model):
        raise ValueError(
            "predict: the run must have a distribution, of the loss quantile or one for counts with a dispersion or "
            f"added zeros, got {type(run.task).__name__} with {getattr(run.task, 'loss', 'no loss')}."
        )
    return _named(run, predict_inputs(run.replace(model=distribution_model(run.model)), inputs))


def interval_inputs(run, inputs):
    """Returns what the intervals or sets of a run are made of, for raw inputs."""
    conformal = run.conformal
    if conformal is not None and conformal.of_quantiles:
        return predict_distribution(run, inputs)["quantiles"]
    return run.predict(inputs)


def require_conformal(run, kind=None):
    """Returns the `Conformal` of a run; a ValueError if it has none, or none of a kind (interval or set)."""
    conformal, task = run.conformal, run.data_record["task"]
    expected = {"interval": "regression", "set": "classification"}
    if task not in expected.values() or (kind and task != expected[kind]):
        raise ValueError(
            f"predict: the run must be of {expected.get(kind, 'classification or regression')}, got {task}."
        )
    if conformal is None:
        region = "intervals" if task == "regression" else "sets of classes"
        raise ValueError(
            f"predict: the run must have {region}, got none: its validation split was too small for `coverage`, or "
            "an older version trained it; train it again."
        )
    return conformal


def _named(run, parameters):
    outputs = run.model.get_layer(LAYER).named_outputs(parameters)
    return {name: np.asarray(values, np.float32) for name, values in outputs.items()}
