"""New recordings for a trained model: consecutive clips at the sample rate of the training."""

import numpy as np

from recipes.data.sound.sample_checks import SampleChecks, header_notes
from recipes.data.sound.sound_clips import SoundClips, clip_shape, consecutive_starts
from recipes.data.sound.sound_files import sound_info


def clips_of(path, sound):
    """Returns the consecutive clips of a recording, as a model of sound takes them.

    Args:
        path: of the file.
        sound: `InputSchema.sound`: sample_rate and seconds.
    Returns:
        `SoundClips`.
    Raises:
        UnreadableSoundError: if the file cannot be read.
    """
    length, seconds = sound_info(path).seconds, float(sound["seconds"])
    starts = np.array(consecutive_starts(0.0, length, seconds))
    lengths = np.minimum(seconds, length - starts)
    return SoundClips(np.full(len(starts), str(path)), starts, lengths, int(sound["sample_rate"]), seconds)


def sound_batches(schema, files, batch_size):
    """Yields (names, clips (N, samples, 1), failures, notes) of recordings in batches, with clips of several files.

    Args:
        schema: `InputSchema` of kind sound.
        files: paths.
        batch_size: clips per batch.
    """
    names, clips, failures, notes = [], [], {}, []
    shape = clip_shape(schema.sound["sample_rate"], schema.sound["seconds"])
    for path in files:
        try:
            recording, checks = clips_of(path, schema.sound), SampleChecks()
            for i, start in enumerate(recording.starts):
                clip = recording.read(i)
                names.append(f"{path} @ {start:g} s" if len(recording) > 1 else str(path))
                clips.append(clip)
                checks.add(clip, clip[:, 0])
                if len(clips) == batch_size:
                    yield names, np.stack(clips), failures, notes
                    names, clips, failures, notes = [], [], {}, []
            notes += [*header_notes(path, sound_info(path), schema.sound), *checks.notes(path)]
        except ValueError as error:
            failures[str(path)] = getattr(error, "reason", str(error))
    if clips or failures or notes:
        yield names, np.stack(clips) if clips else np.zeros((0, *shape), np.float32), failures, notes
