"""Pictures of what a generative model makes, while it learns and afterwards, and what they tell."""

from pathlib import Path

import keras
import numpy as np

ROWS = 16  # classes that samples are shown of
SHOWN = 64  # images in a grid


class SampleGrids(keras.callbacks.Callback):
    """Writes a picture of what the model makes after some epochs: OUT/samples/epoch_0010.png, and for TensorBoard.

    Args:
        out: the run's folder.
        sample_every: epochs between two pictures; the last epoch has one in any case.
        draw: function of the model to an (H, W, 1 or 3) uint8 picture, always of the same noise or inputs.
    """

    def __init__(self, out, sample_every, draw):
        super().__init__()
        self.out, self.sample_every, self.draw = Path(out), sample_every, draw

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params["epochs"]
        if (epoch + 1) % self.sample_every and not last:
            return
        import tensorflow as tf

        picture = enlarged(self.draw(self.model))
        write_png(self.out / "samples" / f"epoch_{epoch + 1:04d}.png", picture)
        writer = tf.summary.create_file_writer(str(self.out / "tensorboard" / "samples"))
        with writer.as_default():
            tf.summary.image("samples", picture[None], step=epoch)
        writer.close()


def drawn(model, count, recipe, labels=None):
    """`count` samples in the model's range, the same for the same recipe."""
    from zoo.generate.diffusion import Diffusion

    if isinstance(model, Diffusion):
        return np.asarray(model.sample(count, steps=recipe.steps, seed=recipe.seed))
    if getattr(model, "classes", None):
        return np.asarray(model.sample(count, seed=recipe.seed, labels=labels))
    return np.asarray(model.sample(count, seed=recipe.seed))


def scaled(model, images):
    """Images from the model's range to 0 to 1."""
    return np.clip((np.asarray(images) - model.low) / (model.high - model.low), 0, 1)


def grid(images, columns=8, gap=2):
    """One picture of images side by side.

    Args:
        images: (N, H, W, C) from 0 to 1; C is 1 or 3, else the first band is shown.
        columns: images in a row.
        gap: white pixels between them.
    Returns:
        (rows, columns, 1 or 3) uint8.
    """
    images = np.asarray(images)
    images = images if images.shape[-1] in (1, 3) else images[..., :1]
    rows = -(-len(images) // columns)
    height, width, bands = images.shape[1:]
    page = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, bands))
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        page[top : top + height, left : left + width] = image
    return (255 * page + 0.5).astype("uint8")


def panels(given, targets, answers, columns=2):
    """One picture of pairs as input, target and answer side by side, `columns` pairs in a row.

    Args:
        given, targets, answers: (N, H, W, C) from -1 to 1, each with its own C.
        columns: pairs in a row.
    Returns:
        (rows, columns, 3) uint8.
    """
    three = np.stack([coloured((images + 1) / 2) for images in (given, targets, answers)], axis=1)
    return grid(three.reshape(-1, *three.shape[2:]), 3 * columns)


