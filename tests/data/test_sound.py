"""Recordings as data: depths, rates, lengths and broken files; tables of labels; splits by recording, site and day."""

import io
import warnings
import zipfile

import numpy as np
import pytest
import soundfile

import recipes
from recipes.data.augment.first_epoch import begin_at_epoch
from recipes.data.fingerprint import fingerprints
from recipes.data.sound.label_tables import read_label_table
from recipes.data.sound.sound_files import read_samples, recording_time, sound_info

RATE = 8000
RNG = np.random.default_rng(0)


def tone(hertz, seconds, rate=RATE, level=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write(path, samples, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def classes_of(path, seconds=1.0, number=10):
    """A folder with two classes of tones, at three sites."""
    for hertz, name in ((300, "low"), (1500, "high")):
        for i in range(number):
            noise = 0.01 * RNG.normal(size=round(seconds * RATE))
            write(path / name / f"site{i % 3}_2024050{i % 4 + 1}_05300{i}.wav", tone(hertz, seconds) + noise)
    return path


def strongest(samples, rate=RATE):
    """Frequency [Hz] with the most energy."""
    return np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", "PCM_U8"), ("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS"),
     ("mp3", "MPEG_LAYER_III")],
)  # fmt: skip
def test_all_depths_and_formats_are_read_from_minus_one_to_one(tmp_path, suffix, subtype):
    path = write(tmp_path / f"a.{suffix}", np.stack([tone(440, 1), tone(440, 1)], 1), subtype=subtype)
    samples = read_samples(path, 0.2, 0.5, RATE)
    assert samples.shape == (4000,) and samples.dtype == np.float32
    assert strongest(samples) == pytest.approx(440, abs=3)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.1)  # lossy formats overshoot


def test_another_rate_is_resampled_and_neighboring_parts_fit_together(tmp_path):
    path = write(tmp_path / "a.wav", tone(440, 2, 44100), 44100)
    whole = read_samples(path, 0, 2, RATE)
    parts = np.concatenate([read_samples(path, start, 0.5, RATE) for start in (0, 0.5, 1, 1.5)])
    assert whole.shape == parts.shape == (16000,)
    assert strongest(whole) == pytest.approx(440, abs=1)
    np.testing.assert_allclose(whole, parts, atol=2e-3)


def test_channels_are_averaged(tmp_path):
    path = write(tmp_path / "a.wav", np.stack([np.full(800, 0.5), np.full(800, -0.25)], 1), subtype="FLOAT")
    np.testing.assert_allclose(read_samples(path, 0, 0.1, RATE), 0.125)


def test_class_folders_are_cut_into_clips_and_recordings_stay_in_one_split(tmp_path):
    data = recipes.load(f"sound:{classes_of(tmp_path / 'tones')}?seconds=0.4")
    assert (data.kind, data.shape, data.classes, data.task) == ("sound", (3200, 1), ("high", "low"), "classification")
    assert data.sound_options == {"sample_rate": RATE, "seconds": 0.4, "channels": 1}
    assert sum(map(len, (data.train, data.validation, data.test))) == 60  # 0, 0.4 and the last half of each second
    splits = [{str(path) for path in split.inputs.paths} for split in (data.train, data.validation, data.test)]
    assert all(splits) and sum(map(len, splits)) == len(set.union(*splits)) == 20
    for clip, target in zip(data.test.head(8), data.test.targets[:8], strict=True):
        assert strongest(clip[:, 0]) == pytest.approx((1500, 300)[target], abs=3)


@pytest.mark.parametrize(("group", "count"), [("folder", 2), ("day", 4), (r"site(\d)", 3)])
def test_groups_are_folders_days_or_what_an_expression_finds(tmp_path, group, count):
    source = f"sound:{classes_of(tmp_path / 'tones')}"
    if group == "folder":
        with pytest.raises(ValueError, match="units of the split"):  # each class is one folder
            recipes.load(source, group=group, test=0.3)
        return
    data = recipes.load(source, group=group, seconds=1.0, validation=0.0, test=0.3)
    assert f"{count} groups" in data.split_description
    names = [{str(p).partition("site")[2][: 1 if count == 3 else 10] for p in s.inputs.paths}
             for s in (data.train, data.test)]  # fmt: skip
    assert count == 4 or not names[0] & names[1]


def test_a_group_by_day_needs_dates(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "x" / name / "nodate.wav", tone(300 + 9 * ord(name), 1))
    with pytest.raises(ValueError, match=r"needs a date in each file's name.*got a/nodate.wav"):
        recipes.load(f"sound:{tmp_path / 'x'}?group=day")


