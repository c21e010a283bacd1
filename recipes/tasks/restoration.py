"""Restoration: images without their noise, or sharper ones, learnt from clean images that are made worse on purpose."""

from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.data.assemble import Options
from recipes.data.augment import Augmentation
from recipes.data.images.image_patches import from_photos, in_patches, pixels_of
from recipes.data.preprocessing import preprocessing
from recipes.losses import Charbonnier
from recipes.metrics import PSNR, cut
from recipes.training.task import Recipe, recipe
from zoo.arguments import Count, Positive
from zoo.layers.bicubic import Bicubic
from zoo.registry import entry

LUMINANCE = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # of red, green, blue: ITU-R BT.601, as Matlab's rgb2ycbcr
LISTED = 20  # images whose own PSNR is told
LOSSES = {"mse": "mse", "mae": "mae", "charbonnier": Charbonnier}


@recipe
class Restoration(Recipe):
    """Denoising, or super-resolution, learnt from clean images.

    It needs clean 8-bit images (their labels, if any, are not read) as `Data`, or as a list of (H, W, C) arrays, and a
    model that restores. It makes what the model sees itself, and what a result means depends on how:

    - noise: independent Gaussian noise of standard deviation `sigma`, neither clipped nor rounded, as in DnCNN's paper;
    - bicubic: cut to a multiple of `scale`, made `scale` times smaller by antialiased bicubic interpolation (Keys,
      a = -1/2, as Matlab's and Pillow's), clipped and rounded to 8 bits. A model whose answer has the size of its input
      gets the image enlarged bicubically first, as SRCNN does.

    Training images are patches; their noise is drawn anew in each epoch, and that of other parts is always the same. A
    part that is tested is whole photos. Answers are clipped and rounded to 8 bits and measured as the papers do: PSNR
    and SSIM of all bands for noise; of the luminance (BT.601, 16 to 235) without `scale` pixels at each side for
    super-resolution, where images have three bands. They stand beside those of the noisy image, or of bicubic
    enlargement; `gain_db` is what the PSNR gains over that, on average over the images.

    Args:
        degradation: noise or bicubic.
        sigma: standard deviation of the noise [of 255].
        scale: how many times sharper the answer is.
        patch: side of a training patch [pixels of the clean image]; for bicubic a multiple of `scale`.
        loss: mse, mae or charbonnier.
        **kwargs: as `Recipe` has them.
    """

    augment: tuple = ("flip", "flip_vertical")
    degradation: Literal["noise", "bicubic"] = "noise"
    sigma: Positive = 25.0
    scale: Literal[2, 3, 4] = 2
    patch: Count = 48
    loss: Literal["mse", "mae", "charbonnier"] = "mse"

    tasks: ClassVar[tuple] = ("restoration",)
    headline: ClassVar[str] = "gain_db"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        if self.patch % self.factor:
            raise ValueError(f"Restoration: `patch` must be a multiple of `scale`, {self.scale}, got {self.patch}.")

    @property
    def factor(self):
        """How many times larger the clean image is than what the model sees."""
        return self.scale if self.degradation == "bicubic" else 1

    def open(self, data):
        """`Data` whose training and validation parts are patches; from a list of images too."""
        if isinstance(data, np.ndarray | list):
            names = [f"image {i}" for i in range(len(data))]
            data = from_photos(list(data), names, Options(seed=self.seed), name="arrays")
        return in_patches(super().open(data), self.patch)

    def answers(self, name, data):
        """What a builder is told: images of any size, how many times larger, and to keep the border."""
        from inspect import signature

        if entry(name).task != "restore":
            raise ValueError(f"`model` must restore images, got {name} ({entry(name).task}).")
        accepted = signature(entry(name).build).parameters
        told = {"input_shape": (None, None, data.shape[-1]), "scale": self.scale, "padding": "same"}
        if "scale" in accepted and self.factor == 1:
            raise ValueError(f"`model` must answer images of the size it sees, to remove noise, got {name}.")
        return {k: v for k, v in told.items() if k in accepted}

    def verify_answer(self, model, data):
        """A ValueError where the model's answer is no image of the right size."""
        bands = data.shape[-1]
        if tuple(model.input_shape[1:]) != (None, None, bands):
            raise ValueError(
                f"`model` must take images of any size, input_shape=(None, None, {bands}), got {model.name} with "
                f"{model.input_shape[1:]}."
            )
        factor = enlargement(model)
        if factor not in (1, self.factor):
            wanted = f"the size of its input, or {self.factor} times that" if self.factor > 1 else "that of its input"
            raise ValueError(
                f"`model` must answer (H, W, {bands}) images of {wanted}, got {model.name}, which does not."
            )

    def finish(self, model, data):
        """The model behind bicubic enlargement, where it does not enlarge."""
        if enlargement(model) == self.factor:
            return model
        inputs = keras.layers.Input((None, None, data.shape[-1]), name="image")
        return keras.Model(inputs, model(Bicubic(self.scale, name="bicubic")(inputs)), name=model.name)

    def target(self, y, classes=None):
        """The number of the image, which nothing is learnt from."""
        return y

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Batches of (what the model sees, clean images), both prepared; photos that differ in size come alone."""
        import tensorflow as tf

        alone = not isinstance(examples.inputs, np.ndarray)
        clean = Recipe.pipeline(
            self.replace(batch_size=1) if alone else self, examples, training, preprocessing, classes
        )
        if training:
            made = Degradation(self).over(clean)
        else:
            numbered = tf.data.Dataset.zip((tf.data.Dataset.counter(), clean)).apply(
                tf.data.experimental.assert_cardinality(clean.cardinality())
            )
            made = numbered.map(lambda i, pair: self.degrade(pair[0], self.draw(i)), tf.data.AUTOTUNE)
        return made.prefetch(tf.data.AUTOTUNE)

    def draw(self, i):
        """(2,) seed of the noise of the i-th image, or batch, that is not trained on."""
        import tensorflow as tf

        return tf.random.fold_in(tf.constant([self.seed, 1], "int64"), tf.cast(i, "int64"))

    def degrade(self, clean, seed):
        """(what the model sees, the clean images as far as they can be restored), both (B, H, W, C) from 0 to 1.

        Args:
            clean: (B, H, W, C) float32, 0 to 1.
            seed: (2,) integers, of the noise.
        """
        import tensorflow as tf

        if self.degradation == "noise":
            return clean + tf.random.stateless_normal(tf.shape(clean), seed) * (self.sigma / 255), clean
        size = tf.shape(clean)[1:3] // self.scale
        clean = clean[:, : size[0] * self.scale, : size[1] * self.scale]
        coarse = tf.image.resize(clean, size, "bicubic", antialias=True)
        return tf.round(tf.clip_by_value(coarse, 0, 1) * 255) / 255, clean

    def trivial(self, seen):
        """The answer without a network: the noisy image, or the coarse one enlarged bicubically."""
        return seen if self.factor == 1 else Bicubic(self.scale)(seen)

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` for `steps` training steps; PSNR in training is of all bands, unrounded."""
        loss = keras.losses.get(LOSSES[self.loss])
        model.compile(optimizer=self.optimize(steps), loss=loss, metrics=[PSNR()], **settings)
        return model

    def trivial_loss(self, data):
        """Loss of the trivial answer, on the first training batches."""
        loss, found = keras.losses.get(LOSSES[self.loss]), []
        head = data.train.take(slice(0, 4 * self.batch_size))
        for seen, clean in self.pipeline(head, False, preprocessing(data, (None, None, data.shape[-1]))):
            found.append(float(np.mean(loss(clean, self.trivial(seen)))))
        return float(np.mean(found))

    def restored(self, run, part):
        """For each image of a part (clean, what the model sees, the trivial answer, the answer), (H, W, C) each."""
        for i, pixels in enumerate(pixels_of(getattr(run.data, part))):
            seen, clean = self.degrade(run.preprocessing(pixels[None], training=False), self.draw(i))
            answer = run.model(seen, training=False)
            yield tuple(np.asarray(x)[0] for x in (clean, seen, self.trivial(seen), answer))

    def respond(self, run, part):
        """The restored images of a part, (H, W, C) each, 0 to 1."""
        return [answer for *_, answer in self.restored(run, part)]

    def quality(self, clean, found, rounded=True):
        """(PSNR [dB], SSIM) of one image as the papers measure it; arguments (H, W, C), 0 to 1."""
        import tensorflow as tf

        found = np.round(np.clip(found, 0, 1) * 255) if rounded else found * 255
        both = np.stack([np.round(clean * 255), found]).astype("float32")
        if self.factor > 1 and both.shape[-1] == 3:
            both = both @ np.array(LUMINANCE, "float32")[:, None] + 16
        both = cut(both, self.scale if self.factor > 1 else 0)
        psnr = 10 * np.log10(255**2 / np.maximum(np.mean((both[0] - both[1]) ** 2, dtype=np.float64), 1e-10))
        return float(psnr), float(tf.image.ssim(both[:1], both[1:], 255)[0])

    def examine(self, run, part):
        """PSNR, SSIM and the gain over the trivial answer, averaged over a part's images, and of the first ones each.

        Args:
            run: a `Run`.
            part: train, validation or test.
        """
        rows = [
            (*self.quality(clean, answer), *self.quality(clean, trivial, rounded=self.factor > 1))
            for clean, _, trivial, answer in self.restored(run, part)
        ]
        psnr, ssim, least, likeness = np.mean(rows, axis=0).tolist()
        return {
            "psnr": psnr,
            "ssim": ssim,
            "gain_db": psnr - least,
            "examples": len(rows),
            "psnr_by_image": [row[0] for row in rows[:LISTED]],
            "baseline": {
                "psnr": least,
                "ssim": likeness,
                "gain_db": 0.0,
                "psnr_by_image": [row[2] for row in rows[:LISTED]],
                "name": "the noisy image" if self.factor == 1 else "bicubic enlargement",
            },
        }

    def labels(self, data):
        """None: an export answers images, from 0 to 1."""
        return None

    def tolerance(self, data):
        """A fortieth of a grey level."""
        return 1e-4

    def verdict(self, found, part):
        """The gain in decibels, and how it was measured."""
        base = found["baseline"]
        noise = f"Gaussian noise of {self.sigma:g} / 255 was added, unclipped; all bands count."
        coarse = (
            f"Images were made {self.scale} times smaller by antialiased bicubic interpolation and rounded to 8 bits; "
            f"of colours the luminance counts, without {self.scale} pixels at the border."
        )
        return [
            f"{found['gain_db']:+.2f} dB over {base['name']} on {found['examples']} {part} images",
            f"The mean PSNR is {found['psnr']:.2f} dB and that of {base['name']} {base['psnr']:.2f} dB; the structural "
            f"similarity is {found['ssim']:.3f} and {base['ssim']:.3f}. {noise if self.factor == 1 else coarse}",
        ]

    def figures(self, run, part):
        """Some images as clean, degraded, answer and error; the PSNR of each."""
        from recipes.reports.image_figures import psnr_by_image, restorations

        told = (
            "The middle of the images with the least, a middling and the largest PSNR. The error is the mean over the "
            "bands of how far the answer is from the clean image, in 8-bit steps."
        )
        found = run.evaluate(part)
        return [
            ("Clean, degraded, answer, error", told, restorations(self, run, part, found)),
            ("Image by image", f"PSNR beside that of {found['baseline']['name']}.", psnr_by_image(run, part, found)),
        ]


class Degradation(Augmentation):
    """What makes training images worse: used like `Augmentation`, anew in each epoch, the same for the same seed."""

    def __init__(self, recipe):
        super().__init__([], recipe.seed, None, None, "reflect", 0.0)
        self.recipe = recipe

    def change(self, seed, images, targets=None, weights=None):
        """(what the model sees, clean images); the targets are left out."""
        return self.recipe.degrade(images, seed)


def enlargement(model):
    """How many times larger a model's answer is than its input; None where it is no image with the same bands."""
    side, bands = 24, model.input_shape[-1]
    shape = tuple(model(keras.KerasTensor((1, side, side, bands), dtype=model.inputs[0].dtype)).shape)
    if len(shape) != 4 or shape[3] != bands or shape[1] != shape[2] or shape[1] % side:
        return None
    return shape[1] // side
