"""The Free Spoken Digit Dataset: 3,000 recordings of the digits 0 to 9 by six speakers, at 8 kHz."""

import io
import os
import re
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from recipes.data.assemble import Pool, assemble
from recipes.data.examples import Data
from recipes.data.sound.sound_clips import clip_shape, padded
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions
from zoo.arguments import Fraction, Whole, checked

PATH_VARIABLE = "FIELDZOO_SPOKEN_DIGITS"  # environment variable with the path of the archive or its folder
PAGE = "https://github.com/Jakobovski/free-spoken-digit-dataset"
NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav$")
SAMPLE_RATE, SECONDS = 8000, 1.0
CUSTOMARY_TEST = 5  # recordings 0 to 4 of each digit and speaker

Part = Literal["customary", "george", "jackson", "lucas", "nicolas", "theo", "yweweler"]


@checked
def read_spoken_digits(held_out: Part, *, validation: Fraction = 0.1, test: Fraction = 0.1, seed: Whole = 0) -> Data:
    """Reads spoken digits as clips of one second; the test split is the customary one, or one speaker left out.

    The archive is read where the environment variable FIELDZOO_SPOKEN_DIGITS says: a .zip file, or a folder with the
    recordings.

    Args:
        held_out: customary (recordings 0 to 4 of each digit and speaker, whose other recordings are in training), or
            the name of the speaker who is left out of training: george, jackson, lucas, nicolas, theo, yweweler.
        validation: fraction of the other recordings, 0 to 1.
        test: not used; `held_out` is the test split.
        seed: seed of the split.
    Returns:
        `Data` of kind sound: (8000, 1) float32; a longer recording is cut to its middle.
    Raises:
        ValueError: if the environment variable is not set, or there are no such recordings.

    Source: Jackson et al. 2018, https://github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0.
    """
    arguments = dict(locals())
    rows = []
    for name, content in _recordings():
        digit, speaker, number = NAME.search(name).groups()
        is_test = int(number) < CUSTOMARY_TEST if held_out == "customary" else speaker == held_out
        rows.append((name, digit, "test" if is_test else None, _clip(content)))
    pools = []
    for split in (None, "test"):
        names, digits, _, clips = zip(*[row for row in rows if row[2] == split], strict=True)
        pools.append(Pool(np.stack(clips), np.array(digits), split, np.array(names)))
    data = assemble(
        pools, SplitOptions(validation, test, seed), name=f"spoken_digits:{held_out}", kind="sound",
        shape=clip_shape(SAMPLE_RATE, SECONDS), dtype="float32", task="classification", source=PAGE,
        license="CC BY-SA 4.0", description="Digits 0 to 9, spoken by six people 50 times each.",
        sound_options={"sample_rate": SAMPLE_RATE, "seconds": SECONDS, "channels": 1},
    )  # fmt: skip
    return with_source_spec(data, "spoken_digits", arguments, is_path=False)


def _recordings():
    """Yields (name, content) of the recordings, in the order of their names."""
    path = os.environ.get(PATH_VARIABLE)
    if not path or not Path(path).expanduser().exists():
        raise ValueError(
            f"spoken_digits: the environment variable {PATH_VARIABLE} must be the path of the archive of {PAGE}, or of "
            f"its folder of recordings, got {path or 'none'}."
        )
    path, count = Path(path).expanduser(), 0
    if path.is_dir():
        for file in sorted(path.rglob("*.wav")):
            if NAME.search(file.name):
                count += 1
                yield file.name, file.read_bytes()
    else:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if NAME.search(name):
                    count += 1
                    yield name.rpartition("/")[2], archive.read(name)
    if not count:
        raise ValueError(f"spoken_digits: {path} must have recordings such as 7_theo_0.wav, got none.")


def _clip(content):
    """Returns the second in the middle of a recording, (8000, 1), padded on both sides where it is shorter."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE:
        raise ValueError(f"spoken_digits: the recordings must have {SAMPLE_RATE} Hz, got {rate}.")
    count = clip_shape(SAMPLE_RATE, SECONDS)[0]
    start = max(0, len(samples) - count) // 2
    return padded(samples[start:, 0], count)[:, None]
