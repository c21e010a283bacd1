"""Figures of sound: spectrograms with axes in Hz and seconds, explanations over both, and players."""

import base64
import io
import itertools
import typing

import numpy as np

from recipes.reports.report import confident_mistakes, correct_examples, new_figure
from zoo.introspect.spectrogram import split_at_spectrogram
from zoo.layers.spectrogram import Spectrogram

SHOWN = 6  # examples of a figure
PLAYED_SECONDS = 10.0  # of a clip in a player
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000)  # of players [Hz]
TICKS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)  # [Hz]
LEAST_TICKS = 2  # of `TICKS` that an axis must have; else its ends are labelled
METHODS = {  # method -> its title
    "gradcam": "Grad-CAM",
    "occlusion": "occlusion",
}


class Players(typing.NamedTuple):
    """Sounds that a page plays: a list of (label, data URI)."""

    sounds: list


def draw_spectrogram(ax, values, layer, seconds, **style):
    """Draws (bands, steps) values over seconds and Hz.

    Args:
        ax: Matplotlib's axes.
        values: of a spectrogram, or a map of its size.
        layer: `Spectrogram` that computes it.
        seconds: length of the sound [s].
        **style: of `imshow`.
    """
    frequencies = np.asarray(layer.frequencies)
    ax.imshow(values, origin="lower", aspect="auto", extent=(0, seconds, -0.5, len(frequencies) - 0.5), **style)
    ticks = [tick for tick in TICKS if frequencies[0] <= tick <= frequencies[-1]]
    ticks = ticks if len(ticks) >= LEAST_TICKS else frequencies[[0, -1]]
    places = np.interp(ticks, frequencies, np.arange(len(frequencies)))
    ax.set_yticks(places, [f"{tick:,.0f}" for tick in ticks], fontsize=7)
    ax.tick_params(labelsize=7)
    ax.set_xlabel("time [s]", fontsize=8)
    ax.set_ylabel("frequency [Hz]", fontsize=8)


def spectrogram_figure(clips, titles, sample_rate):
    """Returns a figure of the spectrograms of clips, four in a row.

    Args:
        clips: list of (samples, 1) arrays.
        titles: of the panels.
        sample_rate: [Hz].
    """
    layer = _layer(sample_rate, len(clips[0]))
    columns = min(4, len(clips))
    rows = -(-len(clips) // columns)
    figure = new_figure(max(2.8 * columns, 3.5), 2.2 * rows + 0.35)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(clips) :]:
        ax.axis("off")
    for ax, clip, title in zip(axes, clips, titles, strict=False):
        values = np.asarray(layer(np.asarray(clip)[None]))[0, ..., 0]
        draw_spectrogram(ax, values, layer, len(clip) / sample_rate, cmap="magma")
        ax.set_title(title, fontsize=8, parse_math=False)
    return figure


def _layer(sample_rate, samples):
    """Returns the `Spectrogram` of figures for models without one; its windows fit clips of so many samples."""
    window = min(0.032, samples / sample_rate / 2)
    return Spectrogram(sample_rate, window=window, hop=min(0.01, window / 2), low=min(50.0, sample_rate / 8))


def attribution_figures(run, split):
    """Returns (title, caption, figure) of correct predictions and of confident mistakes, and players of the latter.

    Args:
        run: `Run` on sound.
        split: train, validation or test.
    """
    examples, probabilities = getattr(run.data, split), run.predict_split(split)
    predicted, targets = probabilities.argmax(-1), examples.targets
    if targets.ndim > 1:  # a label that is present is correct
        present = targets[np.arange(len(targets)), predicted] > 0
        targets = np.where(present, predicted, targets.argmax(-1))
        targets = np.where(~present & (targets == predicted), -1, targets)
    correct = correct_examples(targets, predicted, len(run.classes), SHOWN)
    mistakes = confident_mistakes(targets, probabilities, SHOWN)
    figures = []
    for title, indices in (("What mattered in correct predictions", correct), ("Most confident mistakes", mistakes)):
        if not len(indices):
            continue
        clips = np.asarray(examples.take(indices).head(len(indices)))
        titles = [_title(run.classes, predicted[i], probabilities[i, predicted[i]], targets[i]) for i in indices]
        figure, caption = explanation_figure(run, clips, predicted[indices], titles)
        figures.append((title, caption, figure))
    if len(mistakes):
        rate = run.schema.sound["sample_rate"]
        sounds = [
            (title.replace("\n", ", "), audio_uri(clip[:, 0], rate)) for clip, title in zip(clips, titles, strict=True)
        ]
        figures.append(("The mistakes to hear", "At most the first 10 s of each clip.", Players(sounds)))
    return figures


