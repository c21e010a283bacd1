"""Images of generative models during and after training, and the diagnosis of their discriminator."""

from pathlib import Path

import keras
import numpy as np

MAX_CLASSES = 16  # rows of samples of a class-conditional model
GRID_IMAGES = 64  # images in a grid
GAP = 2  # white pixels between them


class SampleGrids(keras.callbacks.Callback):
    """Writes an image of the model's outputs every few epochs: OUT/samples/epoch_0010.png, and to TensorBoard.

    Args:
        out: the run's folder.
        sample_every: epochs between two images; the last epoch always has one.
        draw: function of the model that returns an (H, W, 1 or 3) uint8 image, from the same noise or inputs each time.
    """

    def __init__(self, out, sample_every, draw):
        super().__init__()
        self.out, self.sample_every, self.draw = Path(out), sample_every, draw

    def on_epoch_end(self, epoch, logs=None):
        is_last = epoch + 1 == self.params["epochs"]
        if (epoch + 1) % self.sample_every and not is_last:
            return
        import tensorflow as tf

        image = enlarge(self.draw(self.model))
        write_png(self.out / "samples" / f"epoch_{epoch + 1:04d}.png", image)
        writer = tf.summary.create_file_writer(str(self.out / "tensorboard" / "samples"))
        with writer.as_default():
            tf.summary.image("samples", image[None], step=epoch)
        writer.close()


def draw_samples(model, count, task, labels=None):
    """Returns `count` samples in the model's range of values, with the task's seed."""
    from zoo.generate.diffusion import Diffusion

    if isinstance(model, Diffusion):
        return np.asarray(model.sample(count, steps=task.steps, seed=task.seed))
    if getattr(model, "classes", None):
        return np.asarray(model.sample(count, seed=task.seed, labels=labels))
    return np.asarray(model.sample(count, seed=task.seed))


def to_unit_range(model, images):
    """Scales images from the model's range of values to 0 to 1."""
    return np.clip((np.asarray(images) - model.low) / (model.high - model.low), 0, 1)


def grid(images, columns=8):
    """Arranges images in a grid, two white pixels apart.

    Args:
        images: (N, H, W, C) from 0 to 1; if C is neither 1 nor 3 only the first band is used.
        columns: images per row.
    Returns:
        (height, width, 1 or 3) uint8.
    """
    images = np.asarray(images)
    images = images if images.shape[-1] in (1, 3) else images[..., :1]
    rows = -(-len(images) // columns)
    height, width, bands = images.shape[1:]
    page = np.ones((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, bands))
    for i, image in enumerate(images):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        page[top : top + height, left : left + width] = image
    return (255 * page + 0.5).astype("uint8")


def panels(inputs, targets, predictions):
    """Arranges triples of input, target and prediction in a grid, two per row.

    Args:
        inputs, targets, predictions: (N, H, W, C) from -1 to 1, each with its own C.
    Returns:
        (height, width, 3) uint8.
    """
    triples = np.stack([to_rgb((images + 1) / 2) for images in (inputs, targets, predictions)], axis=1)
    return grid(triples.reshape(-1, *triples.shape[2:]), 6)


def enlarge(image):
    """Repeats the pixels of a small image until it is at least 384 pixels wide."""
    factor = -(-384 // image.shape[1])
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def to_rgb(images):
    """Converts images to three bands from 0 to 1: one band is repeated, two are padded with 0, more are dropped."""
    images = np.clip(np.asarray(images), 0, 1)
    if images.shape[-1] == 1:
        return np.repeat(images, 3, axis=-1)
    return np.pad(images[..., :3], ((0, 0),) * 3 + ((0, max(0, 3 - images.shape[-1])),))


def write_png(path, image):
    """Writes an (H, W, 1 or 3) uint8 image."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)


def image_figure(image, scale=3):
    """Returns a matplotlib figure of an image, `scale` dots per pixel."""
    from recipes.reports.report import new_figure

    height, width = image.shape[:2]
    figure = new_figure(width * scale / 110, height * scale / 110)
    ax = figure.subplots()
    ax.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255)
    ax.axis("off")
    return figure


def sample_figures(run, split, task):
    """Returns (title, caption, figure) of samples or reconstructions, real images, interpolations and latent plane."""
    model, raw = run.model, getattr(run.data, split).head(GRID_IMAGES)
    real = run.preprocessing.predict(raw, batch_size=256, verbose=0)
    figures = []

    def add(title, caption, images, columns=8):
        figures.append((title, caption, image_figure(grid(to_unit_range(model, images), columns))))

    if hasattr(model, "sample"):
        labels, caption = None, "Drawn from noise, not selected."
        if getattr(model, "classes", None):
            names = run.data.classes[:MAX_CLASSES]
            labels = np.repeat(np.arange(len(names)), 8)
            caption = f"Drawn from noise, not selected; one row per class, from the top: {', '.join(names)}."
        count = GRID_IMAGES if labels is None else len(labels)
        add("Samples", caption, draw_samples(model, count, task, labels))
    elif len(real):
        pairs = np.stack([real[:32], model.predict(real[:32], verbose=0)], 1).reshape(-1, *real.shape[1:])
        add("Reconstructions", "Each image and, to its right, its reconstruction.", pairs)
    add("Real images", f"From the {split} split, for comparison.", real)
    between = interpolations(model, real, task)
    if between is not None:
        add("Interpolations", "Each row interpolates between two images in the latent space.", between)
    if getattr(model, "latent", None) == 2 or _latent_size(model) == 2:
        plane = np.stack(np.meshgrid(np.linspace(-2, 2, 12), np.linspace(2, -2, 12)), -1).reshape(-1, 2)
        decoder = model.decoder if hasattr(model, "decoder") else model.generator
        images = decoder.predict(plane.astype("float32"), verbose=0)
        add("Latent plane", "Decoded points of the two-dimensional latent space, from -2 to 2.", images, 12)
    return figures


def _latent_size(model):
    """Returns the latent size of a model with a decoder of vectors, else None."""
    shape = model.decoder.input.shape if hasattr(model, "decoder") else (None,)
    return shape[-1] if len(shape) == 2 else None


def interpolations(model, images, task):
    """Returns (4 * 8, H, W, C) interpolations between four pairs, or None if the model has no latent space for it."""
    from zoo.generate.adversarial import Adversarial
    from zoo.generate.generative import noise
    from zoo.generate.pix2pix import Translator

    rows = 4
    if not hasattr(model, "interpolate") or isinstance(model, Translator) or len(images) < 2 * rows:
        return None
    ends = noise(2 * rows, model.latent, task.seed) if isinstance(model, Adversarial) else images[: 2 * rows]
    return np.concatenate([np.asarray(model.interpolate(ends[2 * i], ends[2 * i + 1], 8)) for i in range(rows)])


def diagnose_discriminator(history):
    """Returns a list with one sentence if the discriminator is too strong for the generator to learn, else none."""
    discriminator, generator = (history.get(f"{name}_loss") for name in ("discriminator", "generator"))
    if not (discriminator and generator and np.mean(discriminator[-3:]) < 0.1 < np.mean(generator[-3:])):
        return []
    return [
        "The discriminator is too strong: its loss is almost 0, so the generator learns little. Lower its learning "
        "rate, or make it smaller."
    ]
