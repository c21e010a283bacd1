"""Changes to Keras' own objects, for the Keras versions that they were tested with.

Each replaces a method of one object and uses Keras' private attributes, so a new Keras release may break it. With a
Keras outside of `TESTED_KERAS`, `patch_batch_norm` and `patch_adam` do nothing: results are the same, training is
slower. `LayerRates` and `patch_distributed_fit` raise an error instead, because results depend on the private methods.
"""

import functools

import keras
from keras import layers

from zoo.arguments import NonNegative, convert
from zoo.devices import gpus

TESTED_KERAS = ((3, 15), (3, 16))  # lowest version, included, and highest version, excluded
MIN_WEIGHTS = 40  # variables; a network of fewer compiles its first step within a second or two without the patch


def keras_is_tested():
    """Whether the installed Keras is one of the versions that the patches were tested with."""
    version = tuple(int(number) for number in keras.__version__.split(".")[:2])
    return TESTED_KERAS[0] <= version < TESTED_KERAS[1]


def patch_batch_norm(model):
    """Makes a model's batch normalizations train by TensorFlow's fused kernel `FusedBatchNormV3`.

    Outputs, gradients and moving averages are those of Keras, up to rounding. A training step of a convolutional
    network on a CPU is 1.03 to 1.26 times as fast (benchmarks/norm_speed.py). Saved files contain Keras' own layers.
    A loaded model runs Keras' own code until it is patched again, and inference always does, so outputs after loading
    are bitwise those before.

    Keras' own step is used in inference, for frozen, synchronized or renormalized layers, with masks, for inputs other
    than float32 maps (B, H, W, C), on GPUs, under a `tf.distribute` strategy, and on backends other than TensorFlow.

    Args:
        model: a `keras.Model`.
    Returns:
        `model`.

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithms 1 and 2.
    """
    if keras_is_tested() and keras.backend.backend() == "tensorflow":
        for layer in model._flatten_layers():
            if type(layer) is layers.BatchNormalization and "call" not in vars(layer):
                layer.call = functools.partial(_fused_batch_norm, layer)
    return model


def _fused_batch_norm(layer, inputs, training=None, mask=None):
    """Computes `layer.call` by the fused kernel where that applies."""
    if not (training and layer.trainable and mask is None and _fuses(layer, inputs)):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    channels = inputs.shape[-1]
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma.value if layer.scale else tf.ones(channels),
        offset=layer.beta.value if layer.center else tf.zeros(channels),
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.size(inputs) // channels, "float32")
    variance *= (count - 1) / count  # the kernel divides the sum of squares by count - 1, Keras by count
    for moving, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + batch * (1.0 - layer.momentum))
    return outputs


def _fuses(layer, inputs):
    """Whether the fused kernel computes this layer's training step on these inputs."""
    import tensorflow as tf

    maps = len(inputs.shape) == 4 and layer.axis in (-1, 3) and inputs.shape[-1] is not None
    plain = not (layer.synchronized or layer.renorm or tf.distribute.has_strategy())
    return maps and plain and inputs.dtype == layer.compute_dtype == "float32" and not gpus()


def patch_adam(optimizer, min_weights=MIN_WEIGHTS):
    """Makes an Adam or AdamW optimizer update each weight by TensorFlow's fused kernel `ResourceApplyAdam`.

    Weights are those of Keras' own update, up to rounding. The first step of a network of many weights, in which its
    graph is built and optimized, is faster (benchmarks/adam_speed.py). Saved files contain Keras' own class and load
    without the zoo.

    Keras' own update is used for other optimizers, with `amsgrad`, for sparse gradients, under a `tf.distribute`
    strategy, and on backends other than TensorFlow.

    Args:
        optimizer: a Keras optimizer.
        min_weights: number of trainable variables below which Keras' own update is used.
    Returns:
        `optimizer`.

    Source: Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, the form just before section 2.1.
    """
    adam = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW) and not optimizer.amsgrad
    if adam and keras_is_tested() and keras.backend.backend() == "tensorflow":
        optimizer.update_step = functools.partial(_fused_adam, optimizer, min_weights)
    return optimizer


def _fused_adam(optimizer, min_weights, gradient, variable, learning_rate):
    """Computes `optimizer.update_step` by the fused kernel where that applies."""
    import tensorflow as tf

    few = len(optimizer._momentums) < min_weights
    if few or isinstance(gradient, tf.IndexedSlices) or tf.distribute.has_strategy():
        return type(optimizer).update_step(optimizer, gradient, variable, learning_rate)
    index = optimizer._get_variable_index(variable)
    weight = variable.value if isinstance(variable, keras.Variable) else variable
    dtype = weight.dtype
    beta_1, beta_2 = (tf.cast(beta, dtype) for beta in (optimizer.beta_1, optimizer.beta_2))
    step = tf.cast(optimizer.iterations + 1, dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=optimizer._momentums[index].value.handle,
        v=optimizer._velocities[index].value.handle,
        beta1_power=beta_1**step,
        beta2_power=beta_2**step,
        lr=tf.cast(learning_rate, dtype),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.cast(optimizer.epsilon, dtype),
        grad=tf.cast(gradient, dtype),
    )


