"""Figures of restored images and of optical flow."""

import numpy as np

from recipes.reports.report import new_figure
from zoo.layers.warp import Warp

EXAMPLES = 4  # rows of a figure
CROP = 160  # side of the visible center of a restored image [pixels]


def restorations(run, split, metrics, restored):
    """Plots the center of some images, from the lowest to the highest PSNR: clean, degraded, predicted, error.

    Args:
        run: a `Run` of `Restoration`.
        split: train, validation or test.
        metrics: of the run on the split.
        restored: what `Restoration.restore_split` yields for the split.
    """
    order = np.argsort(metrics["psnr_by_image"])
    positions = np.linspace(0, len(order) - 1, min(EXAMPLES - 1, len(order))).astype(int)
    indices = list(dict.fromkeys(order[positions].tolist()))
    images = {i: image for i, image in enumerate(restored) if i in indices}
    figure = new_figure(12, 3 * len(indices))
    names = getattr(run.data, split).names
    for axes, i in zip(figure.subplots(len(indices), 4, squeeze=False), indices, strict=True):
        clean, _, degraded, prediction = images[i]
        psnr_degraded, psnr = metrics["baseline"]["psnr_by_image"][i], metrics["psnr_by_image"][i]
        titles = (
            str(names[i]) if names is not None else "clean",
            f"degraded, {psnr_degraded:.2f} dB",
            f"prediction, {psnr:.2f} dB",
        )
        for ax, title, image in zip(axes, titles, (clean, degraded, prediction), strict=False):
            ax.imshow(crop_center(np.clip(image, 0, 1)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(title, fontsize="small")
        error = crop_center(255 * np.abs(np.clip(prediction, 0, 1) - clean).mean(-1, keepdims=True))
        mesh = axes[3].imshow(error, cmap="magma", vmin=0, vmax=25, interpolation="nearest")
        axes[3].set_title(f"absolute error, mean {error.mean():.1f} of 255", fontsize="small")
        figure.colorbar(mesh, ax=axes[3], shrink=0.8)
        for ax in axes:
            ax.set(xticks=(), yticks=())
    return figure


def crop_center(image):
    """Returns the central `CROP` x `CROP` pixels, (h, w) of a single band or (h, w, 3)."""
    top, left = (max(0, (s - CROP) // 2) for s in image.shape[:2])
    image = image[top : top + CROP, left : left + CROP]
    return image[..., 0] if image.shape[-1] == 1 else image[..., :3]


def psnr_by_image(run, split, metrics):
    """Plots the PSNR of the predictions and of the baseline for each image."""
    names, count = getattr(run.data, split).names, len(metrics["psnr_by_image"])
    figure = new_figure(6.5, 1.2 + 0.45 * count)
    ax, positions = figure.subplots(), np.arange(count)
    for shift, values, label in (
        (-0.2, metrics["psnr_by_image"], "this model"),
        (0.2, metrics["baseline"]["psnr_by_image"], metrics["baseline"]["name"]),
    ):
        bars = ax.barh(positions + shift, values, 0.38, label=label)
        ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    ax.set_yticks(positions, positions if names is None else [str(n) for n in names[:count]])
    ax.set(xlabel="PSNR [dB]", xlim=(0, 1.2 * max(metrics["psnr_by_image"])))
    ax.invert_yaxis()
    ax.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def flow_panels(run, split):
    """Plots frame pairs from the lowest to the highest warp error: frames, true flow, predicted flow, differences."""
    examples, predictions = getattr(run.data, split), run.predict_split(split)
    first, second = (examples.inputs[n].astype("float32") / 255 for n in ("first", "second"))
    warp = Warp()
    warped = np.stack(
        [
            np.asarray(warp([image[None], flow[None].astype("float32")]))[0]
            for image, flow in zip(second, predictions, strict=True)
        ]
    )
    errors = np.abs(warped - first).mean((1, 2, 3))
    indices = np.argsort(errors)[np.linspace(0, len(errors) - 1, min(EXAMPLES, len(errors))).astype(int)]
    figure = new_figure(13, 2.3 * len(indices) + 0.3)
    axes = figure.subplots(len(indices), 6, squeeze=False)
    for row, i in zip(axes, indices, strict=True):
        target = examples.targets[i]
        longest = float(np.nanmax(np.linalg.norm(target, axis=-1))) if np.isfinite(target).any() else None
        before, after = (np.abs(x[i] - first[i]).mean(-1) for x in (second, warped))
        for ax, title, image in (
            (row[0], "first frame", first[i]),
            (row[1], "second frame", second[i]),
            (row[2], "true flow" if longest else "no true flow", flow_colors(target, longest)),
            (row[3], "predicted flow", flow_colors(predictions[i], longest)),
            (row[4], f"difference, {255 * before.mean():.1f} of 255", before),
            (row[5], f"after warping, {255 * after.mean():.1f} of 255", after),
        ):
            is_difference = image.ndim == 2
            if not is_difference:
                image = image[..., 0] if image.shape[-1] == 1 else image[..., :3]
            ax.imshow(image, cmap="magma" if is_difference else "gray", vmin=0, vmax=0.3 if is_difference else 1)
            ax.set_title(title, fontsize="small")
            ax.set(xticks=(), yticks=())
    coordinates = np.linspace(-1, 1, 64)
    wheel = np.stack(np.meshgrid(coordinates, coordinates), axis=-1)
    wheel[np.linalg.norm(wheel, axis=-1) > 1] = 0
    inset = axes[0][3].inset_axes((0.72, 0.0, 0.28, 0.28))
    inset.imshow(flow_colors(wheel, 1.0))
    inset.set(xticks=(), yticks=())
    return figure


def flow_colors(flow, longest=None):
    """Converts an (H, W, 2) flow to (H, W, 3) colors: hue is the direction, saturation the length; unknown is gray.

    Args:
        flow: (u, v) [pixels], NaN where unknown.
        longest: length of full saturation [pixels]; default the longest of the flow.
    """
    from matplotlib.colors import hsv_to_rgb

    valid = np.isfinite(flow).all(-1)
    flow = np.where(valid[..., None], flow, 0)
    length = np.linalg.norm(flow, axis=-1)
    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
    saturation = np.clip(length / max(longest or length.max(), 1e-6), 0, 1)
    colors = hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], axis=-1))
    return np.where(valid[..., None], colors, 0.6)
