"""TF Hub modules and other SavedModels as Keras 3 layers, and SavedModels that such layers can load."""

import functools
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Literal

import keras
from keras import layers

from zoo.arguments import FilePath, checked, convert, suggestion
from zoo.backbones.hub_handles import resolve_handle

UNSUPPORTED_DTYPES = ("resource", "string", "variant")  # of variables that Keras has no type for


@keras.saving.register_keras_serializable("zoo")
class HubLayer(layers.Layer):
    """A TF Hub module, or any SavedModel that can be called or has a signature, as a layer.

    Inputs of the module (a tensor, or a dict of tensors)  ->  its outputs, with any batch size.

    The layer's weights are the module's own variables. `trainable` freezes and thaws those that the module declares
    trainable, and `zoo.thaw` treats the module as one stage. The module's regularization losses are added while it
    trains. `.keras` files contain a copy of the module, so the handle need not exist when one is loaded. A module is a
    program: load only modules that you trust.

    Args:
        handle: a folder with a SavedModel (also one of `zoo.export`; of several versions the largest is used), a URL,
            or a name of TF Hub or Kaggle, which need a network or a cache.
        signature: name of the signature to call; None calls the module itself, or its only signature where it cannot
            be called.
        output: key of the output of a module with several outputs; None for a module with one.
        batch_norm: frozen always calls the module in inference mode, so that batch normalization keeps its statistics
            (and dropout is off); train calls it in training mode while the layer trains.
        trainable: whether the module's trainable variables are trained.
        **kwargs: as `keras.layers.Layer` takes them.
    Raises:
        ValueError: if there is no such module, signature or output, or `batch_norm` is train for a module without a
            training mode.

    Source: the reusable SavedModel interface, https://www.tensorflow.org/hub/reusable_saved_models.
    """

    def __init__(self, handle, signature=None, output=None, batch_norm="frozen", trainable=True, **kwargs):
        # From `get_config`: they replace the module until a .keras file's copy of it is loaded.
        variable_specs, output_spec, module_path = (kwargs.pop(key, None) for key in ("held", "answer", "place"))
        super().__init__(
            **{"dtype": "float32", **kwargs, "trainable": convert(trainable, bool, "HubLayer: `trainable`")}
        )
        self.handle, self.signature, self.output_key = convert(handle, str, "HubLayer: `handle`"), signature, output
        self.batch_norm = convert(batch_norm, Literal["frozen", "train"], "HubLayer: `batch_norm`")
        self.variable_specs, self.output_spec, self.module_path = variable_specs, output_spec, module_path
        self.supports_jit = False  # a module may have text operations and tables, which XLA lacks
        self._module = None
        if variable_specs is None:
            self._load(resolve_handle(handle))
        elif module_path and Path(module_path).is_dir():
            self._load(module_path)
            if self.variable_specs != variable_specs:  # the folder contains another module now
                self._module, self.variable_specs = None, variable_specs

    def _load(self, path):
        """Loads the module and lists its variables."""
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"HubLayer: Keras must run on TensorFlow, this is {keras.backend.backend()}.")
        import tensorflow as tf

        try:
            module = tf.saved_model.load(str(path))
        except OSError as error:
            raise ValueError(f"HubLayer: {self.handle} cannot be read as a SavedModel: {error}") from error
        self._module, self.module_path = module, str(path)
        self._function = self._select_function(module)
        takes_training = not _is_signature(self._function) and "training" in self._function.function_type.parameters
        self._takes_training = takes_training
        if self.batch_norm == "train" and not self._takes_training:
            raise ValueError(
                f"HubLayer: `batch_norm` train needs a module with training modes, {self.handle} has none."
            )
        self._module_variables, trainable_ids = _variables(module, self._function)
        names = [v.name.split(":")[0].replace("/", "_") for v in self._module_variables]
        self.variable_specs = [
            {
                "name": n if names.count(n) == 1 else f"{n}_{i}",
                "shape": v.shape.as_list(),
                "dtype": v.dtype.name,
                "trainable": id(v) in trainable_ids,
            }
            for i, (n, v) in enumerate(zip(names, self._module_variables, strict=True))
        ]

    def _select_function(self, module):
        signatures = dict(getattr(module, "signatures", {}))
        if self.signature is None and callable(module):
            return module.__call__
        name = self.signature
        if name is None:
            name = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
        if name not in signatures:
            raise ValueError(
                f"HubLayer: `signature` must be one that {self.handle} has, {', '.join(signatures) or 'none'}; got "
                f"{name!r}.{suggestion(name, signatures)}"
            )
        return signatures[name]

    def build(self, input_shape):
        for spec in self.variable_specs:
            self.add_weight(
                shape=tuple(spec["shape"]),
                dtype=spec["dtype"],
                trainable=spec["trainable"],
                initializer="zeros",
                name=spec["name"],
            )
        if self._module is not None:
            self._share_variables(keep_weights=False)

    def _share_variables(self, keep_weights):
        """Makes the module's variables the layer's weights, with the values of the weights or of the module."""
        for weight, variable in zip(self._ordered_weights(), self._module_variables, strict=True):
            if keep_weights:
                variable.assign(weight.value)
            variable._unique_id = weight._value._unique_id  # the key of an optimizer that was built before
            weight._value = variable

    def _ordered_weights(self):
        """Returns the layer's weights in the order of `variable_specs`."""
        groups = {True: iter(self._trainable_variables), False: iter(self._non_trainable_variables)}
        return [next(groups[spec["trainable"]]) for spec in self.variable_specs]

    def call(self, inputs, training=None):
        import tensorflow as tf

        if self._module is None:
            raise ValueError(
                f"HubLayer: the module {self.handle} does not exist, and this copy is without it; load a .keras file."
            )
        mode = {}
        if self._takes_training:
            mode["training"] = bool(training) and self.trainable and self.batch_norm == "train"
        specs = _input_specs(self._function)
        if _is_signature(self._function):
            by_name = inputs if isinstance(inputs, dict) else {next(iter(specs)): inputs}
            arguments = {n: tf.cast(x, specs[n].dtype) for n, x in by_name.items()}
            outputs = self._function(**arguments)
        else:
            if isinstance(specs, tf.TensorSpec):
                inputs = tf.cast(inputs, specs.dtype)
            try:
                outputs = self._function(inputs, **mode)
            except (TypeError, ValueError) as error:
                if "concrete function" not in str(error) and "Binding inputs" not in str(error):
                    raise
                got = keras.tree.map_structure(
                    lambda t: f"{keras.backend.standardize_dtype(t.dtype)} {t.shape}", inputs
                )
                raise ValueError(f"HubLayer: {self.handle} takes {specs}, got {got}.") from error
        if self.trainable:
            for loss in getattr(self._module, "regularization_losses", None) or ():
                self.add_loss(loss())
        return self._select_output(outputs)

    def _select_output(self, outputs):
        if not isinstance(outputs, dict):
            return outputs
        if self.output_key is None and len(outputs) == 1:
            return next(iter(outputs.values()))
        if self.output_key not in outputs:
            raise ValueError(
                f"HubLayer: `output` must be one of {', '.join(outputs)}, got {self.output_key!r}."
                f"{suggestion(self.output_key, outputs)}"
            )
        return outputs[self.output_key]

    def compute_output_spec(self, inputs, training=None):
        shapes = [list(t.shape) for t in keras.tree.flatten(inputs)]
        if self.output_spec is None or (self._module is not None and self.output_spec["inputs"] != shapes):
            output = super().compute_output_spec(inputs)
            self.output_spec = {"inputs": shapes, "shape": list(output.shape), "dtype": output.dtype}
        return keras.KerasTensor(tuple(self.output_spec["shape"]), self.output_spec["dtype"])

    @property
    def input_type(self):
        """dtype of the module's first input."""
        specs = keras.tree.flatten(_input_specs(self._function))
        return specs[0].dtype.name

    def save_assets(self, path):
        """Copies the module into a .keras file."""
        if self.module_path is None or not Path(self.module_path).is_dir():
            raise ValueError(
                f"HubLayer: {self.handle} cannot be saved, as its folder {self.module_path} does not exist anymore."
            )
        shutil.copytree(self.module_path, path, dirs_exist_ok=True)

    def load_assets(self, path):
        """Loads the module from a .keras file into a temporary folder, which is deleted with the layer."""
        folder = tempfile.mkdtemp(prefix="hub_layer_")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(path, folder, dirs_exist_ok=True)
        self._load(folder)
        if self.built:
            self._share_variables(keep_weights=True)

    def get_config(self):
        spec = self.output_spec
        return {
            **super().get_config(),
            "handle": self.handle,
            "signature": self.signature,
            "output": self.output_key,
            "batch_norm": self.batch_norm,
            "held": [{**s, "shape": [*s["shape"]]} for s in self.variable_specs],
            "answer": spec and {**spec, "inputs": [[*shape] for shape in spec["inputs"]]},
            "place": self.module_path,
        }


