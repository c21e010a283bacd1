"""Several explanations of one model share its compiled functions, as compiling takes longer than computing."""

import contextlib
import contextvars

_KEPT = contextvars.ContextVar("kept", default=None)  # by the model's id and the shape of one input


@contextlib.contextmanager
def sharing():
    """While it lasts, each function of a model is compiled once for all explanations; its weights may change.

    The model's layers must not change meanwhile, as what is compiled would not know.
    """
    if _KEPT.get() is not None:  # the outer one goes on
        yield
        return
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def functions(model, shape):
    """The compiled functions of a model by their names: those that are shared, or a dict of the caller's own.

    Args:
        model: a Keras model.
        shape: of one input.
    """
    kept = _KEPT.get()
    if kept is None:
        return {}
    # The model is kept with them, so that no other can have its id meanwhile
    return kept.setdefault((id(model), shape), (model, {}))[1]
