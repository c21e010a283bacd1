"""How to run fast: one decision for every recipe, as measured (benchmarks/), with its reason on record."""

import contextlib
import functools
import os
import platform
import typing
from pathlib import Path

import keras
from keras import layers

from zoo.devices import gpus
from zoo.keras_patches import patch_batch_norm
from zoo.layers.peephole_conv_lstm import PeepholeConvLSTM2D

SMALL = 5_000_000  # parameters below which a step on a CPU is mostly Keras' own overhead
MANY_STEPS = 32  # steps that one call of the training function takes where a model is small

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv2D, layers.SeparableConv2D)
RECURRENT = (layers.RNN, layers.Bidirectional, PeepholeConvLSTM2D)  # ConvLSTM2D is an RNN too


class Choice(typing.NamedTuple):
    """Arguments for `model.compile`, and why."""

    settings: dict
    record: dict


@functools.cache
def low_precision():
    """(policy, reason): the mixed precision that this machine computes in hardware, or float32."""
    import tensorflow as tf

    found = gpus()
    if found:
        capability = tf.config.experimental.get_device_details(found[0]).get("compute_capability", (0, 0))
        if capability >= (8, 0):
            return "mixed_bfloat16", f"the GPU computes bfloat16 (compute capability {capability[0]}.{capability[1]})"
        if capability >= (7, 0):
            return "mixed_float16", f"the GPU computes float16 (compute capability {capability[0]}.{capability[1]})"
        return "float32", "the GPU has no tensor cores"
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    if "amx_bf16" in flags or "avx512_bf16" in flags:
        return "mixed_bfloat16", "the processor computes bfloat16"
    return "float32", "the processor only emulates bfloat16, three times slower than float32"


@contextlib.contextmanager
def policy(mode):
    """The dtype policy to build a model under: mixed only where asked for, or on a GPU that gains from it.

    Raises:
        ValueError: if mixed precision is asked for and the machine would only emulate it.
    """
    name, reason = low_precision() if mode in ("auto", "mixed") else ("float32", "")
    if mode == "mixed" and name == "float32":
        raise ValueError(f"`accelerate` must be auto, off or xla on this machine, got 'mixed': {reason}.")
    if mode == "auto" and not gpus():
        name = "float32"
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield name
    finally:
        keras.config.set_dtype_policy(before)


def bit_exact():
    """Makes TensorFlow's operations give the same bits in every run, from now on in this process."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def choose(model, steps, mode="auto"):
    """How to compile `model` for `steps` steps an epoch.

    Args:
        model: built `keras.Model`.
        steps: training steps of one epoch.
        mode: auto, off (Keras' own defaults), xla (XLA whatever the family) or mixed (auto, in mixed precision). All
            but off have any Keras model's batch normalisations train in one operation (`zoo.keras_patches`), as the zoo's
            own do.
    Returns:
        `Choice`: settings `jit_compile` and `steps_per_execution`, and the record of what was chosen and why.
    """
    if mode == "off":
        settings, reason = {"jit_compile": "auto", "steps_per_execution": 1}, "asked for: Keras' own defaults"
    else:
        patch_batch_norm(model)
        settings, reason = _measured(model, steps)
        if mode == "xla":
            settings, reason = {**settings, "jit_compile": True}, "XLA was asked for"
    record = {**settings, "policy": model.dtype_policy.name, "mode": mode, "reason": reason, "gpus": len(gpus())}
    return Choice(settings, record)


def _measured(model, steps):
    kinds = [type(layer) for layer in model._flatten_layers()]
    recurrent = any(issubclass(k, RECURRENT) for k in kinds)
    convolutional = any(issubclass(k, CONVOLUTIONS) for k in kinds)
    attention = any(issubclass(k, layers.MultiHeadAttention) for k in kinds)
    small = model.count_params() < SMALL
    if gpus():
        jit = not recurrent
        reason = "GPU: XLA, but for recurrent layers, which have kernels of their own"
    elif recurrent:
        jit, reason = False, "CPU: XLA trains recurrent layers at two thirds of the speed"
    elif convolutional:
        jit, reason = False, "CPU: XLA trains convolutions at about half the speed"
    elif attention:
        jit, reason = False, "CPU: XLA trains attention no faster, and compiles twice as long"
    else:
        jit, reason = small, "CPU: XLA trains dense layers about 1.5 times as fast"
    together = max(1, min(MANY_STEPS, steps)) if small else 1
    if together > 1:
        reason += f"; {together} steps a call, as a step of a small model is mostly overhead"
    return {"jit_compile": jit, "steps_per_execution": together}, reason


def machine():
    """What a figure was measured on: cores, processor, GPUs and versions."""
    import tensorflow as tf

    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "gpus": [g.name for g in gpus()],
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
