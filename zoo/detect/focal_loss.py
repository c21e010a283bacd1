"""The focal loss: cross-entropy in which easy examples, of which anchors have very many, count little."""

from keras import ops


def focal_loss(targets, logits, alpha=0.25, gamma=2.0):
    """Returns the focal loss of each binary decision, in the shape of `logits`.

    Args:
        targets: 0 or 1, float.
        logits: of the probability of 1.
        alpha: weight of the targets 1; the others have 1 - alpha.
        gamma: exponent of the probability of the other outcome; 0 is cross-entropy.

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, equation 5.
    """
    cross_entropy = ops.softplus(logits) - targets * logits
    probability = ops.sigmoid(logits)
    other = targets * (1 - probability) + (1 - targets) * probability
    return (targets * alpha + (1 - targets) * (1 - alpha)) * other**gamma * cross_entropy
