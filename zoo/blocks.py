"""Tensor -> tensor functions that three or more architectures use."""

from keras import layers


def head(x, units, activation):
    """The answer of a model: a dense layer called `head`, then its activation, both in float32 whatever the policy.

    The activation is a layer of its own, so that explanations find the logits as the output of `head`.

    Args:
        x: (B, F) features.
        units: how many numbers the answer has.
        activation: softmax, sigmoid; None or linear leaves the logits or numbers as they are.
    Returns:
        (B, units) float32.
    """
    x = layers.Dense(units, dtype="float32", name="head")(x)
    if activation in (None, "linear"):
        return x
    return layers.Activation(activation, dtype="float32", name="activation")(x)
