"""The GPUs that this process uses."""

import contextlib
import functools


@functools.cache
def gpus():
    """Returns TensorFlow's visible GPUs and sets them to allocate memory as it is needed.

    Returns:
        List of `tf.config.PhysicalDevice`; empty on a machine without a GPU.
    """
    import tensorflow as tf

    devices = tf.config.get_visible_devices("GPU")
    for device in devices:
        # A GPU that is in use (RuntimeError) or split into virtual devices (ValueError) keeps its memory setting.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(device, True)
    return devices
