"""What a model's answer means: probabilities, or numbers."""

from zoo.explain.score import activation_name, activation_operation


def output_activation(model):
    """What a model's answer ends in: softmax, sigmoid or linear, as its last layer has it.

    Args:
        model: functional or Sequential `keras.Model`, ours or not, nested or not.
    Returns:
        softmax, sigmoid, or linear for logits and numbers.
    """
    end = activation_operation(model)
    return "linear" if end is None else activation_name(end)