def _title(classes, predicted, probability, target):
    true = "" if target == predicted else f"\ntrue: {classes[target] if target >= 0 else 'none'}"
    return f"{classes[predicted]} {probability:.0%}{true}"


def explanation_figure(run, clips, classes, titles, methods=tuple(METHODS), arguments=None):
    """Returns a figure with a row for each clip: its spectrogram, and maps of what mattered over it; and its caption.

    Args:
        run: `Run` on sound.
        clips: (N, samples, 1).
        classes: (N,) index of the class that is explained.
        titles: of the rows.
        methods: names of methods of `zoo.explain`.
        arguments: of the methods, or None.
    """
    sound = run.schema.sound
    parts = split_at_spectrogram(run.model)
    inputs = run.preprocessing.predict_on_batch(np.asarray(clips))
    layer = parts.layer if parts else _layer(sound["sample_rate"], inputs.shape[1])
    spectrograms = np.asarray(layer(inputs))[..., 0]
    maps, caption = maps_over_spectrograms(
        run.model, parts, inputs, classes, spectrograms.shape[1:], methods, arguments
    )
    figure = new_figure(3.1 * (1 + len(maps)), 2.2 * len(clips))
    grid = figure.subplots(len(clips), 1 + len(maps), squeeze=False)
    for row, spectrogram, title, *row_maps in zip(grid, spectrograms, titles, *maps.values(), strict=True):
        draw_spectrogram(row[0], spectrogram, layer, sound["seconds"], cmap="magma")
        row[0].set_title(title, fontsize=8, parse_math=False)
        for ax, values, method in zip(row[1:], row_maps, maps, strict=True):
            draw_spectrogram(ax, spectrogram, layer, sound["seconds"], cmap="gray")
            limit = float(np.abs(values).max()) or 1.0
            opacity = np.clip(np.abs(values) / limit, 0, 1) * 0.75
            extent = ax.images[0].get_extent()
            style = {"origin": "lower", "aspect": "auto", "extent": extent, "cmap": "RdBu_r", "vmin": -limit}
            ax.imshow(values, vmax=limit, alpha=opacity, **style)
            ax.set_title(METHODS.get(method, method.replace("_", " ")), fontsize=8)
    return figure, caption


def maps_over_spectrograms(model, parts, inputs, classes, size, methods, arguments=None):
    """Returns (method -> (N, bands, steps) maps, caption); methods that do not apply to the model are left out.

    Args:
        model: that takes sounds.
        parts: `SpectrogramParts` of the model; None for a model without a spectrogram, whose maps are over time alone.
        inputs: (N, samples, C) preprocessed sounds.
        classes: (N,) index of the class that is explained.
        size: (bands, steps) of the maps.
        methods: names of methods of `zoo.explain`.
        arguments: of the methods, or None.
    """
    from zoo import explain

    explained = parts.classifier if parts else model
    values = parts.front.predict_on_batch(inputs) if parts else inputs
    unsupported, maps = explain.methods(explained), {}
    for method in methods:
        if unsupported[method]:
            continue
        options = dict(arguments or {})
        if method == "occlusion" and parts:  # the floor of the spectrogram is silence
            options = {"fill": (float(values.min()),), **options}
        result = getattr(explain, method)(explained, values, [int(c) for c in classes], **options)
        maps[method] = result if parts else _over_time(result, size)
    caption = (
        "Red supports the predicted class, blue opposes it. Grad-CAM (Selvaraju et al. 2016) weighs the last feature "
        "map; occlusion (Zeiler and Fergus 2013) replaces patches of the spectrogram by silence."
    )
    return maps, caption if parts else f"{caption} The model hears samples, so that the maps are over time alone."


def _over_time(values, size):
    """Returns (N, bands, steps) of maps over samples (N, T): their mean in each step, in every band."""
    edges = np.linspace(0, values.shape[1], size[1] + 1).astype(int)
    steps = np.stack([values[:, a : max(b, a + 1)].mean(1) for a, b in itertools.pairwise(edges)], 1)
    return np.repeat(steps[:, None], size[0], axis=1)


def audio_uri(samples, sample_rate):
    """Returns a sound as the data URI of a small MP3 file, at most 10 s at 24 kHz.

    Args:
        samples: (N,) from -1 to 1.
        sample_rate: [Hz].
    """
    import soundfile
    import soxr

    samples = np.clip(np.asarray(samples, np.float32)[: round(PLAYED_SECONDS * sample_rate)], -1, 1)
    rate = max((r for r in MP3_RATES if r <= sample_rate), default=MP3_RATES[0])
    if rate != sample_rate:
        samples = soxr.resample(samples, sample_rate, rate)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="MP3")
    return "data:audio/mpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