def enlarged(picture, side=384):
    """A picture whose pixels are repeated until it is `side` wide or more, for small images to be seen."""
    often = -(-side // picture.shape[1])
    return picture.repeat(often, axis=0).repeat(often, axis=1)


def coloured(images):
    """Images of any number of bands as three, clipped to 0 to 1: grey repeated, two filled up by 0, the first three."""
    images = np.clip(np.asarray(images), 0, 1)
    if images.shape[-1] == 1:
        return np.repeat(images, 3, axis=-1)
    return np.pad(images[..., :3], ((0, 0),) * 3 + ((0, max(0, 3 - images.shape[-1])),))


def write_png(path, picture):
    """Writes an (H, W, 1 or 3) uint8 picture."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(path)


def shown(picture, scale=3):
    """A picture as a matplotlib figure, each pixel a square."""
    from recipes.reports.report import new_figure

    height, width = picture.shape[:2]
    figure = new_figure(width * scale / 110, height * scale / 110)
    ax = figure.subplots()
    ax.imshow(picture if picture.shape[-1] == 3 else picture[..., 0], cmap="gray", vmin=0, vmax=255)
    ax.axis("off")
    return figure


def pictures(run, part, recipe):
    """What the report shows: (title, what to see, figure) of samples, real images, and ways between them."""
    from recipes.tasks.generation import real

    model = run.model
    held = real(run, part)[:SHOWN]
    found = []
    if hasattr(model, "sample"):
        labels, told = None, "Made of noise; none of them was chosen."
        if getattr(model, "classes", None):
            names = run.data.classes[:ROWS]
            labels = np.repeat(np.arange(len(names)), 8)
            told = f"Made of noise, none chosen; each row of one class, from the top: {', '.join(names)}."
        samples = drawn(model, SHOWN if labels is None else len(labels), recipe, labels)
        found.append(("Samples", told, shown(grid(scaled(model, samples)))))
    elif len(held):
        both = np.stack([held[:32], model.predict(held[:32], verbose=0)], 1).reshape(-1, *held.shape[1:])
        found.append(
            ("Reconstructions", "Each image and, to its right, what comes out.", shown(grid(scaled(model, both))))
        )
    found.append(("Real images", f"From the {part} part, to compare with.", shown(grid(scaled(model, held)))))
    between = paths(model, held, recipe)
    if between is not None:
        told = "Each row goes from one image to another through the space of codes."
        found.append(("On the way from one to another", told, shown(grid(scaled(model, between)))))
    if getattr(model, "latent", None) == 2 or _codes(model) == 2:
        plane = np.stack(np.meshgrid(np.linspace(-2, 2, 12), np.linspace(2, -2, 12)), -1).reshape(-1, 2)
        maker = model.decoder if hasattr(model, "decoder") else model.generator
        images = maker.predict(plane.astype("float32"), verbose=0)
        found.append(
            (
                "The plane of codes",
                "Each place of the latent plane, from -2 to 2.",
                shown(grid(scaled(model, images), 12)),
            )
        )
    return found


def _codes(model):
    """Length of the code of a model with a decoder, or None."""
    shape = model.decoder.input.shape if hasattr(model, "decoder") else (None,)
    return shape[-1] if len(shape) == 2 else None


def paths(model, held, recipe, rows=4):
    """(rows * 8, H, W, C) images on the way between pairs, or None where the model has no such space."""
    from zoo.generate.adversarial import Adversarial
    from zoo.generate.generative import noise
    from zoo.generate.pix2pix import Translator

    if not hasattr(model, "interpolate") or isinstance(model, Translator) or len(held) < 2 * rows:
        return None
    ends = noise(2 * rows, model.latent, recipe.seed) if isinstance(model, Adversarial) else held[: 2 * rows]
    return np.concatenate([np.asarray(model.interpolate(ends[2 * i], ends[2 * i + 1], 8)) for i in range(rows)])


def contest(history):
    """A sentence in a list where the discriminator's losses leave the generator nothing to learn; else none."""
    judge, maker = (history.get(f"{name}_loss") for name in ("discriminator", "generator"))
    if not (judge and maker and np.mean(judge[-3:]) < 0.1 < np.mean(maker[-3:])):
        return []
    return [
        "The discriminator is too strong: its loss is almost 0, so the generator learns little. Lower its rate, or "
        "give it less to see."
    ]


def signs(run):
    """What losses and figures say of a generative training, in plain words."""
    history, said = run.history, []
    part = "test" if len(run.data.test) else "validation"
    found = run.evaluate(part)
    if not hasattr(run.model, "critic_steps"):
        said += contest(history)
    if "recall" in found and found["recall"] < 0.1 and found["precision"] > 2 * found["recall"]:
        said.append(
            f"Mode collapse: samples look real ({found['precision']:.0%}) but are like only {found['recall']:.0%} of "
            "the real images. Train longer, or take wgan_gp, whose critic punishes this."
        )
    if "kl" in history and history["kl"][-1] < 0.5:
        said.append(
            f"Posterior collapse: the code carries {history['kl'][-1]:.2f} nats; the decoder ignores it. Lower `beta`, "
            "or take a weaker decoder."
        )
    if found.get("copies", 0) > 0.1:
        said.append(
            f"It copies: {found['copies']:.0%} of the samples are nearer to a training image than held-out images are. "
            "More data, or a smaller model."
        )
    if found["skill"] <= 0:
        said.append(f"Samples are no nearer to real images than {found['baseline']['name']}: train longer.")
    return said or ["Nothing looks wrong: no collapse, no copies, and the samples beat the trivial baseline."]
