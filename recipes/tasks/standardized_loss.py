"""The loss of regression, on errors that are divided by the targets' standard deviation."""

import keras


@keras.saving.register_keras_serializable("recipes")
class StandardizedLoss(keras.losses.Loss):
    """A loss on errors divided by the targets' standard deviation, so that its size does not depend on units.

    Args:
        kind: mse, mae, huber, poisson or binary_crossentropy.
        spread: standard deviation of each target.
    """

    def __init__(self, kind, spread, reduction="sum_over_batch_size", name="standardized_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.kind, self.spread = kind, spread
        self.function = {
            "mse": keras.losses.mean_squared_error,
            "mae": keras.losses.mean_absolute_error,
            "huber": keras.losses.huber,
            "poisson": keras.losses.poisson,
            "binary_crossentropy": keras.losses.binary_crossentropy,
        }[kind]

    def call(self, y_true, y_pred):
        spread = keras.ops.convert_to_tensor(self.spread, dtype=y_pred.dtype)
        return self.function(y_true / spread, y_pred / spread)

    def get_config(self):
        return {"kind": self.kind, "spread": self.spread, "reduction": self.reduction, "name": self.name}
