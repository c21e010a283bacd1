"""TF Hub modules and other SavedModels as Keras 3 layers that train, save, reload and export."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Literal

import keras
from keras import layers

from zoo.arguments import FilePath, checked, convert, suggestion
from zoo.backbones.hub_handles import folder

FOREIGN = ("resource", "string", "variant")  # kinds of variables that no Keras variable holds


@keras.saving.register_keras_serializable("zoo")
class HubLayer(layers.Layer):
    """A TF Hub module, or any SavedModel that can be called or has a signature, as a layer.

    What the module takes (a tensor, or a dict of them)  ->  what it answers; the batch may be of any size.

    The module's own variables are the layer's: `trainable` freezes and thaws those that the module declares trainable,
    an optimizer changes them, and `zoo.thaw` treats the module as one stage. Its regularisation losses are added while
    it trains. `.keras` files hold a copy of the module, so the handle need not exist when one is loaded. A module is a
    program: load only what you trust.

    Args:
        handle: a folder with a SavedModel (ours too; the largest version of a served one), an address, or a name of TF
            Hub or Kaggle, which need a network or a cache.
        signature: name of the signature to call; None calls the module itself, or its only signature where it cannot
            be called.
        output: key of the answer where the module answers several; None where it answers one.
        batch_norm: frozen calls the module in inference mode always, so that batch normalisation keeps its statistics
            (and dropout is off); train lets it compute as in training while the layer trains.
        trainable: whether the module's trainable variables are.
        **kwargs: as `keras.layers.Layer` has them.
    Raises:
        ValueError: if there is no module, no such signature or answer, or `batch_norm` train is asked of a module that
            knows no training.

    Source: the reusable SavedModel interface, https://www.tensorflow.org/hub/reusable_saved_models.
    """

    def __init__(self, handle, signature=None, output=None, batch_norm="frozen", trainable=True, **kwargs):
        held, answer, place = (kwargs.pop(key, None) for key in ("held", "answer", "place"))
        super().__init__(
            **{"dtype": "float32", **kwargs, "trainable": convert(trainable, bool, "HubLayer: `trainable`")}
        )
        self.handle, self.signature, self.output_key = convert(handle, str, "HubLayer: `handle`"), signature, output
        self.batch_norm = convert(batch_norm, Literal["frozen", "train"], "HubLayer: `batch_norm`")
        self.held, self.answer, self.place = held, answer, place
        self.supports_jit = False  # a module may hold text operations and tables, which XLA has not
        self._module = None
        if held is None:
            self._load(folder(handle))
        elif place and Path(place).is_dir():
            self._load(place)
            if self.held != held:  # another module stands there by now
                self._module, self.held = None, held

    def _load(self, place):
        """Reads the module and says which variables it has; those that are built take its place."""
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"HubLayer: Keras must run on TensorFlow, this is {keras.backend.backend()}.")
        import tensorflow as tf

        try:
            module = tf.saved_model.load(str(place))
        except OSError as error:
            raise ValueError(f"HubLayer: {self.handle} cannot be read as a SavedModel: {error}") from error
        self._module, self.place = module, str(place)
        self._function = self._chosen(module)
        self._wants_training = not _signed(self._function) and "training" in self._function.function_type.parameters
        if self.batch_norm == "train" and not self._wants_training:
            raise ValueError(
                f"HubLayer: `batch_norm` train needs a module with training modes, {self.handle} has none."
            )
        self._own, trains = _variables(module, self._function)
        names = [v.name.split(":")[0].replace("/", "_") for v in self._own]
        self.held = [
            {
                "name": n if names.count(n) == 1 else f"{n}_{i}",
                "shape": v.shape.as_list(),
                "dtype": v.dtype.name,
                "trainable": id(v) in trains,
            }
            for i, (n, v) in enumerate(zip(names, self._own, strict=True))
        ]

    def _chosen(self, module):
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
        for row in self.held:
            self.add_weight(
                shape=tuple(row["shape"]),
                dtype=row["dtype"],
                trainable=row["trainable"],
                initializer="zeros",
                name=row["name"],
            )
        if self._module is not None:
            self._share(keep=False)

    def _share(self, keep):
        """Makes the layer's weights and the module's variables the same; `keep` those of the layer, or the module's."""
        weights = self._ordered()
        for weight, own in zip(weights, self._own, strict=True):
            if keep:
                own.assign(weight.value)
            own._unique_id = weight._value._unique_id  # by which an optimizer, built before, knows it
            weight._value = own

    def _ordered(self):
        """The layer's weights in the order of `held`."""
        groups = {True: iter(self._trainable_variables), False: iter(self._non_trainable_variables)}
        return [next(groups[row["trainable"]]) for row in self.held]

    def call(self, inputs, training=None):
        import tensorflow as tf

        if self._module is None:
            raise ValueError(
                f"HubLayer: {self.handle} is not there, and this copy came without it; load a .keras file."
            )
        mode = {}
        if self._wants_training:
            mode["training"] = bool(training) and self.trainable and self.batch_norm == "train"
        specs = _specs(self._function)
        if _signed(self._function):  # a signature: its tensors have names
            named = inputs if isinstance(inputs, dict) else {next(iter(specs)): inputs}
            arguments = {n: tf.cast(x, specs[n].dtype) for n, x in named.items()}
            answer = self._function(**arguments)
        else:
            if isinstance(specs, tf.TensorSpec):
                inputs = tf.cast(inputs, specs.dtype)
            try:
                answer = self._function(inputs, **mode)
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
        return self._picked(answer)

    def _picked(self, answer):
        if not isinstance(answer, dict):
            return answer
        if self.output_key is None and len(answer) == 1:
            return next(iter(answer.values()))
        if self.output_key not in answer:
            raise ValueError(
                f"HubLayer: `output` must be one of {', '.join(answer)}, got {self.output_key!r}."
                f"{suggestion(self.output_key, answer)}"
            )
        return answer[self.output_key]

    def compute_output_spec(self, inputs, training=None):
        asked = [list(t.shape) for t in keras.tree.flatten(inputs)]
        if self.answer is None or (self._module is not None and self.answer["inputs"] != asked):
            made = super().compute_output_spec(inputs)
            self.answer = {"inputs": asked, "shape": list(made.shape), "dtype": made.dtype}
        return keras.KerasTensor(tuple(self.answer["shape"]), self.answer["dtype"])

    @property
    def input_type(self):
        """The type of the module's input, or of its first."""
        specs = keras.tree.flatten(_specs(self._function))
        return specs[0].dtype.name

    def save_assets(self, place):
        """Copies the module into a .keras file."""
        if self.place is None or not Path(self.place).is_dir():
            raise ValueError(f"HubLayer: {self.handle} cannot be saved, as its folder {self.place} is gone.")
        shutil.copytree(self.place, place, dirs_exist_ok=True)

    def load_assets(self, place):
        """Takes the module out of a .keras file; its folder lives as long as the layer."""
        own = tempfile.mkdtemp(prefix="hub_layer_")
        weakref.finalize(self, shutil.rmtree, own, ignore_errors=True)
        shutil.copytree(place, own, dirs_exist_ok=True)
        self._load(own)
        if self.built:
            self._share(keep=True)

    def get_config(self):
        own = {
            "handle": self.handle,
            "signature": self.signature,
            "output": self.output_key,
            "batch_norm": self.batch_norm,
            # what stands in for the module until a .keras file's copy of it is read
            "held": [{**row, "shape": [*row["shape"]]} for row in self.held],
            "answer": self.answer and {**self.answer, "inputs": [[*s] for s in self.answer["inputs"]]},
            "place": self.place,
        }
        return {**super().get_config(), **own}


