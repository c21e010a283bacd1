"""Sound files: what their header states, and samples of a part of them at any rate."""

import contextlib
import math
import re
import typing
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
MARGIN = 0.02  # seconds on both sides of a part that are resampled with it
FULL_SCALE = 0.999  # of the largest value of whole numbers, from which a sample is clipped
TRUNCATED = re.compile(r"^data\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
NAME_TIME = re.compile(r"(?<!\d)(\d{8})[_T-]?(\d{6})(?!\d)")  # 20240501_053000, as AudioMoth and Song Meter write it
HEX_TIME = re.compile(r"([0-9A-F]{8})")  # seconds since 1970, of the first AudioMoths
COMMENT_TIME = re.compile(r"Recorded at (\d\d:\d\d:\d\d)(?:\.\d+)? (\d\d/\d\d/\d{4}) \(UTC(?:([+-]\d+)(?::(\d\d))?)?\)")


class UnreadableSoundError(ValueError):
    """A sound file that cannot be read; `reason` says why, without its name."""

    def __init__(self, path, reason):
        super().__init__(f"{path} cannot be read: {reason}")
        self.path, self.reason = str(path), reason


class SoundInfo(typing.NamedTuple):
    """What a sound file states.

    Args:
        sample_rate: samples per second [Hz].
        frames: number of samples of each channel that the file has.
        channels: number of channels.
        subtype: such as PCM_16, PCM_24, PCM_U8, FLOAT or VORBIS.
        stated_seconds: length that the header states, where the file has less; else None.
    """

    sample_rate: int
    frames: int
    channels: int
    subtype: str
    stated_seconds: float | None

    @property
    def seconds(self):
        """Length [s]."""
        return self.frames / self.sample_rate


def is_sound_name(path):
    """Whether a file is a sound by the ending of its name."""
    path = Path(path)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


@contextlib.contextmanager
def open_sound(path):
    """Opens a sound file for reading, as a `soundfile.SoundFile`.

    Raises:
        UnreadableSoundError: if it is no sound, is empty or is broken.
    """
    import soundfile

    path = Path(path).expanduser()
    try:
        if path.is_file() and not path.stat().st_size:
            raise UnreadableSoundError(path, "the file has zero bytes")
        with soundfile.SoundFile(str(path)) as file:
            yield file
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".").lower()
        raise UnreadableSoundError(path, reason if path.exists() else "there is no such file") from None


def sound_info(path):
    """Returns the `SoundInfo` of a file; only its header is read.

    Raises:
        UnreadableSoundError: if it is no sound, is broken, or has no samples.
    """
    with open_sound(path) as file:
        cut = TRUNCATED.search(file.extra_info)
        stated = None
        if cut and int(cut[1]) > int(cut[2]):
            stated = file.frames * int(cut[1]) / max(int(cut[2]), 1) / file.samplerate
        info = SoundInfo(file.samplerate, file.frames, file.channels, file.subtype, stated)
    if not info.frames:
        raise UnreadableSoundError(path, "it has no samples")
    return info


def read_samples(path, start, seconds, sample_rate):
    """Returns a part of a recording as one channel at a sample rate.

    Channels are averaged. Another rate is resampled by soxr, together with 20 ms on both sides, so that neighboring
    parts fit together.

    Args:
        path: of the file.
        start: begin of the part [s], from 0.
        seconds: length of the part [s]; what lies behind the end of the file is left out.
        sample_rate: of the result [Hz].
    Returns:
        (N,) float32, whole numbers of the file scaled to -1 to 1; N is at most `seconds` x `sample_rate`, rounded.
    Raises:
        UnreadableSoundError: if the file cannot be read, or has NaN or infinite samples.
    """
    with open_sound(path) as file:
        return read_open(file, path, start, seconds, sample_rate)


def read_open(file, path, start, seconds, sample_rate):
    """Returns a part of an open file, as `read_samples` does."""
    rate = file.samplerate
    unit = rate // math.gcd(rate, sample_rate)  # samples of the file that are a whole number of the result's
    first = round(start * rate)
    margin = 0 if rate == sample_rate else math.ceil(MARGIN * rate / unit) * unit
    before = min(margin, first // unit * unit)
    length = round(seconds * rate)
    file.seek(min(first - before, file.frames))
    samples = file.read(before + length + margin, dtype="float32", always_2d=True)
    expected = min(before + length + margin, file.frames - (first - before))
    if len(samples) < expected:
        raise UnreadableSoundError(
            path, f"it ends after {(first - before + len(samples)) / rate:.2f} s, its header states more"
        )
    samples = samples.mean(axis=1, dtype=np.float32) if samples.shape[1] > 1 else samples[:, 0]
    if not np.isfinite(samples).all():
        raise UnreadableSoundError(path, "it has NaN or infinite samples")
    return resampled(samples, rate, sample_rate)[before * sample_rate // rate :][: round(seconds * sample_rate)]


def resampled(samples, rate, sample_rate):
    """Returns samples (N,) of one rate at another, by soxr."""
    if rate == sample_rate or not len(samples):
        return samples
    import soxr

    return soxr.resample(samples, rate, sample_rate)


def clipped_fraction(samples):
    """Returns the fraction of the samples that are at the largest or smallest value, beside an equal neighbor."""
    at_limit = np.abs(samples) >= FULL_SCALE
    return float((at_limit[1:] & at_limit[:-1] & (samples[1:] == samples[:-1])).mean()) if len(samples) > 1 else 0.0


def recording_time(path, comment=""):
    """Returns the local date and time at which a recording begins, as its name or its comment states it; else None.

    Args:
        path: of the file: SITE_20240501_053000.wav, or 5E90A4D4.WAV as the first AudioMoths wrote it (UTC).
        comment: of the file's metadata, as AudioMoth writes it: "Recorded at 05:30:00 01/05/2024 (UTC) by ...".
    Returns:
        `datetime` without a time zone; in the zone of the recorder's clock.
    """
    stem = Path(path).stem
    if match := NAME_TIME.search(stem):
        with contextlib.suppress(ValueError):
            return datetime.strptime("".join(match.groups()), "%Y%m%d%H%M%S")
    if match := COMMENT_TIME.search(comment or ""):
        with contextlib.suppress(ValueError):
            return datetime.strptime(f"{match[2]} {match[1]}", "%d/%m/%Y %H:%M:%S")
    if match := HEX_TIME.fullmatch(stem):
        return datetime(1970, 1, 1) + timedelta(seconds=int(match[1], 16))
    return None


def file_time(path):
    """Returns `recording_time` of a file by its name, else by its metadata."""
    time = recording_time(path)
    if time is None:
        with contextlib.suppress(UnreadableSoundError), open_sound(path) as file:
            time = recording_time(path, file.comment)
    return time
