"""Overlapping windows of recordings of any length, read block by block in bounded memory."""

import numpy as np

from recipes.data.sound.sound_clips import clip_shape, padded
from recipes.data.sound.sound_files import UnreadableSoundError, open_sound

BLOCK_SECONDS = 30.0  # of a recording that are decoded together


def sample_blocks(path, sample_rate, checks=None):
    """Yields a recording block by block: (N,) float32 at a sample rate, channels averaged, resampled by soxr.

    Args:
        path: of the file.
        sample_rate: [Hz].
        checks: `SampleChecks` that the blocks are added to, or None.
    Raises:
        UnreadableSoundError: if the file cannot be read to its end, or has NaN or infinite samples.
    """
    import soundfile

    with open_sound(path) as file:
        rate = file.samplerate
        if rate == sample_rate:
            stream = None
        else:
            import soxr

            stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
        frames = 0
        while True:
            try:
                block = file.read(round(BLOCK_SECONDS * rate), dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise UnreadableSoundError(
                    path, f"{str(error).rstrip('.').lower()} after {frames / rate:.2f} s"
                ) from None
            frames += len(block)
            samples = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
            if not np.isfinite(samples).all():
                raise UnreadableSoundError(path, f"it has NaN or infinite samples before {frames / rate:.2f} s")
            if checks is not None:
                checks.add(block, samples)
            is_last = len(block) < round(BLOCK_SECONDS * rate)
            yield samples if stream is None else stream.resample_chunk(samples, last=is_last)
            if is_last:
                return


def windows(path, sample_rate, seconds, hop, checks=None):
    """Yields (start, window) of a recording: windows of one length, the next one `hop` later.

    The last window ends with the recording. A recording shorter than a window is padded on both sides, as in training,
    so that its window begins before it.

    Args:
        path: of the file.
        sample_rate: of the windows [Hz].
        seconds: length of a window [s].
        hop: time between the starts of two windows [s].
        checks: `SampleChecks` that the samples of the file are added to, or None.
    Yields:
        (start [s], (samples, 1) float32).
    Raises:
        UnreadableSoundError: as `sample_blocks` has it, or if there are no samples.
    """
    length, step = clip_shape(sample_rate, seconds)[0], max(1, round(hop * sample_rate))
    buffer, first, next_start = np.zeros(0, np.float32), 0, 0  # `first` is the place of the buffer's first sample
    for block in sample_blocks(path, sample_rate, checks):
        buffer = np.concatenate([buffer, block])
        while next_start + length <= first + len(buffer):
            offset = next_start - first
            yield next_start / sample_rate, buffer[offset : offset + length, None]
            next_start += step
        processed = max(0, min(next_start, first + len(buffer) - length) - first)  # the last window may begin before
        buffer, first = buffer[processed:], first + processed
    end = first + len(buffer)
    if not end:
        raise UnreadableSoundError(path, "it has no samples")
    if end < length:
        yield -((length - end) // 2) / sample_rate, padded(buffer, length)[:, None]
    elif end > next_start - step + length:
        yield (end - length) / sample_rate, buffer[len(buffer) - length :, None]
