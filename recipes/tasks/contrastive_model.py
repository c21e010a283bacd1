"""The model of contrastive learning: an encoder under a projection head, and the NT-Xent loss."""

import keras
from keras import layers, ops

MASKED = -1e9  # similarity of a view to itself, which is left out


def nt_xent(projections, temperature):
    """Returns the normalized temperature-scaled cross-entropy of each view.

    (2 N, D) projections, first those of the first views of N images, then those of their second views  ->  (2 N,).

    For each view, the cross-entropy of its other view among all 2 N - 1 views but itself, by a softmax of the cosine
    similarities divided by `temperature`. A constant output has log(2 N - 1).

    Args:
        projections: float.
        temperature: tau, above 0.

    Source: Chen et al. 2020, https://arxiv.org/abs/2002.05709, eq. 1.
    """
    z = ops.normalize(ops.cast(projections, "float32"), axis=-1, epsilon=1e-8)
    count = ops.shape(z)[0]
    similarities = ops.matmul(z, ops.transpose(z)) / temperature
    similarities = similarities + MASKED * ops.eye(count, dtype="float32")
    other = ops.roll(z, count // 2, axis=0)
    positive = ops.sum(z * other, axis=-1) / temperature
    return ops.logsumexp(similarities, axis=-1) - positive


class ContrastiveModel(keras.Model):
    """An encoder under a projection head of two dense layers, which trains by `nt_xent`.

    {"first": (N, H, W, C), "second": (N, H, W, C)}  ->  (2 N, projection), first those of the first views.

    Args:
        encoder: `keras.Model`, (B, H, W, C)  ->  (B, F).
        projection: number of outputs.
        temperature: of the loss.
        seed: of the projection head's initial weights.
    """

    def __init__(self, encoder, projection, temperature, seed):
        super().__init__(name=encoder.name)
        self.encoder, self.temperature = encoder, temperature
        features = layers.Input(encoder.output_shape[1:], name="features")
        initializers = [keras.initializers.GlorotUniform(seed + i) for i in range(2)]
        x = layers.Dense(features.shape[-1], "relu", kernel_initializer=initializers[0], name="projection1")(features)
        x = layers.Dense(projection, kernel_initializer=initializers[1], dtype="float32", name="projection2")(x)
        self.projection = keras.Model(features, x, name="projection")
        self.built = True

    def call(self, inputs, training=None):
        images = ops.concatenate([inputs["first"], inputs["second"]], axis=0)
        return self.projection(self.encoder(images, training=training), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = ops.mean(nt_xent(y_pred, self.temperature)) + sum(self.losses)
        return loss

    def get_config(self):
        return {"encoder": keras.saving.serialize_keras_object(self.encoder)}
