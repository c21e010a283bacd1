"""Figures of a batch of training examples, as they are read, and histograms of a table's columns."""

import textwrap

import numpy as np

from recipes.data import load
from recipes.data.images.mask_labels import IGNORE
from recipes.reports.column_statistics import frame_of_inputs, is_text
from recipes.reports.image_figures import flow_colors
from recipes.reports.image_statistics import sample_examples
from recipes.reports.report import new_figure
from recipes.reports.segmentation_figures import color_classes
from recipes.reports.sound_figures import spectrogram_figure
from zoo.arguments import checked

IMAGES = 16  # images of a batch
PAIRS = 8  # images with their masks or targets
SERIES = 6
SOUNDS = 8
TEXTS = 8
PANELS = 16  # histograms
LEVELS = 8  # bars of a category
MAX_ROWS = 100_000  # rows of a histogram
TITLE = 28  # characters of a title above a small image
SAMPLED_PIXELS = 2**16  # pixels of an image that its batch's percentiles are taken from
COLORS = "tab10"


def batch_figure(data):
    """Returns a figure of a seeded sample of training examples.

    Images have their class as title, masks are laid over them, series are lines with the steps to forecast, texts are
    excerpts, and tables are histograms of the columns.

    Args:
        data: `Data`.
    """
    examples = next(e for e in (data.train, data.validation, data.test) if len(e))
    if data.kind in ("table", "vector"):
        return _table_columns(data, examples)
    if data.kind == "text":
        return _texts(data, *sample_examples(examples, TEXTS))
    if data.kind == "series":
        return _series(data, *sample_examples(examples, SERIES))
    if data.kind == "sound":
        clips, sample = sample_examples(examples, SOUNDS)
        return spectrogram_figure(clips, _labels(data, sample), data.sound_options["sample_rate"])
    if data.kind == "video":
        return _videos(*sample_examples(examples, 4))
    if data.kind == "pair":
        return _frame_pairs(*sample_examples(examples, 4))
    if data.task == "segmentation":
        return _masks(data, *sample_examples(examples, PAIRS))
    if data.task == "detection":
        return _boxed_images(data, *sample_examples(examples, IMAGES))
    if data.task == "translation":
        return _image_pairs(*sample_examples(examples, PAIRS))
    return _labelled_images(data, *sample_examples(examples, IMAGES))


@checked
def show_batch(source, **options):
    """Returns a matplotlib figure of a seeded sample of training examples; look at it before training.

    >>> recipes.show_batch("folder:photos")

    Args:
        source: anything that `recipes.load` takes.
        **options: of the reader.
    Raises:
        ValueError: as `recipes.load` documents.
    """
    return batch_figure(load(source, **options))


def to_pictures(images):
    """Returns (H, W) or (H, W, 3) pictures from 0 to 1 of a batch, and whether its values were stretched.

    8-bit images of one or three bands are shown as they are. Others have their first three bands, or the first, scaled
    from the batch's 2nd and 98th percentile to 0 and 1; nodata is gray.

    Args:
        images: list of (H, W, C) arrays of one number of bands.
    """
    bands = [image[..., :3] if image.shape[-1] >= 3 else image[..., :1] for image in images]
    if images[0].dtype == np.uint8 and images[0].shape[-1] in (1, 3):
        return [_without_single_band(b / np.float32(255)) for b in bands], False
    count = bands[0].shape[-1]
    steps = [max(1, round((b.size / count / SAMPLED_PIXELS) ** 0.5)) for b in bands]
    values = np.concatenate([b[::s, ::s].reshape(-1, count) for b, s in zip(bands, steps, strict=True)])
    values = values.astype(np.float32)
    values = values[np.isfinite(values).all(1)]
    low, high = np.percentile(values, (2, 98), axis=0) if len(values) else (np.zeros(count), np.ones(count))
    scaled = [np.clip((b.astype(np.float32) - low) / np.maximum(high - low, 1e-6), 0, 1) for b in bands]
    return [_without_single_band(np.where(np.isfinite(x), x, 0.5)) for x in scaled], True