def _is_signature(function):
    """Whether a function is a signature, whose inputs and outputs have names."""
    return hasattr(function, "structured_outputs")


def _input_specs(function):
    """Returns a signature's inputs as a dict by name, and the TensorSpec or structure of another function's input."""
    if _is_signature(function):
        return function.structured_input_signature[1]
    args, kwargs = function.concrete_functions[0].structured_input_signature
    return args[0] if args else next(iter(kwargs.values()))


def _variables(module, function):
    """Returns the variables that Keras supports, and the ids of the trainable ones.

    They are those that the module declares, or those that the function uses where it declares none.
    """
    concrete_functions = [function] if _is_signature(function) else function.concrete_functions
    used = {id(v): v for f in concrete_functions for v in f.variables}
    declared = getattr(module, "variables", None)
    variables = list(used.values()) if declared is None else list(declared)
    if hasattr(module, "trainable_variables"):
        trainable_ids = {id(v) for v in module.trainable_variables}
    else:
        trainable_ids = {id(v) for v in variables if v.trainable}
    return [v for v in variables if v.dtype.name not in UNSUPPORTED_DTYPES], trainable_ids


@checked
def save_reusable(model: keras.Model, path: FilePath) -> str:
    """Writes a reusable SavedModel, TF Hub's interface for modules that are trained further under another head.

    It can be loaded by `zoo.HubLayer`, `hub.KerasLayer` and `hub.load`, whereas the SavedModels of `zoo.export` are for
    serving. Its call takes `training`, and it declares `variables`, `trainable_variables` and `regularization_losses`.

    Args:
        model: functional or Sequential, with one input and one output, for instance a backbone without a head.
        path: folder that does not exist yet.
    Returns:
        The folder.
    Raises:
        ValueError: if the model has several inputs or outputs, or the folder exists.

    Source: https://www.tensorflow.org/hub/reusable_saved_models.
    """
    import tensorflow as tf

    if not getattr(model, "inputs", None) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"save_reusable: `model` must be functional with one input and one output, got {model.name}.")
    if Path(path).exists():
        raise ValueError(f"save_reusable: `path` must be new, but {path} exists.")
    (model_input,) = model.inputs
    spec = tf.TensorSpec((None, *model_input.shape[1:]), model_input.dtype, name="inputs")
    call = tf.function(lambda inputs, training=False: model(inputs, training=training), autograph=False)
    for training in (True, False):
        call.get_concrete_function(spec, training=training)
    root = tf.train.Checkpoint()
    root.__call__ = call
    root.variables = [v.value for v in model.variables]
    root.trainable_variables = [v.value for v in model.trainable_variables]
    regularized = [v for v in model.trainable_variables if v.regularizer is not None]
    root.regularization_losses = [
        tf.function(functools.partial(v.regularizer, v), input_signature=[], autograph=False) for v in regularized
    ]
    serve = tf.function(lambda inputs: {"output": model(inputs, training=False)}, autograph=False)
    tf.saved_model.save(root, path, signatures={"serving_default": serve.get_concrete_function(spec)})
    return path
