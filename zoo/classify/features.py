"""The `features` function of a registered classifier."""

import functools
import inspect
import sys

from zoo.registry import entries


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
