"""Parts of a model of images and questions: the image's encoder and the rest, and the model for one question."""

import keras
import numpy as np
from keras import layers, ops

IMAGE, QUESTION = "image", "question"  # names of the inputs
ROWS = "rows"  # of the images, by question
IMAGE_MAPS = "image_maps"  # the first layer after the encoder


def takes_questions(model):
    """Whether a model takes an image and a question by name."""
    return isinstance(model.input, dict) and set(model.input) == {IMAGE, QUESTION}


def split_at_image(model):
    """Returns (encoder, head): the model of an image up to its feature map, and that of the map and a question.

    The head takes {"image": feature map, "question": ...}. Both share the model's layers. The encoder is None where the
    model has no layer `image_maps`; its head is then the model itself.

    Args:
        model: `keras.Model` that takes {"image": ..., "question": ...}.
    """
    names = {layer.name for layer in model.layers}
    if IMAGE_MAPS not in names:
        return None, model
    maps, image = model.get_layer(IMAGE_MAPS).input, model.input[IMAGE]
    inputs = {
        name: layers.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in ((IMAGE, maps), (QUESTION, model.input[QUESTION]))
    }
    tensors = {id(maps): inputs[IMAGE], id(model.input[QUESTION]): inputs[QUESTION]}
    head = keras.Model(inputs, _called_again(model, tensors)[id(model.output)], name="answer_head")
    return keras.Model(image, maps, name="encoder"), head


def _called_again(model, tensors):
    """Returns `tensors` with the outputs of all operations of a model that follow from them: id of a tensor -> tensor.

    Keras' own way from an intermediate tensor copies nodes, and such a model cannot be saved.
    """
    tensors = dict(tensors)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input and all(id(tensor) in tensors for tensor in node.input_tensors):
                arguments, options = node.arguments.fill_in(tensors)
                outputs = keras.tree.flatten(node.operation(*arguments, **options))
                tensors |= {id(old): new for old, new in zip(node.outputs, outputs, strict=True)}
    return tensors


def several_questions(encoder, head):
    """Returns the model of images with any number of questions each, whose layers are those of `split_at_image`.

    {"image": (M, H, W, C), "question": (N, ...), "rows": (N,) index of each question's image}  ->  (N, classes).

    Args:
        encoder, head: returned by `split_at_image`.
    """
    image = layers.Input(encoder.input_shape[1:], name=IMAGE)
    raw = head.input[QUESTION]
    question = layers.Input(raw.shape[1:], dtype=raw.dtype, name=QUESTION)
    rows = layers.Input((), dtype="int32", name=ROWS)
    maps = ops.take(encoder(image), rows, axis=0)
    outputs = head({IMAGE: maps, QUESTION: question})
    return keras.Model({IMAGE: image, QUESTION: question, ROWS: rows}, outputs, name="several_questions")


def fixed_question(model, question):
    """Returns the model of an image alone for one question, with the same layers, as explanations take it.

    (B, H, W, C)  ->  (B, classes).

    Args:
        model: `keras.Model` that takes {"image": ..., "question": ...}.
        question: (T,) tokens or (F,) numbers, as the model takes them.
    """
    image = layers.Input(model.input[IMAGE].shape[1:], name=IMAGE)
    raw = model.input[QUESTION]
    values = np.asarray(question, raw.dtype)[None]
    zeros = ops.cast(ops.zeros_like(image[:, 0, 0, :1]), raw.dtype)
    return keras.Model(image, model.call({IMAGE: image, QUESTION: zeros + values}), name=model.name)
