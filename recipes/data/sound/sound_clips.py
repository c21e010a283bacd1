"""Clips of one length from recordings, decoded when they are read."""

import dataclasses

import numpy as np

from recipes.data.on_demand import dataset_on_demand
from recipes.data.sound.sound_files import read_samples

SHORTEST = 0.5  # fraction of a clip that the last one of a recording must have


@dataclasses.dataclass(frozen=True, eq=False)
class SoundClips:
    """Clips of recordings, decoded when they are read; `len(clips)` is their number.

    Args:
        paths: (N,) of the recordings.
        starts: (N,) begin of each clip in its recording [s].
        lengths: (N,) part of the recording that the clip is from [s]; a shorter clip is padded, a longer one cropped.
        sample_rate: of the clips [Hz].
        seconds: length of a clip [s].
        seed: None reads the middle of a longer part; a number draws another crop of it in each epoch.
    """

    paths: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    sample_rate: int
    seconds: float
    seed: int | None = None

    def __len__(self):
        return len(self.paths)

    @property
    def is_random(self):
        """Whether another crop is read in each epoch, so that clips are not kept in memory."""
        return self.seed is not None and bool((self.lengths > self.seconds).any())

    @property
    def shape(self):
        """(samples, 1) of a clip."""
        return clip_shape(self.sample_rate, self.seconds)

    def take(self, indices):
        """Returns the clips at `indices`."""
        fields = {name: getattr(self, name)[indices] for name in ("paths", "starts", "lengths")}
        return dataclasses.replace(self, **fields)

    def read(self, index, epoch=0):
        """Returns the clip at `index`: (samples, 1) float32, -1 to 1.

        Args:
            index: of the clip.
            epoch: number of the epoch, from 0, which another crop is drawn for where `seed` is a number.
        Raises:
            ValueError: if the file cannot be read, with its name.
        """
        start, extra = float(self.starts[index]), float(self.lengths[index]) - self.seconds
        if extra > 0 and self.seed is None:
            start += extra / 2
        elif extra > 0:
            start += extra * np.random.default_rng([self.seed, index, epoch]).random()
        seconds = min(self.seconds, float(self.lengths[index]))
        samples = read_samples(str(self.paths[index]), start, seconds, self.sample_rate)
        return padded(samples, self.shape[0])[:, None]

    def dataset(self):
        """Returns a tf.data.Dataset of single clips, (samples, 1) float32, in their order."""
        return dataset_on_demand(self, self.shape, "float32")


def clip_shape(sample_rate, seconds):
    """Returns (samples, 1), the shape of a clip."""
    return round(sample_rate * seconds), 1


def padded(samples, count):
    """Returns samples (N,) with zeros on both sides up to `count`, or the first `count` of them."""
    missing = max(0, count - len(samples))
    return np.pad(samples[:count], (missing // 2, missing - missing // 2))


def consecutive_starts(begin, end, seconds):
    """Returns the begin of each clip from `begin` to `end` [s]; the last one may lack up to half of its length."""
    count = max(1, int((end - begin) / seconds + 1 - SHORTEST + 1e-9))
    return [begin + i * seconds for i in range(count)]
