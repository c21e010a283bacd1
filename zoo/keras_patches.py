"""Changes to Keras' own instances, gated by the Keras versions that they were tested with.

Each of them replaces a private method of an instance, so a new Keras release may break it: outside of `TESTED` they do
nothing, or raise where a result depends on them.
"""

import functools

import keras
from keras import layers

from zoo.arguments import NonNegative, convert


def patch_batch_norm(model):
    """The same model, whose batch normalisations train from now on by TensorFlow's `FusedBatchNormV3`.

    Answers, gradients and moving averages are those of Keras, up to the rounding; a training step of a convolutional
    network on a processor is 1.03 to 1.26 times as fast (benchmarks/norm_speed.py). The layers stay Keras' own, in
    files too; a model that is read back is as Keras has it until this is called, so inference stays with Keras'
    arithmetic: answers after a load are those before it, to the bit.

    Args:
        model: a `keras.Model`. Keras' own step stays where the input is not float32 maps (B, H, W, C), in inference,
            with masks, in layers that are frozen, synchronised or renormalised, on GPUs, under a `tf.distribute`
            strategy, and on other backends than TensorFlow.
    Returns:
        `model`.

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithms 1 and 2.
    """
    if keras.backend.backend() == "tensorflow":
        for layer in model._flatten_layers():
            if type(layer) is layers.BatchNormalization and "call" not in vars(layer):
                layer.call = functools.partial(_call, layer)
    return model


def _call(layer, inputs, training=None, mask=None):
    """What `layer.call` does, in one operation where it can be."""
    if not (training and layer.trainable and mask is None and _fits(layer, inputs)):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    channels = inputs.shape[-1]
    answer, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma.value if layer.scale else tf.ones(channels),
        offset=layer.beta.value if layer.center else tf.zeros(channels),
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.size(inputs) // channels, "float32")
    variance *= (count - 1) / count  # it divides by one less than there are, Keras by all
    for moving, seen in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + seen * (1.0 - layer.momentum))
    return answer


def _fits(layer, inputs):
    """Whether this is a step that the operation has, on what it was measured on."""
    import tensorflow as tf

    maps = len(inputs.shape) == 4 and layer.axis in (-1, 3) and inputs.shape[-1] is not None
    plain = not (layer.synchronized or layer.renorm or tf.distribute.has_strategy())
    return maps and plain and inputs.dtype == layer.compute_dtype == "float32" and not gpus()


@functools.cache
def gpus():
    """TensorFlow's GPUs, on which Keras' own operations are left as they are."""
    import tensorflow as tf

    return tf.config.list_logical_devices("GPU")


MANY = 40  # weights; a network of fewer begins within a second or two as it is


def patch_adam(optimizer, fewest=MANY):
    """The same optimizer, which from now on updates each weight by TensorFlow's `ResourceApplyAdam`.

    The arithmetic is that of Keras, to the rounding; the first step of a network of many weights, in which its graph is
    built and optimised, comes sooner (benchmarks/adam_speed.py). Files name Keras' own class, and load without the zoo.

    Args:
        optimizer: any Keras optimizer. Others than Adam and AdamW, `amsgrad`, sparse gradients, networks of fewer than
            `fewest` weights, weights under a `tf.distribute` strategy and other backends than TensorFlow stay with
            Keras' own update.
        fewest: weights that a network must have.
    Returns:
        `optimizer`.

    Source: Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, the form just before section 2.1.
    """
    kinds = keras.optimizers.Adam, keras.optimizers.AdamW
    if keras.backend.backend() == "tensorflow" and type(optimizer) in kinds and not optimizer.amsgrad:
        optimizer.update_step = functools.partial(_update_step, optimizer, fewest)
    return optimizer


def _update_step(optimizer, fewest, gradient, variable, learning_rate):
    """What `optimizer.update_step` does, in one operation."""
    import tensorflow as tf

    few = len(optimizer._momentums) < fewest
    if few or isinstance(gradient, tf.IndexedSlices) or tf.distribute.has_strategy():
        return type(optimizer).update_step(optimizer, gradient, variable, learning_rate)
    i = optimizer._get_variable_index(variable)
    mean, square = optimizer._momentums[i].value, optimizer._velocities[i].value
    weight = variable.value if isinstance(variable, keras.Variable) else variable
    kind = weight.dtype
    beta1, beta2 = (tf.cast(beta, kind) for beta in (optimizer.beta_1, optimizer.beta_2))
    step = tf.cast(optimizer.iterations + 1, kind)
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=mean.handle,
        v=square.handle,
        beta1_power=beta1**step,
        beta2_power=beta2**step,
        lr=tf.cast(learning_rate, kind),
        beta1=beta1,
        beta2=beta2,
        epsilon=tf.cast(optimizer.epsilon, kind),
        grad=tf.cast(gradient, kind),
    )


@keras.saving.register_keras_serializable("zoo")
class LayerRates(keras.optimizers.Optimizer):
    """An optimizer whose learning rate is multiplied by a factor, layer by layer; weight decay goes with it.

    A factor on the gradient would do nothing under Adam, which divides by the gradient's size; this multiplies the
    rate. Everything else is the inner optimizer's: its state, its schedule, its `learning_rate`.

    Args:
        inner: a Keras optimizer that nothing else uses; or its name.
        factors: {name of a layer: factor of at least 0}; for layers that are not in it, 1.
        name: the optimizer's name.
    Raises:
        ValueError: if a factor is below 0.
    """

    def __init__(self, inner, factors, name="layer_rates"):
        super().__init__(learning_rate=0.0, name=name)
        self.inner = keras.optimizers.get(inner)
        self.factors = {k: convert(v, NonNegative, f"LayerRates: `factors`: {k}") for k, v in factors.items()}
        self._each = {}
        self._slow_down()

    def _slow_down(self):
        """Puts the factors before the inner optimizer's own step and decay of one variable."""
        step, decay, inner = self.inner.update_step, self.inner._apply_weight_decay, self.inner

        def update_step(gradient, variable, learning_rate):
            return step(gradient, variable, learning_rate * self._factor(variable))

        def apply_weight_decay(variables):
            whole = inner.weight_decay
            if whole is None:
                return
            try:
                for variable in variables:
                    inner.weight_decay = whole * self._factor(variable)
                    decay([variable])
            finally:
                inner.weight_decay = whole

        inner.update_step, inner._apply_weight_decay = update_step, apply_weight_decay

    def _factor(self, variable):
        return self._each[self.inner._get_variable_index(variable)]

    def build(self, variables):
        self.inner.build(variables)
        super().build(variables)
        self._each = [
            next((self.factors[part] for part in v.path.split("/") if part in self.factors), 1.0) for v in variables
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
