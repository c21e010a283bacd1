"""Writes graphs as a SavedModel, each traced once."""


def save_graphs(folder, endpoints, models):
    """Writes a SavedModel whose signatures are graphs of models.

    Keras' `ExportArchive` traces each graph twice, the second time while it saves. Concrete functions are saved as they
    are, and a SavedModel without a second copy of each graph loads faster.

    Args:
        folder: path of the SavedModel.
        endpoints: name of the signature -> (function, list of `tf.TensorSpec`). Its outputs are tensors by name.
        models: Keras models whose variables and lookup tables the functions use.
    """
    import tensorflow as tf

    graphs = {
        name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        for name, (function, specs) in endpoints.items()
    }
    module = tf.Module()
    module.weights = list({id(v): v for graph in graphs.values() for v in graph.variables}.values())
    layers = [layer for model in models for layer in model._flatten_layers()]
    module.tables = [layer.lookup_table for layer in layers if hasattr(layer, "lookup_table")]
    tf.saved_model.save(module, str(folder), signatures=graphs)
