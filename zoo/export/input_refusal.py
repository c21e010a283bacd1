"""Refuses inputs of other shapes, and sound on the scale of whole numbers, by assertions in the graph of a SavedModel.

TensorFlow Serving checks only the types of inputs: without assertions a series of another number of columns is
broadcast, and a sound of two channels gives two predictions.
"""

from zoo.inputs.match import LARGEST_SAMPLE

FREE, SEPARATOR, END = -1, -2, -3  # in the list of all sizes: any size, the end of an input, the end of the list


def refuse_shapes(tensors, shapes):
    """Returns the tensors behind an assertion that each has its shape, and that all have as many examples.

    Its message names the input, the shape expected and the one received. Operations on what is returned run only
    where the shapes are right.

    Args:
        tensors: raw tensors by signature name, (B, ...).
        shapes: their shapes by signature name, with the batch; sizes that are None are free.
    """
    import tensorflow as tf

    names = list(shapes)
    expected, owners, starts, batches = [], [], [], []
    for i, shape in enumerate(shapes.values()):
        starts.append(len(expected))
        batches += [True] + [False] * len(shape)
        expected += [FREE if size is None else size for size in (None, *shape[1:])] + [SEPARATOR]
        owners += [i] * (len(shape) + 1)
    expected, owners, batches = [*expected, END], [*owners, len(names) - 1], [*batches, False]
    # A graph optimizer may replace what follows from the static shapes: only values are compared, of a fixed length.
    sizes = tf.concat([part for size in _sizes(tensors, names) for part in (size, [SEPARATOR])], axis=0)
    received = tf.concat([sizes, [END] * len(expected)], axis=0)[: len(expected)]
    allowed = tf.where(tf.equal(expected, FREE), tf.maximum(received, FREE + 1), expected)
    allowed = tf.where(batches, tf.maximum(received[0], 0), allowed)
    is_wrong = tf.not_equal(received, allowed)
    has_wrong = tf.reduce_any(is_wrong)

    def describe():
        position = tf.where(is_wrong)[0, 0]
        owner = tf.constant(owners)[position]
        name = tf.constant(names)[owner]
        rest = sizes[tf.constant(starts)[owner] :]
        shape = rest[: tf.where(tf.equal(rest, SEPARATOR))[0, 0]]
        shape = tf.strings.reduce_join(tf.strings.as_string(shape), separator=", ")
        expected_sizes = tf.constant([_listed(s) for s in shapes.values()])[owner]
        of_shape = tf.strings.join(
            [name, " must have the shape (", expected_sizes, "), N examples in a batch, got (", shape, ")"]
        )
        first, other = (tf.strings.as_string(count) for count in (received[0], received[position]))
        of_count = tf.strings.join([name, f" must have as many examples as {names[0]}, ", first, ", got ", other])
        is_count = tf.constant(batches)[position] & (received[position] >= 0)
        return tf.where(is_count, of_count, of_shape)

    message = tf.cond(has_wrong, describe, lambda: tf.constant(""))
    with tf.control_dependencies([tf.debugging.Assert(~has_wrong, [message])]):
        return {name: tf.identity(tensor) for name, tensor in tensors.items()}


def _sizes(tensors, names):
    """Returns the shape of each tensor, in the order of the names, with one operation per type."""
    import tensorflow as tf

    sizes = {}
    for dtype in {tensors[name].dtype for name in names}:
        of_type = [name for name in names if tensors[name].dtype == dtype]
        sizes |= zip(of_type, tf.shape_n([tensors[name] for name in of_type]), strict=True)
    return [sizes[name] for name in names]


def _listed(shape):
    return ", ".join(["N", *("any" if size is None else str(size) for size in shape[1:])])


def refuse_whole_numbers(tensors, sample_rate):
    """Adds the assertion that sound is from -1 to 1, not on the scale of whole numbers of 16 bits, to the graph.

    Args:
        tensors: raw sound by signature name, (B, samples, 1).
        sample_rate: [Hz].
    """
    import tensorflow as tf

    for name, tensor in tensors.items():
        largest = tf.reduce_max(tf.abs(tensor))
        start = f"{name} must be sound from -1 to 1 at {sample_rate:,} Hz, got values up to "
        is_wrong = (largest > LARGEST_SAMPLE) & tf.math.is_finite(largest)

        def describe(largest=largest, start=start):
            end = "; divide whole numbers of 16 bits by 32,768"
            return tf.strings.join([start, tf.strings.as_string(largest, shortest=True), end])

        tf.debugging.Assert(~is_wrong, [tf.cond(is_wrong, describe, lambda: tf.constant(""))])