def _without_single_band(picture):
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _panels(count, columns, width, height):
    """Returns a figure and its axes, (N,), of `width` x `height` [inches] each; axes without content are hidden."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(max(width * columns, 3.5), height * rows + 0.35)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.axis("off")
    return figure, axes[:count]


def _show(ax, picture, title=""):
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=(), yticks=())
    ax.set_title(_short(title, TITLE), fontsize=8, parse_math=False)


def _short(text, limit):
    text = " ".join(str(text).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _title(figure, text):
    figure.suptitle(text, fontsize=9, parse_math=False)


def _message(text):
    figure = new_figure(5, 1)
    figure.text(0.5, 0.5, text, ha="center", va="center", parse_math=False)
    return figure


def _labels(data, sample):
    """Returns the title of every example: its class, its labels, or its number."""
    targets = np.asarray(sample.targets)
    if data.task == "classification":
        return [data.classes[i] for i in targets]
    if data.task == "multilabel":
        return [
            ", ".join(c for c, present in zip(data.classes, row, strict=True) if present) or "none" for row in targets
        ]
    if data.task == "regression":
        return [", ".join(f"{v:.4g}" for v in row) for row in targets]
    names = sample.names if sample.names is not None else range(len(targets))
    return [str(name).rpartition("/")[2] for name in names]


def _labelled_images(data, images, sample):
    def heading(stretched):
        return _image_title(data.name, len(images), images[0].shape[-1], stretched)

    return labelled_pictures(images, _labels(data, sample), heading)


def labelled_pictures(images, titles, heading):
    """Returns a figure of images side by side, each with its title.

    Args:
        images: list of (H, W, C) arrays of one number of bands.
        titles: a text for each.
        heading: function of whether the values were stretched for display that returns the title of the figure.
    """
    figure, axes = _panels(len(images), 4, 1.9, _height(1.9, images))
    pictures, stretched = to_pictures(images)
    for ax, picture, title in zip(axes, pictures, titles, strict=True):
        _show(ax, picture, title)
    _title(figure, heading(stretched))
    return figure


def _boxed_images(data, images, sample):
    """Returns images with their boxes, in the colors of the classes; crowds are dashed."""
    from matplotlib.patches import Rectangle

    figure, axes = _panels(len(images), 4, 1.9, _height(1.9, images))
    pictures, stretched = to_pictures(images)
    for ax, picture, target in zip(axes, pictures, sample.targets, strict=True):
        objects = target[target[:, 4] >= 0]
        height, width = picture.shape[:2]
        for x1, y1, x2, y2, label, crowd in objects * [width, height, width, height, 1, 1]:
            style = {"edgecolor": f"C{int(label) % 10}", "linestyle": "--" if crowd else "-"}
            ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, **style))
        names = ", ".join(data.classes[i] for i in np.unique(objects[:, 4].astype(int)))
        _show(ax, picture, f"{len(objects)}: {names}" if len(objects) else "no object")
    _title(figure, _image_title(data.name, len(images), images[0].shape[-1], stretched))
    return figure


def _height(width, images):
    """Returns the height of a panel for images of this width [inches], by their median shape, with its title."""
    aspect = np.median([image.shape[0] / image.shape[1] for image in images])
    return width * float(np.clip(aspect, 0.4, 2.0)) + 0.22


def _image_title(name, count, bands, stretched):
    title = f"{_short(name, 30)}: {count} image{'s' * (count > 1)}" if count > 1 else _short(name, 40)
    return f"{title}\n{'bands 1, 2, 3' if bands >= 3 else 'band 1'}, contrast stretched" if stretched else title


def _masks(data, images, sample):
    """Returns images beside the same images with the classes laid over them."""
    import matplotlib
    from matplotlib.patches import Patch

    colors = matplotlib.colormaps["tab20" if len(data.classes) > 10 else COLORS].colors
    colors = np.array([colors[i % len(colors)] for i in range(len(data.classes))])
    targets = sample.targets
    masks = [targets.read(i) if hasattr(targets, "read") else targets[i] for i in range(len(images))]
    figure, axes = _panels(2 * len(images), 4, 2.1, _height(2.1, images))
    names = sample.names if sample.names is not None else range(len(images))
    for i, (picture, mask, name) in enumerate(zip(to_pictures(images)[0], masks, names, strict=True)):
        picture = np.repeat(picture[..., None], 3, axis=-1) if picture.ndim == 2 else picture
        name = str(name).rpartition("/")[2]
        _show(axes[2 * i], picture, name if len(name) <= TITLE else f"...{name[3 - TITLE :]}")
        _show(axes[2 * i + 1], 0.45 * picture + 0.55 * color_classes(mask, colors), "its classes")
    present = [i for i in range(len(data.classes)) if any((mask == i).any() for mask in masks)]
    patches = [Patch(facecolor=colors[i], label=_short(data.classes[i], TITLE)) for i in present]
    if any((mask == IGNORE).any() for mask in masks):
        patches.append(Patch(facecolor="0.6", label="(ignored)"))
    for text in figure.legend(handles=patches, loc="outside lower center", ncols=4, fontsize=8).get_texts():
        text.set_parse_math(False)
    return figure


def _image_pairs(inputs, sample):
    figure, axes = _panels(2 * len(inputs), 4, 2.0, _height(2.0, inputs))
    targets = to_pictures([np.asarray(target) for target in sample.targets])[0]
    for i, (first, second) in enumerate(zip(to_pictures(inputs)[0], targets, strict=True)):
        _show(axes[2 * i], first, "input")
        _show(axes[2 * i + 1], second, "target")
    return figure


def _frame_pairs(inputs, sample):
    flows = np.asarray(sample.targets)
    figure, axes = _panels(3 * len(flows), 3, 2.3, _height(2.3, inputs["first"]))
    pictures = to_pictures([*inputs["first"], *inputs["second"]])[0]
    for i, flow in enumerate(flows):
        _show(axes[3 * i], pictures[i], "first frame")
        _show(axes[3 * i + 1], pictures[len(flows) + i], "second frame")
        longest = np.nanmax(np.linalg.norm(flow, axis=-1)) if np.isfinite(flow).any() else 0.0
        _show(axes[3 * i + 2], flow_colors(flow), f"motion, up to {longest:.1f} px")
    return figure


def _videos(videos, sample):
    """Returns a row of frames per example: those of the input, then the first of the target."""
    steps = np.unique(np.linspace(0, len(videos[0]) - 1, 5).round().astype(int))
    figure, axes = _panels((len(steps) + 1) * len(videos), len(steps) + 1, 1.5, _height(1.5, videos[0]))
    for row, video, target in zip(axes.reshape(len(videos), -1), videos, sample.targets, strict=True):
        pictures = to_pictures([*video[steps], np.asarray(target)[0]])[0]
        for ax, picture, step in zip(row, pictures, [*steps, None], strict=True):
            _show(ax, picture, "first target" if step is None else f"frame {step + 1}")
    return figure


def _series(data, windows, sample):
    """Returns lines: the standardized channels of a window, or a forecast's target before and after the last row."""
    figure, axes = _panels(len(windows), 2, 5.2, 2.3)
    channels = (
        list(data.columns) if len(data.columns) == data.shape[-1] else [f"channel {i}" for i in range(data.shape[-1])]
    )
    is_forecast = data.task == "forecasting"
    labels = [str(n) for n in sample.names] if is_forecast and sample.names is not None else _labels(data, sample)
    targets = _target_steps(data.outputs) if is_forecast else {}
    past = {name: channels.index(name) for name in targets if name in channels}
    shown = list(past.values()) if past else range(min(len(channels), 6))
    for ax, window, label, row in zip(axes, windows, labels, np.asarray(sample.targets), strict=True):
        steps = np.arange(1 - len(window), 1) if is_forecast else np.arange(1, len(window) + 1)
        for number, i in enumerate(shown):
            values = window[:, i].astype(np.float64)
            ax.plot(steps, values, color=f"C{number}", label=channels[i], linewidth=1.2)
        for number, (name, leads) in enumerate(targets.items()):
            color = f"C{number}" if name in past else f"C{len(shown) + number}"
            ax.plot(list(leads), row[list(leads.values())], ".--", color=color, label=f"{name}, to forecast")
        ax.set_title(_short(label.removesuffix(" 00:00:00"), 60), fontsize=8, parse_math=False)
        ax.tick_params(labelsize=7)
        ax.set_xlabel("steps after the last row" if is_forecast else "step", fontsize=7)
        ax.locator_params(axis="x", integer=True)
        if is_forecast:
            ax.axvline(0.5, color="0.7", linewidth=0.8)
    handles, names = axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    rest = len(channels) - len(shown)
    more = f"{rest} more channel{'s' * (rest > 1)}"
    _title(figure, _short(data.name, 40) + (f"; {more} not shown" if rest else ""))
    return figure


