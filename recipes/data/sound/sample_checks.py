"""What is suspicious in the samples of a recording: silence, clipping, values beyond the scale, a low sample rate."""

import numpy as np

from recipes.data.sound.sound_files import clipped_fraction

CLIPPED = 1e-3  # fraction of clipped samples from which a recording is noted
SILENT = 1e-5  # range of the samples below which a recording is silent: less than one level of 16 bits
UNSCALED = 2.0  # largest value from which numbers are not on the scale from -1 to 1; codecs go a little beyond 1
QUIET = 0.005  # largest value of a recording, of 1, below which hardly anything but noise is left
SHORT = 0.1  # of a window, below which a recording is hardly more than its padding


def is_silent(samples):
    """Whether samples hardly vary, which a constant does not either."""
    return len(samples) == 0 or float(np.ptp(samples)) < SILENT


class SampleChecks:
    """Checks of the samples of one recording, which are added block by block."""

    def __init__(self):
        self.low, self.high = np.inf, -np.inf  # of the average of the channels
        self.peak, self.clipped, self.count = 0.0, 0.0, 0
        self.channel_range = 0.0

    def add(self, block, average):
        """Adds a block: (N, channels) samples, and (N,) the average of the channels."""
        if not len(block):
            return
        self.low, self.high = min(self.low, float(average.min())), max(self.high, float(average.max()))
        self.peak = max(self.peak, float(np.abs(block).max()))
        self.channel_range = max(self.channel_range, float(np.ptp(block, axis=0).max()))
        self.clipped += clipped_fraction(block[:, 0]) * len(block)
        self.count += len(block)

    @property
    def is_silent(self):
        """Whether the average of the channels hardly varies."""
        return self.high - self.low < SILENT

    @property
    def is_clipped(self):
        """Whether more than 0.1 % of the samples are at the limit."""
        return self.clipped > CLIPPED * self.count

    def notes(self, path):
        """Returns sentences on what is suspicious."""
        notes = []
        if self.is_silent and self.channel_range >= SILENT:
            notes.append(f"{path}: its channels cancel each other, so that their average is silent")
        elif self.is_silent:
            notes.append(f"{path} is silent")
        elif self.peak < QUIET:
            notes.append(f"{path} is very quiet: its largest value is {self.peak:.2g} of 1")
        if self.peak > UNSCALED:
            notes.append(
                f"{path} has samples of up to {self.peak:,.4g}, expected -1 to 1: divide them by their full scale"
            )
        elif self.is_clipped:
            notes.append(f"{path} is clipped: {self.clipped / self.count:.1%} of the samples are at the limit")
        return notes


def header_notes(path, info, sound):
    """Returns sentences on what a file's header says beside the training's recordings.

    Args:
        path: of the file.
        info: `SoundInfo`.
        sound: `InputSchema.sound`: sample_rate and seconds.
    """
    notes, rate = [], int(sound["sample_rate"])
    if info.stated_seconds:
        notes.append(f"{path} is truncated: read to its end, its header states {info.stated_seconds:.2f} s")
    if info.sample_rate < rate:
        notes.append(
            f"{path} has {info.sample_rate:,} samples per second, the model takes {rate:,}: it has nothing above "
            f"{info.sample_rate / 2:,.0f} Hz"
        )
    if info.seconds < SHORT * float(sound["seconds"]):
        notes.append(
            f"{path} has {info.seconds:.2g} s of a window of {sound['seconds']:g} s; the rest is filled with 0"
        )
    return notes