def test_the_test_split_may_be_a_pattern(tmp_path):
    data = recipes.load(f"sound:{classes_of(tmp_path / 'tones')}", seconds=1.0, test_pattern="site2_", validation=0.0)
    assert len(data.test) == 6 and all("site2_" in name for name in data.test.names)
    assert not any("site2_" in name for name in data.train.names)
    with pytest.raises(ValueError, match="`test_pattern` must match a recording, got 'site9'"):
        recipes.load(f"sound:{tmp_path / 'tones'}", test_pattern="site9")


def test_short_recordings_are_padded_on_both_sides(tmp_path):
    data = recipes.load(f"sound:{classes_of(tmp_path / 'tones', seconds=0.25)}?seconds=0.5")
    clip = data.train.head(1)[0, :, 0]
    assert np.abs(clip[:1000]).max() == np.abs(clip[3000:]).max() == 0 and np.abs(clip[1000:3000]).max() > 0.3


def test_random_crops_differ_in_each_epoch_and_are_reproducible(tmp_path):
    source = f"sound:{classes_of(tmp_path / 'tones')}?seconds=0.25&crop=random"
    one, two = recipes.load(source), recipes.load(source)
    assert len(one.train) + len(one.validation) + len(one.test) == 20
    assert fingerprints(one) == fingerprints(two)
    first, second = one.train.inputs.read(0, epoch=0), one.train.inputs.read(0, epoch=1)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(two.train.inputs.read(0), first)
    np.testing.assert_array_equal(two.train.inputs.read(0, epoch=1), second)
    np.testing.assert_array_equal(one.test.inputs.read(0), one.test.inputs.read(0))
    assert fingerprints(one) == fingerprints(two)


def test_a_resumed_training_reads_the_crops_of_its_epoch(tmp_path):
    data = recipes.load(f"sound:{classes_of(tmp_path / 'tones')}?seconds=0.25&crop=random")
    task = recipes.SoundClassification(batch_size=4, augment=())

    def epochs(first, count):
        with begin_at_epoch(first):
            batches = task.pipeline(data.train, True, None, 2)
        clips = []
        for _ in range(count):
            iter(batches)  # Keras makes two iterators per epoch and reads one
            clips.append(np.concatenate([x for x, *_ in batches.as_numpy_iterator()]))
        return clips

    whole = epochs(0, 3)
    np.testing.assert_array_equal(epochs(2, 1)[0], whole[2])
    sets = [{clip.tobytes() for clip in epoch} for epoch in whole]
    assert len(sets[0]) == len(whole[0]) and not sets[0] & sets[2]


