"""Reads raw columns in the graph as a reader of tables does: blanks around levels, and values that mean missing."""

import dataclasses

BLANKS = r"^[\s\p{Z}]+|[\s\p{Z}]+$"  # at the ends of a text, those of Unicode too


@dataclasses.dataclass(frozen=True)
class MissingValues:
    """The texts and numbers of a table that mean missing.

    Args:
        texts: set of texts.
        numbers: tuple of floats.
    """

    texts: frozenset = frozenset()
    numbers: tuple = ()

    def replace(self, tensors, levels):
        """Returns raw tensors by name without blanks around levels, NaN and "" where a value is missing.

        Only inputs of columns are changed: floats (B, 1), and strings with levels. A text is changed only where none of
        the input's levels has blanks around it, and is missing only where it is no level.

        Args:
            tensors: raw tensors by signature name.
            levels: set of the levels of each string input that has some, by signature name.
        """
        return {
            name: self._without_texts(tensor, levels[name]) if name in levels else self._without_numbers(tensor)
            for name, tensor in tensors.items()
        }

    def _without_texts(self, tensor, levels):
        import tensorflow as tf

        if all(level == level.strip() for level in levels):
            tensor = tf.strings.regex_replace(tensor, BLANKS, "")
        missing = sorted(self.texts - levels)
        if not missing:
            return tensor
        return tf.where(tf.reduce_any(tensor[..., None] == tf.constant(missing), axis=-1), "", tensor)

    def _without_numbers(self, tensor):
        import tensorflow as tf

        if not self.numbers or not tensor.dtype.is_floating or tensor.shape[1:] != (1,):
            return tensor
        numbers = tf.constant(self.numbers, tensor.dtype)
        return tf.where(
            tf.reduce_any(tensor[..., None] == numbers, axis=-1), tensor.dtype.as_numpy_dtype("nan"), tensor
        )
