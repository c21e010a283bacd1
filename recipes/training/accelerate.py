"""Chooses dtype policy, XLA and steps per execution for a model and a machine, from the measurements in benchmarks/."""

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
from zoo.layers.batch_ensemble import BatchEnsembleDense
from zoo.layers.peephole_conv_lstm import PeepholeConvLSTM2D

SMALL_MODEL = 5_000_000  # parameters; below that, Keras' overhead takes most of a step on a CPU
MAX_STEPS_PER_EXECUTION = 32  # for a small model

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv2D, layers.SeparableConv2D)
RECURRENT = (layers.RNN, layers.Bidirectional, PeepholeConvLSTM2D)  # ConvLSTM2D is an RNN too


class Acceleration(typing.NamedTuple):
    """Arguments for `model.compile`, and a record of them with the reason."""

    settings: dict
    record: dict


@functools.cache
def mixed_precision():
    """Returns (dtype policy, reason): the mixed precision that the hardware supports, else float32."""
    import tensorflow as tf

    devices = gpus()
    if devices:
        capability = tf.config.experimental.get_device_details(devices[0]).get("compute_capability", (0, 0))
        if capability >= (8, 0):
            return "mixed_bfloat16", f"the GPU supports bfloat16 (compute capability {capability[0]}.{capability[1]})"
        if capability >= (7, 0):
            return "mixed_float16", f"the GPU supports float16 (compute capability {capability[0]}.{capability[1]})"
        return "float32", "the GPU has no tensor cores"
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    if "amx_bf16" in flags or "avx512_bf16" in flags:
        return "mixed_bfloat16", "the processor supports bfloat16"
    return "float32", "the processor emulates bfloat16, which takes three times as long as float32"


@contextlib.contextmanager
def dtype_policy(mode):
    """Sets Keras' global dtype policy for the block under `with`, for building a model.

    Args:
        mode: auto (mixed precision if there is a GPU that supports it, else float32), mixed, off or xla (both float32).
    Yields:
        The policy's name.
    Raises:
        ValueError: if `mode` is mixed and the hardware does not support mixed precision.
    """
    name, reason = mixed_precision() if mode in ("auto", "mixed") else ("float32", "")
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


def enable_determinism():
    """Makes TensorFlow's operations deterministic, for the rest of this process."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def choose_acceleration(model, steps, mode="auto", devices=1):
    """Chooses how to compile `model` for epochs of `steps` steps.

    Args:
        model: built `keras.Model`.
        steps: training steps per epoch.
        mode: auto, off (Keras' defaults), xla (XLA for any model) or mixed (auto, in mixed precision). All but off also
            train Keras' batch normalization layers with the fused kernel, as the zoo's own (`zoo.keras_patches`).
        devices: number of devices that train together. Of several, TensorFlow's strategies allow neither XLA nor
            several steps per execution.
    Returns:
        `Acceleration`: settings `jit_compile` and `steps_per_execution`, and a record of them with the reason.
    """
    if devices > 1:
        settings = {"jit_compile": False, "steps_per_execution": 1}
        reason = f"{devices} devices: neither XLA nor several steps per execution work under TensorFlow's strategies"
    elif mode == "off":
        settings, reason = {"jit_compile": "auto", "steps_per_execution": 1}, "accelerate=off: Keras' defaults"
    else:
        patch_batch_norm(model)
        settings, reason = _measured_settings(model, steps)
        if mode == "xla":
            settings, reason = {**settings, "jit_compile": True}, "accelerate=xla: XLA for any model"
    record = {**settings, "policy": model.dtype_policy.name, "mode": mode, "reason": reason, "gpus": len(gpus())}
    return Acceleration(settings, record)


def _measured_settings(model, steps):
    layer_classes = [type(layer) for layer in model._flatten_layers()]
    recurrent = any(issubclass(c, RECURRENT) for c in layer_classes)
    convolutional = any(issubclass(c, CONVOLUTIONS) for c in layer_classes)
    attention = any(issubclass(c, layers.MultiHeadAttention) for c in layer_classes)
    ensemble = any(issubclass(c, BatchEnsembleDense) for c in layer_classes)
    small = model.count_params() < SMALL_MODEL
    if gpus():
        jit_compile = not recurrent
        reason = "GPU: XLA, except for recurrent layers, which have cuDNN kernels"
    elif recurrent:
        jit_compile, reason = False, "CPU: XLA trains recurrent layers at two thirds of the speed"
    elif convolutional:
        jit_compile, reason = False, "CPU: XLA trains convolutions at about half the speed"
    elif attention:
        jit_compile, reason = False, "CPU: XLA trains attention no faster, and compiles twice as long"
    elif ensemble:
        jit_compile, reason = False, "CPU: XLA trains ensembles of dense layers no faster, and compiles longer"
    else:
        jit_compile, reason = small, "CPU: XLA trains dense layers about 1.5 times as fast"
    steps_per_execution = max(1, min(MAX_STEPS_PER_EXECUTION, steps)) if small else 1
    if steps_per_execution > 1:
        reason += f"; {steps_per_execution} steps per execution, as overhead takes most of a small model's step"
    return {"jit_compile": jit_compile, "steps_per_execution": steps_per_execution}, reason


def machine_info():
    """Returns what a measurement was made on: CPU cores, processor, GPUs, and versions of Python and libraries."""
    import tensorflow as tf

    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "gpus": [g.name for g in gpus()],
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
