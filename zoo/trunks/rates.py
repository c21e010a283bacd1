"""Learning rates that differ from layer to layer."""

import keras

from zoo.arguments import NonNegative, convert


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
