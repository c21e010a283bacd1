"""Calls in recordings: neighboring windows with one class, merged and bounded in time and frequency."""

import dataclasses

import numpy as np

from zoo.layers.spectrogram import Spectrogram

BAND_DECIBELS = 10.0  # below its loudest frequency, down to which a call reaches
TIME_FRACTION = 0.5  # of the rise of a call above the rest of its window, from which it lasts
ANALYSIS_WINDOW = 0.016  # of the spectrogram by which calls are bounded [s]
LOUD_PERCENTILE = 95  # of a frequency's steps, that its loudness is


@dataclasses.dataclass
class Call:
    """Windows with one class.

    Args:
        label: index of the class.
        start: of the first window [s].
        last: start of the last window [s].
        confidence: largest score of a window.
        first_clip, best_clip, last_clip: (samples, 1) of the first window, of that with the largest score, and of the
            last one.
        best: start of the window with the largest score [s].
    """

    label: int
    start: float
    last: float
    confidence: float
    first_clip: np.ndarray
    best_clip: np.ndarray
    last_clip: np.ndarray
    best: float


class CallMerger:
    """Merges the windows of one recording; at most one call of each class is open at a time.

    Args:
        labels: indices of the classes that are calls.
        threshold: score from which a window has a class.
        seconds: length of a window [s].
    """

    def __init__(self, labels, threshold, seconds):
        self.labels, self.threshold, self.seconds, self.open = labels, threshold, seconds, {}

    def add(self, start, scores, clip):
        """Adds the next window, and returns the list of calls that ended before it.

        Args:
            start: of the window [s].
            scores: (classes,) of the window.
            clip: (samples, 1) of the window.
        """
        ended = []
        for label in self.labels:
            score, call = float(scores[label]), self.open.get(label)
            if score < self.threshold:
                if call is not None:
                    ended.append(self.open.pop(label))
            elif call is None or start > call.last + self.seconds:
                if call is not None:
                    ended.append(call)
                self.open[label] = Call(label, start, start, score, clip, clip, clip, start)
            else:
                call.last, call.last_clip = start, clip
                if score > call.confidence:
                    call.confidence, call.best_clip, call.best = score, clip, start
        return ended

    def finish(self):
        """Returns the calls that last to the end of the recording."""
        calls, self.open = list(self.open.values()), {}
        return calls


class CallBounds:
    """Start, end, low and high frequency of calls, by the energy in their windows.

    Args:
        sample_rate: [Hz].
        seconds: length of a window [s].
    """

    def __init__(self, sample_rate, seconds):
        self.seconds = seconds
        window = min(ANALYSIS_WINDOW, seconds / 4)
        self.layer = Spectrogram(sample_rate, bands=None, window=window, hop=window / 2, low=0.0)

    def __call__(self, call):
        """Returns (start, end [s], low, high [Hz]) of a `Call`.

        The frequencies are those around the loudest one, down to 10 dB below it, in the window with the largest score;
        loudness is that above the median of the window. The call begins and ends where they are halfway, in decibels,
        between the median and the loudest step.
        """
        best = self._decibels(call.best_clip)
        above = np.percentile(best, LOUD_PERCENTILE, axis=1) - np.median(best, axis=1)
        low, high = _run_around(above >= above.max() - BAND_DECIBELS, int(above.argmax()))
        frequencies = self.layer.frequencies
        start, end = call.start, call.last + self.seconds
        first, last = (self._loud_steps(clip, low, high) for clip in (call.first_clip, call.last_clip))
        if len(first) and len(last):
            times = self.layer.times(best.shape[1])
            begin, stop = call.start + times[first[0]], call.last + times[last[-1]] + self.layer.hop
            if begin < stop:
                start, end = begin, min(stop, end)
        return float(start), float(end), float(frequencies[low]), float(frequencies[high])

    def _decibels(self, clip):
        return 20 * np.asarray(self.layer(clip[None]))[0, ..., 0]

    def _loud_steps(self, clip, low, high):
        """Returns the steps in which the frequencies from `low` to `high` are loud."""
        power = (10 ** (self._decibels(clip)[low : high + 1] / 10)).sum(0)
        level = 10 * np.log10(power)
        limit = np.median(level) + TIME_FRACTION * (level.max() - np.median(level))
        return np.flatnonzero(level >= limit)


def _run_around(mask, place):
    """Returns the first and the last index of the run of true values around a place."""
    low = high = place
    while low > 0 and mask[low - 1]:
        low -= 1
    while high < len(mask) - 1 and mask[high + 1]:
        high += 1
    return low, high
