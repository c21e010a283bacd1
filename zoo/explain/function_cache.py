"""A cache for compiled functions of models, because compiling an explanation takes longer than computing it."""

import contextlib
import contextvars

_CACHE = contextvars.ContextVar("compiled_functions", default=None)  # by the model's id and the shape of one input


@contextlib.contextmanager
def cache_compiled_functions():
    """Compiles each function of a model only once for all explanations inside the `with` block.

    The weights of the model may change inside the block. Its layers must not: compiled functions keep the old ones.
    A nested block uses the cache of the outer block.
    """
    if _CACHE.get() is not None:
        yield
        return
    token = _CACHE.set({})
    try:
        yield
    finally:
        _CACHE.reset(token)


def compiled_functions(model, input_shape):
    """Returns the dict of a model's compiled functions by name: the cached one, or a new one outside of a cache.

    Args:
        model: a Keras model.
        input_shape: shape of one input, without the batch.
    """
    cache = _CACHE.get()
    if cache is None:
        return {}
    # The entry holds the model, so that no other model can get its id while the cache exists.
    return cache.setdefault((id(model), input_shape), (model, {}))[1]
