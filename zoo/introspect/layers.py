"""The layers of a model and of the models nested in it."""

import keras


def leaf_layers(model, *, functional_only=False, prefix=""):
    """Returns the layers of a model by path; models nested in it are replaced by their own layers.

    Args:
        model: a built Keras model.
        functional_only: whether only nested functional models are replaced. Nested Sequential models, which are often
            one block, and subclassed models, which may own weights themselves, then count as one layer each.
        prefix: prepended to every path.
    Returns:
        {"layer" or "nested_model/layer": layer} in the model's order, each layer once, without input layers.
    """
    leaves, ids = {}, set()
    for layer in model.layers:
        path = f"{prefix}{layer.name}"
        nested = isinstance(layer, keras.Model) and (hasattr(layer, "operations") or not functional_only)
        inner = leaf_layers(layer, functional_only=functional_only, prefix=f"{path}/") if nested else {path: layer}
        for inner_path, leaf in inner.items():
            if id(leaf) not in ids and not isinstance(leaf, keras.layers.InputLayer):
                leaves[inner_path] = leaf
                ids.add(id(leaf))
    return leaves
