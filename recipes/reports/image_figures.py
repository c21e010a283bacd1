"""Pictures of restored images and of motion, for the report."""

import numpy as np

from recipes.reports.report import new_figure

SHOWN, SIDE = 4, 160  # examples in a figure, and the side of what is shown of an image [pixels]


def restorations(recipe, run, part, found):
    """The middle of some images as clean, degraded, answer and error."""
    order = np.argsort(found["psnr_by_image"])
    chosen = list(dict.fromkeys(order[np.linspace(0, len(order) - 1, min(SHOWN - 1, len(order))).astype(int)].tolist()))
    shown = {i: images for i, images in enumerate(recipe.restored(run, part)) if i in chosen}
    figure = new_figure(12, 3 * len(chosen))
    names = getattr(run.data, part).names
    for axes, i in zip(figure.subplots(len(chosen), 4, squeeze=False), chosen, strict=True):
        clean, _, trivial, answer = shown[i]
        before, after = found["baseline"]["psnr_by_image"][i], found["psnr_by_image"][i]
        told = (
            str(names[i]) if names is not None else "clean",
            f"degraded, {before:.2f} dB",
            f"answer, {after:.2f} dB",
        )
        for ax, title, picture in zip(axes, told, (clean, trivial, answer), strict=False):
            ax.imshow(middle(np.clip(picture, 0, 1)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(title, fontsize="small")
        error = middle(255 * np.abs(np.clip(answer, 0, 1) - clean).mean(-1, keepdims=True))
        drawn = axes[3].imshow(error, cmap="magma", vmin=0, vmax=25, interpolation="nearest")
        axes[3].set_title(f"error, {error.mean():.1f} on average", fontsize="small")
        figure.colorbar(drawn, ax=axes[3], shrink=0.8)
        for ax in axes:
            ax.set(xticks=(), yticks=())
    return figure


def middle(image):
    """The middle of an image; without its last axis where that is one band."""
    top, left = (max(0, (s - SIDE) // 2) for s in image.shape[:2])
    image = image[top : top + SIDE, left : left + SIDE]
    return image[..., 0] if image.shape[-1] == 1 else image[..., :3]


def by_image(run, part, found):
    """The PSNR of the answers and of the trivial ones, image by image."""
    names, count = getattr(run.data, part).names, len(found["psnr_by_image"])
    figure = new_figure(6.5, 1.2 + 0.45 * count)
    ax, places = figure.subplots(), np.arange(count)
    for shift, values, label in (
        (-0.2, found["psnr_by_image"], "answer"),
        (0.2, found["baseline"]["psnr_by_image"], found["baseline"]["name"]),
    ):
        drawn = ax.barh(places + shift, values, 0.38, label=label)
        ax.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
    ax.set_yticks(places, places if names is None else [str(n) for n in names[:count]])
    ax.set(xlabel="PSNR [dB]", xlim=(0, 1.2 * max(found["psnr_by_image"])))
    ax.invert_yaxis()
    ax.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def motions(run, part):
    """Some pairs of a part, from the least to the most wrong: frames, true and answered flow, what is left."""
    from recipes.tasks.motion import seen

    examples, answers = getattr(run.data, part), run.answers(part)
    first, second = (examples.inputs[n].astype("float32") / 255 for n in ("first", "second"))
    warped = np.stack([seen(image, flow) for image, flow in zip(second, answers, strict=True)])
    left = np.abs(warped - first).mean((1, 2, 3))
    chosen = np.argsort(left)[np.linspace(0, len(left) - 1, min(SHOWN, len(left))).astype(int)]
    figure = new_figure(13, 2.3 * len(chosen) + 0.3)
    axes = figure.subplots(len(chosen), 6, squeeze=False)
    for row, i in zip(axes, chosen, strict=True):
        truth = examples.targets[i]
        longest = float(np.nanmax(np.linalg.norm(truth, axis=-1))) if np.isfinite(truth).any() else None
        before, after = (np.abs(x[i] - first[i]).mean(-1) for x in (second, warped))
        for ax, title, picture in (
            (row[0], "first", first[i]),
            (row[1], "second", second[i]),
            (row[2], "true flow" if longest else "no true flow", flow_colours(truth, longest)),
            (row[3], "answered flow", flow_colours(answers[i], longest)),
            (row[4], f"as it is, {255 * before.mean():.1f} of 255", before),
            (row[5], f"warped, {255 * after.mean():.1f} of 255", after),
        ):
            rest = picture.ndim == 2  # what is left, which has no bands
            if not rest:
                picture = picture[..., 0] if picture.shape[-1] == 1 else picture[..., :3]
            ax.imshow(picture, cmap="magma" if rest else "gray", vmin=0, vmax=0.3 if rest else 1)
            ax.set_title(title, fontsize="small")
            ax.set(xticks=(), yticks=())
    place = np.linspace(-1, 1, 64)
    wheel = np.stack(np.meshgrid(place, place), axis=-1)
    wheel[np.linalg.norm(wheel, axis=-1) > 1] = 0
    small = axes[0][3].inset_axes((0.72, 0.0, 0.28, 0.28))
    small.imshow(flow_colours(wheel, 1.0))
    small.set(xticks=(), yticks=())
    return figure


def flow_colours(flow, longest=None):
    """(H, W, 3) colours of an (H, W, 2) flow: the hue is the direction, the strength the length; grey is not known.

    Args:
        flow: (u, v), NaN where it is not known.
        longest: length of the strongest colours; the longest of the flow if None.
    """
    from matplotlib.colors import hsv_to_rgb

    known = np.isfinite(flow).all(-1)
    flow = np.where(known[..., None], flow, 0)
    length = np.linalg.norm(flow, axis=-1)
    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
    strength = np.clip(length / max(longest or length.max(), 1e-6), 0, 1)
    colours = hsv_to_rgb(np.stack([hue, strength, np.ones_like(hue)], axis=-1))
    return np.where(known[..., None], colours, 0.6)
