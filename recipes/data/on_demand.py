"""Sequences of examples that are read from files when they are needed, as tf.data.Datasets."""


def dataset_on_demand(values, shape, dtype):
    """Returns a tf.data.Dataset of `values.read(i)`, in order; several are read at a time.

    Args:
        values: sequence with `len` and `read(i)`.
        shape: of each value; None where sides differ.
        dtype: of the values.
    """
    import tensorflow as tf

    def read(index):
        return tf.ensure_shape(tf.numpy_function(lambda i: values.read(int(i)), [index], dtype), shape)

    return tf.data.Dataset.range(len(values)).map(read, tf.data.AUTOTUNE, deterministic=True)
