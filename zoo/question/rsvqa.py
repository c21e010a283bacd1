"""RSVQA: a convolutional network of the image and a recurrent network of the question, multiplied.

>>> model = zoo.rsvqa((64, 64, 3), 5, question_shape=(16,), vocabulary=200, encoder="cnn", frozen=False)
"""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, image_shape
from zoo.blocks import head
from zoo.classify.features import last_features
from zoo.question.model_parts import IMAGE_MAPS
from zoo.registry import register


@register(
    task="question",
    source="https://arxiv.org/abs/2003.07333",
    example={"input_shape": (256, 256, 3), "classes": 9},
)
def rsvqa(
    input_shape: Shape,
    classes: Count,
    *,
    question_shape: Shape = (2400,),
    vocabulary: Count | None = None,
    question_units: Count = 256,
    encoder: str = "resnet152",
    encoder_arguments: dict | None = None,
    frozen: bool = True,
    image_features: Count = 2048,
    units: tuple[Count, Count] = (1200, 256),
    dropout: Rate = 0.5,
    activation: Activation = "softmax",
    name: str = "rsvqa",
) -> keras.Model:
    """RSVQA: answers a question about an image of the Earth by multiplying features of both.

    {"image": (B, H, W, C) float, "question": (B, F) float or (B, T) tokens}  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; the encoder's map may have at most `image_features` pixels.
        classes: number of answers.
        question_shape: (F,) numbers of a question's vector, such as the paper's 2,400 of skip-thoughts; or with
            `vocabulary` (T,) tokens of a question.
        vocabulary: number of tokens, of which 0 is padding; their vectors and an LSTM are trained. None takes vectors
            of questions.
        question_units: length of a token's vector and number of units of the LSTM, with `vocabulary`.
        encoder: name of a classifier, whose last feature map the model takes of the image.
        encoder_arguments: of the classifier, such as {"filters": (16, 32)}; None for its defaults.
        frozen: whether the encoder keeps its weights, which `zoo.load_encoder_weights` sets.
        image_features: about how many numbers the image becomes: its map has this many, divided by its pixels and
            rounded down, channels after a 1 x 1 convolution.
        units: numbers of units of the dense layers: of image and question each, and after their product.
        dropout: dropout rate before each dense layer.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 5,715,337 trainable parameters with 9 answers and images of 256 x 256.
    Raises:
        ValueError: if a shape is not valid, the encoder does not exist or does not take such images, or its map has
            too many pixels.

    Source: Lobry, Marcos, Murray, Tuia 2020, https://arxiv.org/abs/2003.07333, figure 6; sizes, tanh and dropout as in
        VQA_model/models/model.py of https://github.com/syvlo/RSVQA.
    Differs: skip-thoughts are not part of the model, which takes their vectors; the LSTM on words in their place is not
        the paper's. The authors' code has one output more than answers, for its end-of-sentence token.
    """
    image_shape(name, input_shape, fixed=True)
    if len(question_shape) != 1 or None in question_shape:
        expected = "(F,), numbers of a vector" if vocabulary is None else "(T,), tokens of a question"
        raise ValueError(f"{name}: `question_shape` must be {expected}, got {tuple(question_shape)}.")
    image = layers.Input(input_shape, name="image")
    maps = last_features(name, encoder, image, encoder_arguments, role="encoder")
    for layer in keras.Model(image, maps).layers:
        layer.trainable = not frozen
    question, encoded = _encoded_question(question_shape, vocabulary, question_units)
    x = layers.Multiply(name="product")(
        [
            _projected(_image_vector(name, maps, image_features), units[0], dropout, "image"),
            _projected(encoded, units[0], dropout, "question"),
        ]
    )
    x = layers.Activation("tanh", name="product_tanh")(x)
    x = layers.Dropout(dropout, name="product_dropout")(x)
    x = layers.Dense(units[1], activation="tanh", name="hidden")(x)
    x = layers.Dropout(dropout, name="hidden_dropout")(x)
    return keras.Model({"image": image, "question": question}, head(x, classes, activation), name=name)


def _image_vector(name, maps, image_features):
    """Returns (B, about `image_features`) of a feature map: a 1 x 1 convolution to few channels, flattened."""
    pixels = maps.shape[1] * maps.shape[2]
    if pixels > image_features:
        raise ValueError(
            f"{name}: `image_features` must be at least the {pixels:,} pixels of the encoder's map, got "
            f"{image_features:,}; take smaller images or an encoder with a larger stride."
        )
    x = layers.Conv2D(image_features // pixels, 1, name=IMAGE_MAPS)(maps)
    return layers.Flatten(name="image_vector")(x)


def _encoded_question(question_shape, vocabulary, question_units):
    """Returns (input, (B, F)) of a question: its vector, or the last state of an LSTM on its tokens."""
    if vocabulary is None:
        question = layers.Input(question_shape, name="question")
        return question, question
    question = layers.Input(question_shape, dtype="int32", name="question")
    normal = keras.initializers.RandomNormal(stddev=1.0)  # of Keras' small default the products would vanish
    embedding = layers.Embedding(vocabulary, question_units, normal, mask_zero=True, name="question_tokens")
    x = embedding(question)
    return question, layers.LSTM(question_units, name="question_lstm")(x)


def _projected(x, units, dropout, name):
    """Returns tanh of a dense layer of `units`, after dropout."""
    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return layers.Dense(units, activation="tanh", name=f"{name}_dense")(x)
