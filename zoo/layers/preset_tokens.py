"""A KerasHub tokenizer in front of the backbone that was trained on its tokens."""

import keras
from keras import layers

from zoo.arguments import Count, convert

MADE = ("token_ids", "padding_mask", "segment_ids")  # what KerasHub's text classifiers may take


@keras.saving.register_keras_serializable("zoo")
class PresetTokens(layers.Layer):
    """Texts as the tokens of a KerasHub backbone, by the preprocessing that its family has in KerasHub.

    (B,) strings  ->  dict of (B, length) int32: `token_ids` with the family's start, end and padding, `padding_mask`
    (1 where there is a token, 0 where there is padding) and `segment_ids`.

    Saved with its vocabulary. Also called eagerly it computes in TensorFlow's graph, as in training and in an export,
    and not in KerasHub's Python twin of it.

    Args:
        tokenizer: `keras_hub.models.Tokenizer` of a family that has a text classifier in KerasHub, such as BERT.
        length: tokens of a text that are kept, with start and end; what is longer loses its end.
        names: which of the three to answer: what the backbone takes.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if KerasHub or TensorFlow Text is not installed, or the tokenizer is of no such family.
    """

    def __init__(self, tokenizer, length=128, names=MADE, **kwargs):
        super().__init__(**{"dtype": "int32", **kwargs})
        self.length, self.names = convert(length, Count, "PresetTokens: `length`"), tuple(names)
        unknown = sorted(set(self.names) - set(MADE))
        if unknown:
            raise ValueError(f"PresetTokens: `names` must be of {', '.join(MADE)}, got {', '.join(unknown)}.")
        self.preprocessor = family(tokenizer)(tokenizer, sequence_length=self.length)
        self.supports_jit = False  # XLA knows no strings
        self._traced = None

    @property
    def tokenizer(self):
        """The KerasHub tokenizer."""
        return self.preprocessor.tokenizer

    @property
    def masked(self):
        """The number of the token that stands for what is hidden: the mask's where there is one, else the unknown's."""
        own = getattr(self.tokenizer, "mask_token_id", None)
        return self.tokenizer.token_to_id(self.tokenizer.oov_token) if own is None else own

    @property
    def framing(self):
        """The numbers of the tokens that no text says: start, end and padding."""
        return {getattr(self.tokenizer, f"{name}_token_id") for name in ("start", "end", "pad")}

    def build(self, input_shape):
        """Nothing: the vocabulary of a saved layer is read after this."""

    def call(self, texts):
        import tensorflow as tf

        if not tf.executing_eagerly():
            return self._tokens(texts)
        if self._traced is None:
            graph = tf.function(self._tokens, autograph=False)
            self._traced = lambda given: graph(given)  # a bare tf.function would be saved with the layer
        return self._traced(texts)

    def _tokens(self, texts):
        import tensorflow as tf

        found = self.preprocessor(texts)
        lacking = [name for name in self.names if name not in found]
        if lacking:
            raise ValueError(f"PresetTokens: {type(self.preprocessor).__name__} makes no {', '.join(lacking)}.")
        shape = (texts.shape[0], self.length)
        return {name: tf.ensure_shape(tf.cast(found[name], "int32"), shape) for name in self.names}

    def compute_output_spec(self, texts):
        """Without a run, as a layer that is being loaded has no vocabulary yet."""
        return {name: keras.KerasTensor((*texts.shape, self.length), "int32") for name in self.names}

    def get_config(self):
        tokenizer = keras.saving.serialize_keras_object(self.tokenizer)  # without the vocabulary, which is an asset
        return {**super().get_config(), "tokenizer": tokenizer, "length": self.length, "names": list(self.names)}

    @classmethod
    def from_config(cls, config):
        hub()  # registers the tokenizers
        return cls(**{**config, "tokenizer": keras.saving.deserialize_keras_object(config["tokenizer"])})


def hub():
    """The module `keras_hub`.

    Raises:
        ValueError: if it, or TensorFlow Text, is not installed.
    """
    import importlib.util

    lacking = [name for name in ("keras_hub", "tensorflow_text") if importlib.util.find_spec(name) is None]
    if lacking:
        raise ValueError(
            f"`tokenizer` of KerasHub needs {' and '.join(lacking)}, not installed: pip install fieldzoo[kerashub]."
        )
    import keras_hub

    return keras_hub


def family(tokenizer):
    """KerasHub's text classifier preprocessing that is made for a tokenizer's class.

    Raises:
        ValueError: if there is none.
    """
    waiting, known = [hub().models.TextClassifierPreprocessor], {}
    while waiting:
        waiting += waiting.pop().__subclasses__()
        known |= {kind.tokenizer_cls: kind for kind in waiting if kind.tokenizer_cls is not None}
    if type(tokenizer) not in known:
        offered = ", ".join(sorted(kind.__name__ for kind in known))
        raise ValueError(f"`tokenizer` must be one of KerasHub's {offered}, got {type(tokenizer).__name__}.")
    return known[type(tokenizer)]