def test_broken_files_are_skipped_and_named(tmp_path):
    root = classes_of(tmp_path / "tones")
    (root / "low" / "empty.wav").write_bytes(b"")
    (root / "low" / "text.wav").write_bytes(b"no sound at all")
    content = (root / "high" / "site0_20240501_053000.wav").read_bytes()
    (root / "high" / "cut.wav").write_bytes(content[:9000])
    write(root / "low" / "silent.wav", np.zeros(RATE))
    write(root / "low" / "loud.wav", np.clip(tone(300, 1, level=4), -1, 1))
    write(root / "low" / "again.wav", np.clip(tone(300, 1, level=4), -1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = recipes.load(f"sound:{root}?seconds=1")
    notes = "\n".join(data.notes)
    assert "skipped 2 recordings that cannot be read" in notes and "low/empty.wav: the file has zero bytes" in notes
    assert "1 recordings are silent, such as low/silent.wav" in notes
    assert "2 recordings are clipped" in notes and "1 recordings equal another one" in notes
    assert "1 recordings are truncated" in notes and "high/cut.wav" in notes
    with pytest.raises(ValueError, match="every recording must be readable, got 2"):
        recipes.load(f"sound:{root}?strict=true")


def test_a_truncated_flac_is_skipped(tmp_path):
    root = classes_of(tmp_path / "tones")
    path = write(root / "low" / "whole.flac", RNG.normal(size=RATE) * 0.1)
    (root / "low" / "cut.flac").write_bytes(path.read_bytes()[:5000])
    with pytest.warns(UserWarning, match=r"skipped 1 recordings that cannot be read. low/cut.flac"):
        recipes.load(f"sound:{root}?seconds=1")


def test_rates_are_resampled_to_the_most_frequent_and_noted(tmp_path):
    root = classes_of(tmp_path / "tones")
    write(root / "low" / "fine.wav", tone(300, 1, 48000), 48000)
    data = recipes.load(f"sound:{root}?seconds=1")
    assert data.sound_options["sample_rate"] == RATE
    assert "1 recordings are resampled from 48,000 to 8,000 Hz" in data.notes


def long_recordings(root):
    """Two recordings of 20 s with tones: 1500 Hz from 2 to 3 s, 300 Hz from 10 to 16 s."""
    for name in ("a", "b"):
        samples = 0.01 * RNG.normal(size=20 * RATE)
        samples[2 * RATE : 3 * RATE] += tone(1500, 1)
        samples[10 * RATE : 16 * RATE] += tone(300, 6)
        write(root / f"{name}.wav", samples)
    return root


TABLES = {
    "labels.csv": "file,start,end,label\n{0}.wav,2,3,high\n{0}.wav,10,16,low\n",
    "{0}.Table.1.selections.txt": "Selection\tView\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tSpecies\n"
    "1\tWaveform 1\t2\t3\t0\thigh\n1\tSpectrogram 1\t2\t3\t0\thigh\n2\tSpectrogram 1\t10\t16\t0\tlow\n",
    "{0}.txt": "2.000\t3.000\thigh\n\\\t1400\t1600\n10.0\t16.0\tlow\n",
    "{0}.BirdNET.results.csv": "Start (s),End (s),Scientific name,Common name,Confidence\n2,3,x,high,0.9\n"
    "10,16,y,low,0.8\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_labels_of_each_tool_give_the_same_clips(tmp_path, name):
    root = long_recordings(tmp_path / "r")
    for recording in ("a", "b"):
        path = root / name.format(recording)
        text = TABLES[name].format(recording)
        path.write_text((path.read_text() + text.partition("\n")[2]) if path.exists() else text)
    data = recipes.load(f"sound:{root}?seconds=2&validation=0&test=0")
    clips = sorted(zip(data.train.inputs.paths, data.train.inputs.starts, data.train.targets, strict=True))
    assert [(str(p)[-5:], s, data.classes[t]) for p, s, t in clips[:4]] == [
        ("a.wav", 1.5, "high"), ("a.wav", 10, "low"), ("a.wav", 12, "low"), ("a.wav", 14, "low"),
    ]  # fmt: skip
    assert len(clips) == 8


@pytest.mark.parametrize("name", ["none of them", "none"])
def test_clips_without_a_label_are_the_background(tmp_path, name):
    root = long_recordings(tmp_path / "r")
    (root / "labels.csv").write_text("file,start,end,label\na,2,3,high\na,10,16,low\nb,2,3,high\nb,10,16,low\n")
    data = recipes.load(
        f"sound:{root / 'labels.csv'}?seconds=2&background={name.replace(' ', '+')}&validation=0&test=0"
    )
    assert data.classes == ("high", "low", name)
    starts = data.train.inputs.starts[data.train.targets == 2]
    assert sorted(starts) == sorted([0, 4, 6, 8, 16, 18] * 2)


def test_several_labels_per_clip(tmp_path):
    root = long_recordings(tmp_path / "r")
    (root / "labels.csv").write_text(
        "file,start,end,label\na,2,3,high\na,2.5,16,low\nb,,,\n".replace("b,,,", "b,0,1,low")
    )
    data = recipes.load(f"sound:{root / 'labels.csv'}?seconds=10&multilabel=true&validation=0&test=0")
    assert data.task == "multilabel" and data.classes == ("high", "low")
    order = np.lexsort([data.train.inputs.starts, data.train.inputs.paths])
    np.testing.assert_array_equal(data.train.targets[order], [[1, 1], [0, 1], [0, 1], [0, 0]])


def test_labels_behind_the_end_are_skipped_or_cut_and_named_with_their_row(tmp_path):
    root = long_recordings(tmp_path / "r")
    table = root / "labels.csv"
    table.write_text("file,start,end,label\na,2,3,high\na,18,25,low\nb,30,31,high\nb,2,3,high\nb,10,12,low\n")
    with pytest.warns(UserWarning) as caught:
        data = recipes.load(f"sound:{table}?seconds=2&validation=0&test=0")
    messages = "\n".join(str(w.message) for w in caught)
    assert "skipped 1 labels that begin behind the end of their recording" in messages
    assert "labels.csv line 4: 30 to 31 s of b.wav, which has 20.00 s" in messages and "line 3: 18 to 25 s" in messages
    assert len(data.train) == 4
    with pytest.raises(ValueError, match="labels must lie within their recording, got 1"):
        recipes.load(f"sound:{table}?strict=true")


def test_two_recordings_of_one_name_need_their_folder(tmp_path):
    for folder in ("north", "south"):
        long_recordings(tmp_path / "r" / folder)
    table = tmp_path / "r" / "labels.csv"
    table.write_text("file,start,end,label\na.wav,2,3,high\n")
    with pytest.raises(ValueError, match=r"'a.wav' in .*labels.csv line 2, which may be north/a.wav and south/a.wav"):
        recipes.load(f"sound:{table}")
    table.write_text("file,start,end,label\nnorth/a.wav,2,3,high\nsouth/a.wav,10,12,low\nnorth/b.wav,2,3,high\n"
                     "south/b.wav,10,12,low\n")  # fmt: skip
    assert len(recipes.load(f"sound:{table}?validation=0&test=0").train) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have rows, got an empty file"),
        ("file,start,end\na,2,3\n", "must have a column label or species"),
        ("file,start,end,label\na,x,3,high\n", r"`start` must be a number of seconds, got 'x' in .* line 2"),
        ("file,start,end,label\na,4,3,high\n", r"must end after its start.* got 4 to 3 s in .* line 2"),
        ("file,start,end,label\nc,2,3,high\n", r"must be of a recording below .*, got 'c' in .* line 2"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line_with_its_row(tmp_path, text, message):
    root = long_recordings(tmp_path / "r")
    (root / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        recipes.load(f"sound:{root / 'labels.csv'}")
    assert "\n" not in str(error.value)


def test_the_column_of_the_class_may_be_named(tmp_path):
    (tmp_path / "x.csv").write_text("file,start,end,species,sex\na,1,2,wren,f\n")
    assert read_label_table(tmp_path / "x.csv", "sex")[0].label == "f"
    with pytest.raises(ValueError, match=r"must have a column 'sexx'.*Did you mean `sex`"):
        read_label_table(tmp_path / "x.csv", "sexx")


def test_a_folder_without_classes_and_tables_says_what_it_must_have(tmp_path):
    write(tmp_path / "r" / "a.wav", tone(300, 1))
    with pytest.raises(ValueError, match="must have one folder of recordings per class.* got 1 recordings that are in"):
        recipes.load(f"sound:{tmp_path / 'r'}")


def test_times_of_recorders(tmp_path):
    assert str(recording_time("S4A1_20240501_053000.wav")) == "2024-05-01 05:30:00"
    assert str(recording_time("5E90A4D4.WAV")) == "2020-04-10 16:54:44"
    assert str(recording_time("x.wav", "Recorded at 05:30:00 01/05/2024 (UTC+1) by AudioMoth")) == "2024-05-01 05:30:00"
    assert recording_time("x.wav") is None and recording_time("99999999_999999.wav") is None


def test_the_header_states_rate_depth_and_length(tmp_path):
    info = sound_info(write(tmp_path / "a.wav", np.zeros((2400, 2)), 24000, subtype="PCM_24"))
    assert (info.sample_rate, info.channels, info.subtype, info.seconds) == (24000, 2, "PCM_24", 0.1)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """An archive of two digits by three speakers, eight times each."""
    path = tmp_path / "digits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for digit in range(2):
            for speaker in ("george", "lucas", "theo"):
                for i in range(8):
                    content = io.BytesIO()
                    seconds = 0.3 + 0.2 * i
                    soundfile.write(
                        content, tone(300 + 900 * digit + 20 * len(speaker) + i, seconds), RATE, format="WAV"
                    )
                    archive.writestr(f"recordings/{digit}_{speaker}_{i}.wav", content.getvalue())
    monkeypatch.setenv("FIELDZOO_SPOKEN_DIGITS", str(path))
    return path


def test_spoken_digits_have_the_customary_split_or_a_speaker_left_out(digits):
    data = recipes.load("spoken_digits:customary")
    assert data.shape == (8000, 1) and data.classes == ("0", "1")
    assert sorted(data.test.names) == sorted(f"{d}_{s}_{i}.wav" for d in range(2) for s in ("george", "lucas", "theo")
                                             for i in range(5))  # fmt: skip
    data = recipes.load("spoken_digits:theo")
    assert len(data.test) == 16 and all("_theo_" in name for name in data.test.names)
    assert not any("_theo_" in name for name in [*data.train.names, *data.validation.names])
    assert data.source_spec.source == "theo"


def test_spoken_digits_say_where_the_archive_is_from(monkeypatch):
    monkeypatch.delenv("FIELDZOO_SPOKEN_DIGITS", raising=False)
    with pytest.raises(
        ValueError, match="FIELDZOO_SPOKEN_DIGITS must be the path of the archive of https://github.com"
    ):
        recipes.load("spoken_digits:customary")