def _signed(function):
    """Whether a function is a signature, which takes and answers tensors by name."""
    return hasattr(function, "structured_outputs")


def _specs(function):
    """What a function takes: a dict by name for a signature, else its first argument's TensorSpec or structure."""
    if _signed(function):
        return function.structured_input_signature[1]
    args, kwargs = function.concrete_functions[0].structured_input_signature
    return args[0] if args else next(iter(kwargs.values()))


def _variables(module, function):
    """(variables that Keras can hold, ids of the trainable ones), as the module declares them, else as it uses them."""
    concrete = [function] if _signed(function) else function.concrete_functions
    used = {id(v): v for f in concrete for v in f.variables}
    declared = getattr(module, "variables", None)
    found = list(used.values()) if declared is None else list(declared)
    if hasattr(module, "trainable_variables"):
        trains = {id(v) for v in module.trainable_variables}
    else:
        trains = {id(v) for v in found if v.trainable}
    return [v for v in found if v.dtype.name not in FOREIGN], trains


@checked
def save_reusable(model: keras.Model, path: FilePath) -> str:
    """Writes a SavedModel that can be called, trained and put under another head: TF Hub's reusable interface.

    What `zoo.export` writes answers requests; this is for `zoo.HubLayer`, `hub.KerasLayer` and `hub.load`. Calling it
    takes `training`; it declares `variables`, `trainable_variables` and `regularization_losses`.

    Args:
        model: functional or Sequential, with one input and one answer; a backbone without a head, for instance.
        path: folder that does not exist yet.
    Returns:
        The folder.
    Raises:
        ValueError: if the model has several inputs or answers, or the folder exists.

    Source: https://www.tensorflow.org/hub/reusable_saved_models.
    """
    import tensorflow as tf

    if not getattr(model, "inputs", None) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"save_reusable: `model` must be functional with one input and one answer, got {model.name}.")
    if Path(path).exists():
        raise ValueError(f"save_reusable: `path` must be new, and {path} exists.")
    (given,) = model.inputs
    spec = tf.TensorSpec((None, *given.shape[1:]), given.dtype, name="inputs")
    call = tf.function(lambda inputs, training=False: model(inputs, training=training), autograph=False)
    for training in (True, False):
        call.get_concrete_function(spec, training=training)
    root = tf.train.Checkpoint()
    root.__call__ = call
    root.variables = [v.value for v in model.variables]
    root.trainable_variables = [v.value for v in model.trainable_variables]
    penalised = [v for v in model.trainable_variables if v.regularizer is not None]
    root.regularization_losses = [tf.function(_penalty(v), input_signature=[], autograph=False) for v in penalised]
    serve = tf.function(lambda inputs: {"output": model(inputs, training=False)}, autograph=False)
    tf.saved_model.save(root, path, signatures={"serving_default": serve.get_concrete_function(spec)})
    return path


def _penalty(variable):
    return lambda: variable.regularizer(variable)
