"""The `features` function of a registered classifier."""

import functools
import inspect
import sys

from keras import layers

from zoo.arguments import convert, suggestion
from zoo.introspect.graph import weightless
from zoo.registry import entries, names

PROBE_SIDE = 256  # side [pixels] of the symbolic image from which strides are derived


def classifier_features(name):
    """Returns the `features` function of a registered classifier, with the defaults of its variant.

    Args:
        name: a name of `zoo.names("classify")`.
    Returns:
        Function of an image tensor (B, H, W, C) that returns the list of stage outputs, finest first.
    """
    build = entries[name].build
    features = sys.modules[build.__module__].features
    accepted = inspect.signature(features).parameters
    arguments = {n: p.default for n, p in inspect.signature(build).parameters.items() if n in accepted}
    return functools.partial(features, **arguments)


def verify_classifier(name, classifier, argument="encoder"):
    """Raises a ValueError if there is no image classifier of a name; the closest one is offered.

    Args:
        name: what the error calls the model that is built.
        classifier: name to check.
        argument: of the builder, that has this name.
    """
    classifiers = names("classify")
    if classifier not in classifiers:
        hint = suggestion(classifier, classifiers)
        raise ValueError(f"{name}: `{argument}` must be one of `zoo.names('classify')`, got {classifier!r}.{hint}")


def stage_strides(name, bands):
    """Returns the stride of each stage output of a registered classifier, finest first, from its graph [pixels].

    Args:
        name: a name of `zoo.names("classify")`.
        bands: number of bands of the image.
    """
    with weightless():
        image = layers.Input((PROBE_SIDE, PROBE_SIDE, bands))
        return [PROBE_SIDE / x.shape[1] for x in classifier_features(name)(image)]


def last_features(name, backbone, x, arguments=None, role="backbone"):
    """Returns the last feature map of an image classifier for a tensor of images (B, H, W, C).

    Args:
        name: what an error calls the model.
        backbone: name of the classifier.
        x: tensor.
        arguments: of the classifier, such as {"filters": (16, 32)}, or None for its defaults.
        role: name of the argument that names the classifier: backbone or encoder.
    Raises:
        ValueError: if there is no such classifier or argument, or it does not take images of this size.
    """
    verify_classifier(name, backbone, role)
    features, arguments = classifier_features(backbone), arguments or {}
    accepted = list(inspect.signature(features.func).parameters)[1:]
    for argument in arguments:
        if argument not in accepted:
            raise ValueError(
                f"{name}: `{role}_arguments` has no {argument!r}.{suggestion(argument, accepted)} {backbone} takes "
                f"{', '.join(accepted)}."
            )
    hints = inspect.unwrap(entries[backbone].build).__annotations__
    arguments = {
        key: convert(value, hints[key], f"{name}: `{role}_arguments` {key}") for key, value in arguments.items()
    }
    try:
        return features(x, **arguments)[-1]
    except ValueError as error:
        shape = tuple(x.shape[1:])
        raise ValueError(
            f"{name}: the {role} {backbone} does not accept the images of `input_shape`, got {shape}."
        ) from error
