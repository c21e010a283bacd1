"""KerasHub tokenization as a layer, for a backbone that was trained on its tokens."""

import keras
from keras import layers

from zoo.arguments import Count, convert

OUTPUTS = ("token_ids", "padding_mask", "segment_ids")  # possible inputs of KerasHub's text classifiers


@keras.saving.register_keras_serializable("zoo")
class PresetTokens(layers.Layer):
    """Tokenizes texts for a KerasHub backbone, by KerasHub's preprocessing of the backbone's family.

    (B,) strings  ->  dict of (B, length) int32: `token_ids` with the family's start, end and padding tokens,
    `padding_mask` (1 for a token, 0 for padding) and `segment_ids`.

    The layer is saved with its vocabulary. Eager calls also run in TensorFlow's graph, as in training and in an export,
    not in KerasHub's Python implementation.

    Args:
        tokenizer: `keras_hub.models.Tokenizer` of a family with a text classifier in KerasHub, such as BERT.
        length: number of tokens per text, including start and end tokens. Longer texts are truncated at the end.
        names: which of the three outputs to return: those that the backbone takes.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if KerasHub or TensorFlow Text is not installed, or the tokenizer is not of such a family.
    """

    def __init__(self, tokenizer, length=128, names=OUTPUTS, **kwargs):
        super().__init__(**{"dtype": "int32", **kwargs})
        self.length, self.names = convert(length, Count, "PresetTokens: `length`"), tuple(names)
        unknown = sorted(set(self.names) - set(OUTPUTS))
        if unknown:
            raise ValueError(f"PresetTokens: `names` must be from {', '.join(OUTPUTS)}, got {', '.join(unknown)}.")
        self.preprocessor = find_preprocessor(tokenizer)(tokenizer, sequence_length=self.length)
        self.supports_jit = False  # XLA does not support strings
        self._graph_call = None

    @property
    def tokenizer(self):
        """The KerasHub tokenizer."""
        return self.preprocessor.tokenizer

    @property
    def mask_id(self):
        """The id of the mask token, or of the unknown token if the tokenizer has no mask token."""
        mask_id = getattr(self.tokenizer, "mask_token_id", None)
        return self.tokenizer.token_to_id(self.tokenizer.oov_token) if mask_id is None else mask_id

    @property
    def special_ids(self):
        """The ids of the start, end and padding tokens."""
        return {getattr(self.tokenizer, f"{name}_token_id") for name in ("start", "end", "pad")}

    def build(self, input_shape):
        """Does nothing: the vocabulary of a saved layer is loaded after this call."""

    def call(self, texts):
        import tensorflow as tf

        if not tf.executing_eagerly():
            return self._tokenize(texts)
        if self._graph_call is None:
            graph = tf.function(self._tokenize, autograph=False)
            self._graph_call = lambda x: graph(x)  # a tf.function itself would be saved with the layer
        return self._graph_call(texts)

    def _tokenize(self, texts):
        import tensorflow as tf

        tokens = self.preprocessor(texts)
        missing = [name for name in self.names if name not in tokens]
        if missing:
            raise ValueError(f"PresetTokens: {type(self.preprocessor).__name__} does not return {', '.join(missing)}.")
        shape = (texts.shape[0], self.length)
        return {name: tf.ensure_shape(tf.cast(tokens[name], "int32"), shape) for name in self.names}

    def compute_output_spec(self, texts):
        """Does not call the tokenizer, since a layer that is being loaded has no vocabulary yet."""
        return {name: keras.KerasTensor((*texts.shape, self.length), "int32") for name in self.names}

    def get_config(self):
        # The vocabulary is not part of the config: it is saved as an asset.
        tokenizer = keras.saving.serialize_keras_object(self.tokenizer)
        return {**super().get_config(), "tokenizer": tokenizer, "length": self.length, "names": list(self.names)}

    @classmethod
    def from_config(cls, config):
        import_keras_hub()  # registers the tokenizers
        return cls(**{**config, "tokenizer": keras.saving.deserialize_keras_object(config["tokenizer"])})


def import_keras_hub():
    """Returns the module `keras_hub`.

    Raises:
        ValueError: if KerasHub or TensorFlow Text is not installed.
    """
    import importlib.util

    missing = [name for name in ("keras_hub", "tensorflow_text") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"A KerasHub `tokenizer` needs {' and '.join(missing)}, not installed: pip install fieldzoo[kerashub]."
        )
    import keras_hub

    return keras_hub


def find_preprocessor(tokenizer):
    """Returns KerasHub's text classifier preprocessor class for a tokenizer.

    Raises:
        ValueError: if KerasHub has none for the tokenizer's class.
    """
    queue, preprocessors = [import_keras_hub().models.TextClassifierPreprocessor], {}
    while queue:
        queue += queue.pop().__subclasses__()
        preprocessors |= {cls.tokenizer_cls: cls for cls in queue if cls.tokenizer_cls is not None}
    if type(tokenizer) not in preprocessors:
        supported = ", ".join(sorted(cls.__name__ for cls in preprocessors))
        raise ValueError(f"`tokenizer` must be one of KerasHub's {supported}, got {type(tokenizer).__name__}.")
    return preprocessors[type(tokenizer)]


def find_preset_tokens(model):
    """Returns the layer `PresetTokens` of a model, or None."""
    return next((layer for layer in model.layers if isinstance(layer, PresetTokens)), None)
