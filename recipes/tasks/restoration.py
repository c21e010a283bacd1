"""Restoration: denoising or super-resolution, learned from clean images that are degraded on purpose."""

from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.data.augment import Augmentation
from recipes.data.images.image_patches import from_image_list, in_patches, iterate_images
from recipes.data.preprocessing import preprocessing
from recipes.data.split import SplitOptions
from recipes.losses import Charbonnier
from recipes.metrics import PSNR, crop_border
from recipes.reports.verdict import mean_score, verdict
from recipes.training.task import Task, task
from zoo.arguments import Count, Positive
from zoo.layers.bicubic import Bicubic
from zoo.registry import entry

LUMINANCE = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # of red, green, blue: ITU-R BT.601, as Matlab's rgb2ycbcr
LISTED_IMAGES = 20  # images whose own PSNR is in the metrics
LOSSES = {"mse": "mse", "mae": "mae", "charbonnier": Charbonnier}


@task
class Restoration(Task):
    """Denoising or super-resolution, learned from clean images.

    The data are clean 8-bit images, as `Data` or as a list of (H, W, C) arrays; labels are not used. The model restores
    images. The task degrades the images itself:

    - noise: adds independent Gaussian noise of standard deviation `sigma`, neither clipped nor rounded, as in DnCNN's
      paper;
    - bicubic: cuts to a multiple of `scale`, reduces the size `scale` times by antialiased bicubic interpolation (Keys,
      a = -1/2, as Matlab's and Pillow's), clips and rounds to 8 bits. A model whose output has the size of its input
      gets the image upsampled bicubically first, as SRCNN does.

    Training images are patches; their noise is drawn anew in each epoch. The other splits have fixed noise, and the
    test split has whole photos. Predictions are clipped and rounded to 8 bits and evaluated as in the papers: PSNR and
    SSIM of all bands for noise; for super-resolution of the luminance (BT.601, 16 to 235) without `scale` pixels at
    each side, where images have three bands. The baseline is the noisy image, or bicubic upsampling. `gain_db` is the
    difference in PSNR to the baseline, averaged over the images.

    Args:
        degradation: noise or bicubic.
        sigma: standard deviation of the noise [gray levels of 255].
        scale: upsampling factor.
        patch: side of a training patch [pixels of the clean image]; for bicubic a multiple of `scale`.
        loss: mse, mae or charbonnier.
        **kwargs: as `Task` has them.
    """

    augment: tuple = ("flip", "flip_vertical")
    degradation: Literal["noise", "bicubic"] = "noise"
    sigma: Positive = 25.0
    scale: Literal[2, 3, 4] = 2
    patch: Count = 48
    loss: Literal["mse", "mae", "charbonnier"] = "mse"

    data_tasks: ClassVar[tuple] = ("restoration",)
    main_metric: ClassVar[str] = "gain_db"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        if self.patch % self.factor:
            raise ValueError(f"Restoration: `patch` must be a multiple of `scale`, {self.scale}, got {self.patch}.")

    @property
    def factor(self):
        """Size of the clean image divided by that of the degraded one."""
        return self.scale if self.degradation == "bicubic" else 1

    def open_data(self, data):
        """Returns `Data` whose training and validation splits are patches; from a list of images too."""
        if isinstance(data, np.ndarray | list):
            names = [f"image {i}" for i in range(len(data))]
            data = from_image_list(list(data), names, SplitOptions(seed=self.seed), name="arrays")
        return in_patches(super().open_data(data), self.patch)

    def head_arguments(self, name, data):
        """Returns an input shape of any size, the upsampling factor, and same padding."""
        if entry(name).task != "restore":
            raise ValueError(f"`model` must restore images, got {name} ({entry(name).task}).")
        parameters = signature(entry(name).build).parameters
        if "scale" in parameters and self.factor == 1:
            raise ValueError(f"`model` must keep the size of its input, to remove noise, got {name}.")
        arguments = {"input_shape": (None, None, data.shape[-1]), "scale": self.scale, "padding": "same"}
        return {k: v for k, v in arguments.items() if k in parameters}

    def check_model(self, model, data):
        """Raises a ValueError if the model's output is no image of the right size."""
        bands = data.shape[-1]
        if tuple(model.input_shape[1:]) != (None, None, bands):
            raise ValueError(
                f"`model` must take images of any size, input_shape=(None, None, {bands}), got {model.name} with "
                f"{model.input_shape[1:]}."
            )
        if upsampling_factor(model) not in (1, self.factor):
            sizes = f"the size of its input, or {self.factor} times that" if self.factor > 1 else "that of its input"
            raise ValueError(
                f"`model` must predict (H, W, {bands}) images of {sizes}, got {model.name}, which does not."
            )

    def wrap_model(self, model, data):
        """Returns the model behind bicubic upsampling, where it does not upsample itself."""
        if upsampling_factor(model) == self.factor:
            return model
        inputs = keras.layers.Input((None, None, data.shape[-1]), name="image")
        return keras.Model(inputs, model(Bicubic(self.scale, name="bicubic")(inputs)), name=model.name)

    def prepare_target(self, y, classes=None):
        """Returns the image's number, which is not used for training."""
        return y

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches of (degraded images, clean images); photos of different sizes come one by one."""
        import tensorflow as tf

        task = self if isinstance(examples.inputs, np.ndarray) else self.replace(batch_size=1)
        clean = Task.pipeline(task, examples, training, preprocessing, classes)
        if training:
            pairs = Degradation(self).over(clean)
        else:
            numbered = tf.data.Dataset.zip((tf.data.Dataset.counter(), clean)).apply(
                tf.data.experimental.assert_cardinality(clean.cardinality())
            )
            pairs = numbered.map(lambda i, batch: self.degrade(batch[0], self.noise_seed(i)), tf.data.AUTOTUNE)
        return pairs.prefetch(tf.data.AUTOTUNE)

    def noise_seed(self, i):
        """Returns the (2,) seed of the noise of image or batch `i` outside of training."""
        import tensorflow as tf

        return tf.random.fold_in(tf.constant([self.seed, 1], "int64"), tf.cast(i, "int64"))

    def degrade(self, clean, seed):
        """Returns (degraded images, clean images cut to what can be restored), both (B, H, W, C) from 0 to 1.

        Args:
            clean: (B, H, W, C) float32, 0 to 1.
            seed: (2,) integers, seed of the noise.
        """
        import tensorflow as tf

        if self.degradation == "noise":
            return clean + tf.random.stateless_normal(tf.shape(clean), seed) * (self.sigma / 255), clean
        size = tf.shape(clean)[1:3] // self.scale
        clean = clean[:, : size[0] * self.scale, : size[1] * self.scale]
        coarse = tf.image.resize(clean, size, "bicubic", antialias=True)
        return tf.round(tf.clip_by_value(coarse, 0, 1) * 255) / 255, clean

    def baseline_images(self, degraded):
        """Returns the baseline's images: the noisy ones, or the coarse ones upsampled bicubically."""
        return degraded if self.factor == 1 else Bicubic(self.scale)(degraded)

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with its loss and the PSNR of all bands; arguments as `Task.compile` has them."""
        loss = keras.losses.get(LOSSES[self.loss])
        model.compile(optimizer=self.make_optimizer(steps), loss=loss, metrics=[PSNR()], **settings)
        return model

    def baseline_loss(self, data):
        """Returns the baseline's loss on the first training batches."""
        loss, values = keras.losses.get(LOSSES[self.loss]), []
        examples = data.train.take(slice(0, 4 * self.examples_per_step(len(data.train))))
        for degraded, clean in self.pipeline(examples, False, preprocessing(data, (None, None, data.shape[-1]))):
            values.append(float(np.mean(loss(clean, self.baseline_images(degraded)))))
        return float(np.mean(values))

    def restore_split(self, run, split):
        """Yields for each image of a split (clean, degraded, baseline, prediction), (H, W, C) each."""
        for i, pixels in enumerate(iterate_images(getattr(run.data, split))):
            degraded, clean = self.degrade(run.preprocessing(pixels[None], training=False), self.noise_seed(i))
            prediction = run.model(degraded, training=False)
            yield tuple(np.asarray(x)[0] for x in (clean, degraded, self.baseline_images(degraded), prediction))

    def predict_split(self, run, split):
        """Returns the restored images of a split, (H, W, C) each, 0 to 1."""
        return [prediction for *_, prediction in self.restore_split(run, split)]

    def quality(self, clean, image, rounded=True):
        """Returns (PSNR [dB], SSIM) of one image as the papers compute them; arguments (H, W, C), 0 to 1."""
        import tensorflow as tf

        image = np.round(np.clip(image, 0, 1) * 255) if rounded else image * 255
        pair = np.stack([np.round(clean * 255), image]).astype("float32")
        if self.factor > 1 and pair.shape[-1] == 3:
            pair = pair @ np.array(LUMINANCE, "float32")[:, None] + 16
        pair = crop_border(pair, self.scale if self.factor > 1 else 0)
        psnr = 10 * np.log10(255**2 / np.maximum(np.mean((pair[0] - pair[1]) ** 2, dtype=np.float64), 1e-10))
        return float(psnr), float(tf.image.ssim(pair[:1], pair[1:], 255)[0])

    def evaluate(self, run, split):
        """Computes PSNR, SSIM and the gain over the baseline, averaged over a split's images.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers; `psnr_by_image` lists the first images; `baseline` holds the baseline's.
        """
        rows = [
            (*self.quality(clean, prediction), *self.quality(clean, baseline, rounded=self.factor > 1))
            for clean, _, baseline, prediction in self.restore_split(run, split)
        ]
        psnr, ssim, baseline_psnr, baseline_ssim = np.mean(rows, axis=0).tolist()
        gains = np.array([row[0] - row[2] for row in rows])

        def scores(weights):
            return mean_score(weights, gains), np.zeros(len(weights))

        return {
            "verdict": verdict("gain in dB", scores, len(rows), split, unit="images", seed=self.seed),
            "psnr": psnr,
            "ssim": ssim,
            "gain_db": psnr - baseline_psnr,
            "examples": len(rows),
            "psnr_by_image": [row[0] for row in rows[:LISTED_IMAGES]],
            "baseline": {
                "psnr": baseline_psnr,
                "ssim": baseline_ssim,
                "gain_db": 0.0,
                "psnr_by_image": [row[2] for row in rows[:LISTED_IMAGES]],
                "name": "the noisy image" if self.factor == 1 else "bicubic upsampling",
            },
        }

    def export_settings(self, run):
        """Returns the model, whose export outputs images from 0 to 1, and a tolerance of a fortieth of a gray level."""
        return run.model, None, 1e-4

    def summarize(self, metrics, split):
        """Returns the gain in decibels, and how it was computed."""
        baseline = metrics["baseline"]
        noise = f"Gaussian noise of {self.sigma:g} / 255 was added, unclipped; the PSNR is that of all bands."
        coarse = (
            f"Images were reduced {self.scale} times by antialiased bicubic interpolation and rounded to 8 bits; the "
            f"PSNR of color images is that of the luminance, without {self.scale} pixels at the border."
        )
        return [
            f"{metrics['gain_db']:+.2f} dB over {baseline['name']} on {metrics['examples']} {split} images",
            f"The mean PSNR is {metrics['psnr']:.2f} dB and that of {baseline['name']} {baseline['psnr']:.2f} dB; the "
            f"structural similarity is {metrics['ssim']:.3f} and {baseline['ssim']:.3f}. "
            f"{noise if self.factor == 1 else coarse}",
        ]

    def figures(self, run, split):
        """Returns some images as clean, degraded, prediction and error, and the PSNR of each."""
        from recipes.reports.image_figures import psnr_by_image, restorations

        caption = (
            "The middle of the images with the lowest, a middling and the highest PSNR. The error is the mean absolute "
            "difference over the bands to the clean image, in 8-bit steps."
        )
        metrics = run.evaluate(split)
        baseline = metrics["baseline"]["name"]
        return [
            (
                "Clean, degraded, prediction, error",
                caption,
                restorations(run, split, metrics, self.restore_split(run, split)),
            ),
            ("PSNR by image", f"PSNR beside that of {baseline}.", psnr_by_image(run, split, metrics)),
        ]


class Degradation(Augmentation):
    """Degrades training images: used like `Augmentation`, anew in each epoch, the same for the same seed.

    Args:
        task: a `Restoration`.
    """

    def __init__(self, task):
        super().__init__([], task.seed, None, None, "reflect", 0.0)
        self.task = task

    def change(self, seed, images, targets=None, weights=None):
        """Returns (degraded images, clean images); the targets are dropped."""
        return self.task.degrade(images, seed)


def upsampling_factor(model):
    """Returns the side of a model's output divided by that of its input; None where it is no image of these bands."""
    side, bands = 24, model.input_shape[-1]
    shape = tuple(model(keras.KerasTensor((1, side, side, bands), dtype=model.inputs[0].dtype)).shape)
    if len(shape) != 4 or shape[3] != bands or shape[1] != shape[2] or shape[1] % side:
        return None
    return shape[1] // side