def _target_steps(outputs):
    """Returns name of a target -> dict of step ahead -> index among the outputs."""
    targets = {}
    for i, output in enumerate(outputs):
        name, _, lead = output.rpartition(" +")
        targets.setdefault(name, {})[int(lead)] = i
    return targets


def _texts(data, texts, sample):
    labels = _labels(data, sample)
    figure, axes = _panels(len(texts), 2, 4.6, 1.25)
    for ax, text, label in zip(axes, texts, labels, strict=True):
        lines = textwrap.wrap(_short(text, 500), 78)
        ax.text(0.01, 0.95, "\n".join(lines[:7]), va="top", ha="left", fontsize=7, parse_math=False, wrap=False)
        ax.set(xticks=(), yticks=())
        ax.set_title(_short(label, 60), fontsize=8, parse_math=False)
    _title(figure, _short(data.name, 60))
    return figure


def _table_columns(data, examples):
    """Returns histograms of the targets and the input columns of a split."""
    import pandas as pd

    frame = frame_of_inputs(data, examples.inputs)
    if frame is None:
        return _message(f"{data.name}: the rows are read one after the other")
    targets = np.asarray(examples.targets)
    if data.task == "classification":
        columns = {"target": np.array(data.classes, object)[targets]}
    else:
        names = data.outputs if len(data.outputs) == targets.shape[1] else data.classes
        columns = {f"{name} (target)": targets[:, i] for i, name in enumerate(names[: PANELS // 2])}
    return column_histograms(pd.concat([pd.DataFrame(columns), frame], axis=1))


def column_histograms(frame):
    """Returns a figure of histograms of numbers and bars of the commonest levels, one panel per column.

    Args:
        frame: data frame; at most `PANELS` columns and `MAX_ROWS` rows of it are shown.
    """
    from pandas.api import types

    names = [c for c in frame if frame[c].notna().any()]
    shown = names[:PANELS]
    if not shown:
        return _message("no column has a value")
    figure, axes = _panels(len(shown), 4, 2.6, 2.1)
    sample = frame.sample(MAX_ROWS, random_state=0) if len(frame) > MAX_ROWS else frame
    for ax, name in zip(axes, shown, strict=True):
        values = sample[name].dropna()
        if types.is_datetime64_any_dtype(values):
            values = values.dt.year + values.dt.day_of_year / 366
        if types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
            numbers = values.to_numpy(dtype=np.float64)
            _histogram(ax, numbers[np.isfinite(numbers)])
            ax.set_ylabel("rows", fontsize=7)
        else:
            counts = values.astype(str).value_counts()
            if is_text(len(counts), len(values)):
                ax.text(0.5, 0.5, f"{len(counts):,} distinct texts", ha="center", transform=ax.transAxes, fontsize=8)
                ax.set(xticks=(), yticks=())
            else:
                _bars(ax, counts)
                ax.set_xlabel("rows", fontsize=7)
        gaps = frame[name].isna().mean()
        ax.set_title(_short(name, TITLE) + (f" ({gaps:.0%} gaps)" if gaps else ""), fontsize=8, parse_math=False)
        ax.tick_params(labelsize=7)
    rest = len(names) - len(shown)
    _title(figure, f"{len(frame):,} rows" + (f"; {rest} columns more" if rest else ""))
    return figure


def _histogram(ax, values):
    distinct = np.unique(values)
    if len(distinct) <= 2 * LEVELS and len(distinct) > 1 and (distinct == distinct.round()).all():
        counts = np.array([(values == v).sum() for v in distinct])
        ax.bar(np.arange(len(distinct)), counts, color="C0")
        every = -(-len(distinct) // 6)
        ax.set_xticks(np.arange(len(distinct))[::every], [f"{v:g}" for v in distinct[::every]])
    else:
        ax.hist(values, bins=30, color="C0")
        ax.locator_params(axis="x", nbins=4)
    ax.locator_params(axis="y", nbins=4)


def _bars(ax, counts):
    rest = counts.iloc[LEVELS:].sum()
    top = counts.head(LEVELS)
    labels = [_short(level, 14) for level in top.index]
    values = top.tolist()
    if rest:
        labels.append(f"{len(counts) - LEVELS} more")
        values.append(int(rest))
    ax.barh(np.arange(len(values)), values, color=["C1"] * len(top) + ["0.7"] * bool(rest))
    ax.set_yticks(np.arange(len(values)), labels)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.invert_yaxis()
    ax.locator_params(axis="x", nbins=3)
