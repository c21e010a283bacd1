"""Decodes WAV files of 16 bits in the graph to the clips that training reads, or refuses them with a sentence."""

import io
import struct
import wave

import numpy as np

HEADER = 36  # bytes up to the end of the format, where it comes first as recorders and libraries write it
PCM, EXTENSIBLE = (1, 0), (254, 255)  # bytes of the format code


def decode_wav(data, samples, sample_rate):
    """Decodes one WAV file to (samples, 1) from -1 to 1; channels are averaged, a shorter file is padded on both sides.

    Args:
        data: () string tensor, the content of a file of 16-bit whole numbers.
        samples: number of samples of a clip.
        sample_rate: [Hz].
    Returns:
        (samples, 1) float32.
    Raises:
        tf.errors.InvalidArgumentError: (in the graph) if it is no such file, has another sample rate, or is longer than
            a clip.
    """
    import tensorflow as tf

    header = tf.strings.substr(tf.strings.join([data, tf.constant(b"\0" * HEADER)]), 0, HEADER)
    numbers = tf.cast(tf.io.decode_raw(header, "uint8"), "int32")
    is_wav = (tf.strings.substr(header, 0, 4) == "RIFF") & (tf.strings.substr(header, 8, 4) == "WAVE")
    is_first = tf.strings.substr(header, 12, 4) == "fmt "  # else the decoder finds the format, and checks it
    code = tf.reduce_any(tf.reduce_all(numbers[20:22] == tf.constant([PCM, EXTENSIBLE]), axis=1))
    is_wav, length = is_wav & (tf.strings.length(data) >= HEADER), tf.strings.length(data)
    checks = [
        _check(is_wav, "wav_bytes must be the content of a WAV file, got bytes of another format:", length),
        _check(~is_first | (code & (numbers[34] == 16)), "wav_bytes must be whole numbers of 16 bits, got bits:",
               numbers[34], "format code:", numbers[20] + 256 * numbers[21]),
    ]  # fmt: skip
    with tf.control_dependencies(checks):
        audio, rate = tf.audio.decode_wav(data)
    count = tf.shape(audio)[0]
    resample, cut = "; resample others first, got", "; cut others into clips first, got"
    checks = [
        _check(rate == sample_rate, f"wav_bytes must have {sample_rate} Hz, as in training{resample}", rate),
        _check(count <= samples, f"wav_bytes must have at most {samples} samples, a clip{cut}", count),
    ]
    with tf.control_dependencies(checks):
        mono = tf.reduce_mean(audio, axis=1, keepdims=True)
    missing = tf.maximum(samples - count, 0)
    return tf.ensure_shape(tf.pad(mono, [[missing // 2, missing - missing // 2], [0, 0]]), (samples, 1))


def _check(condition, *message):
    """An assertion whose message is made of strings and int32 tensors."""
    import tensorflow as tf

    return tf.debugging.Assert(condition, list(message))


def wav_files(clips, sample_rate):
    """Returns WAV files of 16 bits for the parity check, and the clips expected of them.

    The last two files are the first half of the first clip, and the first clip in two channels.

    Args:
        clips: (N, samples, 1) from -1 to 1.
        sample_rate: [Hz].
    Returns:
        (list of bytes, (N + 2, samples, 1) float32).
    """
    whole = np.round(np.clip(clips, -1, 32767 / 32768) * 32768)
    clips = (whole / 32768).astype("float32")
    samples = clips.shape[1]
    half = clips[0, : samples // 2]
    missing = samples - len(half)
    padded = np.pad(half, ((missing // 2, missing - missing // 2), (0, 0)))
    contents = [*clips, half, np.repeat(clips[0], 2, axis=1)]
    return [_wav_file(content, sample_rate) for content in contents], np.concatenate([clips, padded[None], clips[:1]])


def _wav_file(clip, sample_rate):
    """Returns the content of a WAV file of 16 bits of a clip (N, channels).

    A last chunk that readers skip ends it: NumPy's bytes lose zeros at their end.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(clip.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((clip * 32768).astype("<i2").tobytes())
    chunks = buffer.getvalue()[8:] + b"note" + struct.pack("<I", 4) + b"end."
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