def patch_distributed_fit():
    """Makes `fit` and `evaluate` work under `tf.distribute` strategies; without one nothing changes.

    Keras 3 builds a model's metrics from the mean over the replicas of a first batch, which fails for several workers
    (keras#20585), and reduces numbers along an axis that they do not have. With the patch the metrics are built from
    the shapes of the dataset, without reading a batch, and numbers are reduced without an axis.

    Keras divides losses by the number of replicas and sums the gradients, but does not divide losses that return one
    number for the batch, and clips the gradients of each replica before they are summed. With the patch no loss is
    divided, and the mean of the gradients is clipped, as on one device.

    Raises:
        RuntimeError: if the installed Keras is outside of `TESTED_KERAS`.
    """
    _require_tested_keras("patch_distributed_fit", "train without `distribute`")
    from keras.src.backend.tensorflow import trainer
    from keras.src.backend.tensorflow.optimizer import TFOptimizer
    from keras.src.losses import loss

    if trainer.TensorFlowTrainer._maybe_symbolic_build is _build_from_shapes:
        return
    trainer.TensorFlowTrainer._maybe_symbolic_build = _build_from_shapes
    trainer.reduce_per_replica = functools.partial(_reduce_per_replica, trainer.reduce_per_replica)
    loss.scale_loss_for_distribution = loss.unscale_loss_for_distribution = lambda value: value
    reduce, clip = TFOptimizer._all_reduce_sum_gradients, TFOptimizer._clip_gradients

    def mean_and_clip(optimizer, gradients_and_variables):
        reduced = reduce(optimizer, gradients_and_variables)
        replicas = _replicas()
        if replicas == 1:
            return reduced
        gradients, variables = zip(*reduced, strict=True)
        means = [None if gradient is None else _divide(gradient, replicas) for gradient in gradients]
        return list(zip(clip(optimizer, means), variables, strict=True))

    def clip_on_one_device(optimizer, gradients):
        return clip(optimizer, gradients) if _replicas() == 1 else gradients

    TFOptimizer._all_reduce_sum_gradients, TFOptimizer._clip_gradients = mean_and_clip, clip_on_one_device


def _replicas():
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def _divide(gradient, number):
    import tensorflow as tf

    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values / number, gradient.indices, gradient.dense_shape)
    return gradient / number


def _build_from_shapes(model, iterator=None, data_batch=None):
    """Replaces `TensorFlowTrainer._maybe_symbolic_build`."""
    if model._distribute_strategy is not None:
        if iterator is not None:
            data_batch = iterator.data_adapter.get_tf_dataset().element_spec
        with model._distribute_strategy.scope():
            model._symbolic_build(data_batch=data_batch)


def _reduce_per_replica(keras_reduce, values, strategy, reduction):
    """Replaces `reduce_per_replica` of Keras' trainer."""
    import tensorflow as tf

    several_workers = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if several_workers and reduction in ("auto", "mean"):
        return keras.tree.map_structure(lambda value: strategy.reduce("MEAN", value, axis=None), values)
    return keras_reduce(values, strategy, reduction)


@keras.saving.register_keras_serializable("zoo")
class LayerRates(keras.optimizers.Optimizer):
    """An optimizer that multiplies the learning rate and the weight decay by a factor for each layer.

    A factor on the gradient would have no effect under Adam, which divides by the gradient's size. State, schedule and
    `learning_rate` are those of the inner optimizer.

    Args:
        inner: a Keras optimizer that is used nowhere else, or its name.
        factors: {layer name: factor of at least 0}. Layers that are not listed have the factor 1.
        name: the optimizer's name.
    Raises:
        ValueError: if a factor is below 0.
        RuntimeError: if the installed Keras is outside of `TESTED_KERAS`.
    """

    def __init__(self, inner, factors, name="layer_rates"):
        _require_tested_keras("LayerRates", "use a Keras optimizer, which has one learning rate for all layers")
        super().__init__(learning_rate=0.0, name=name)
        self.inner = keras.optimizers.get(inner)
        self.factors = {k: convert(v, NonNegative, f"LayerRates: `factors`: {k}") for k, v in factors.items()}
        self._variable_factors = []
        self._patch_inner()

    def _patch_inner(self):
        """Applies the factors in the inner optimizer's update and weight decay of each variable."""
        inner, update, decay = self.inner, self.inner.update_step, self.inner._apply_weight_decay

        def update_step(gradient, variable, learning_rate):
            return update(gradient, variable, learning_rate * self._factor(variable))

        def apply_weight_decay(variables):
            weight_decay = inner.weight_decay
            if weight_decay is None:
                return
            try:
                for variable in variables:
                    inner.weight_decay = weight_decay * self._factor(variable)
                    decay([variable])
            finally:
                inner.weight_decay = weight_decay

        inner.update_step, inner._apply_weight_decay = update_step, apply_weight_decay

    def _factor(self, variable):
        return self._variable_factors[self.inner._get_variable_index(variable)]

    def build(self, variables):
        self.inner.build(variables)
        super().build(variables)
        self._variable_factors = [
            next((self.factors[name] for name in v.path.split("/") if name in self.factors), 1.0) for v in variables
        ]

    @property
    def variables(self):
        return self.inner.variables

    def apply(self, grads, trainable_variables=None):
        if not self.built:
            with keras.name_scope(self.name):
                self.build(trainable_variables)
            self.built = True
        self.inner.apply(grads, trainable_variables)

    @property
    def learning_rate(self):
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner.learning_rate = value

    @property
    def iterations(self):
        return self.inner.iterations

    def scale_loss(self, loss):
        return self.inner.scale_loss(loss)

    def finalize_variable_values(self, var_list):
        self.inner.finalize_variable_values(var_list)

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {"name": self.name, "inner": inner, "factors": self.factors}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        inner = keras.saving.deserialize_keras_object(config["inner"], custom_objects=custom_objects)
        return cls(inner, config["factors"], config["name"])


def _require_tested_keras(name, alternative):
    if not keras_is_tested():
        low, high = (".".join(map(str, version)) for version in TESTED_KERAS)
        raise RuntimeError(
            f"{name} replaces private methods of Keras and was tested with Keras from {low} to below {high}, got Keras "
            f"{keras.__version__}. Install a tested version, pip install 'keras>={low},<{high}', or {alternative}."
        )
