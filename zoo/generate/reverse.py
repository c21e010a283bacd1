"""The way through a diffusion's noise levels, down to an image or up to noise, as one graph loop."""

import keras
import numpy as np
from keras import ops

from zoo.arguments import Count, Fraction, Whole, checked
from zoo.generate.generative import Generative, between
from zoo.generate.schedule import shortened


class Reverse(Generative):
    """What a diffusion makes with its network; it needs `schedule`, `steps`, `average` (or None) and `graphs`, {}."""

    @property
    def network_weights(self):
        """The weights of the network alone, without their average."""
        copies = {id(v) for v in self.average.weights} if self.average else ()
        return [w for w in self.weights if id(w) not in copies]

    def predicted(self, x, step):
        """The noise that the averaged weights see in x, a batch of which every image is at the same step."""
        import tensorflow as tf

        pairs = zip(self.network_weights, self.average.copies, strict=True) if self.average else ()
        with keras.StatelessScope(state_mapping=[(w, ops.cast(c.value, w.dtype)) for w, c in pairs]):
            return self([x, tf.fill(tf.shape(x)[:1], step)], training=False)

    def compiled_once(self, name, function):
        """`function` as one compiled graph, kept under its name for later calls."""
        import tensorflow as tf

        if name not in self.graphs:
            self.graphs[name] = tf.function(function, jit_compile=True)
        return self.graphs[name]

    def path(self, steps, call):
        """The noise levels of `steps` steps from noise to the clean image, which is level -1."""
        if steps > self.steps:
            raise ValueError(f"{self.name}: `{call}` can take at most {self.steps} `steps`, got {steps}.")
        return np.append(shortened(self.steps, steps), -1).astype("int32")

    @checked
    def sample(self, n: Count, *, steps: Count = 50, eta: Fraction = 0.0, seed: Whole | None = None):
        """Draws new images with the averaged weights, in one compiled loop.

        Args:
            n: how many; with the same seed the first ones are the same for every n.
            steps: how many noise levels are visited, evenly spread (DDIM).
            eta: 0 is deterministic but for the noise it begins with; 1 with all steps is DDPM's own way.
            seed: of all random numbers; None for others each time.
        Returns:
            (n, H, W, C) float32 in [-1, 1].
        Raises:
            ValueError: if there are more steps than noise levels.
        Differs: of DDPM's two variances for the reverse step this is the posterior's (section 3.2, second choice).
        """
        import tensorflow as tf

        path = self.path(steps, "sample")
        seeds = tf.constant(np.random.SeedSequence(seed).generate_state(n).view("int32"))
        if eta:
            draw = self.compiled_once("random", lambda *a, eta: walk(self, *a, eta=eta))
            return draw(drawn(seeds, 0, self.input[0].shape[1:]), seeds, path, eta=tf.constant(eta)).numpy()
        return self.decode(drawn(seeds, 0, self.input[0].shape[1:]), steps=steps)

    @checked
    def encode(self, images, *, steps: Count = 50):
        """The noise out of which `decode` makes these images again: the deterministic way, backwards.

        Args:
            images: (B, H, W, C) in [-1, 1].
            steps: how many noise levels are visited; more come closer.
        Returns:
            (B, H, W, C) float32.
        Raises:
            ValueError: if the images are not in [-1, 1] or not of the model's shape, or there are too many steps.
        Source: Song et al. 2021, section 5.4.
        """
        images, path = self.images(images), self.path(steps, "encode")[::-1]
        up = self.compiled_once("encode", lambda x, path: walk(self, x, None, path, clip=False))
        return up(images, path.copy()).numpy()

    @checked
    def decode(self, noise, *, steps: Count = 50):
        """The images that the deterministic way makes of noise: (B, H, W, C) float32 in [-1, 1].

        Args:
            noise: (B, H, W, C), as `encode` answers it, or standard normal.
            steps: how many noise levels are visited.
        Raises:
            ValueError: if there are more steps than noise levels.
        """
        path = self.path(steps, "decode")
        down = self.compiled_once("decode", lambda x, path: walk(self, x, None, path))
        return down(np.asarray(noise, "float32"), path).numpy()

    @checked
    def interpolate(self, a, b, steps: Count = 8):
        """Images on the way from `a` to `b`: both are encoded, and what lies between on the sphere is decoded.

        Args:
            a: (H, W, C), the image to begin with, in [-1, 1].
            b: (H, W, C), the image to end with.
            steps: how many images, both ends included.
        Returns:
            (steps, H, W, C) float32; the ends are what their noise decodes to, close to the images.
        Raises:
            ValueError: if an image is not in [-1, 1] or not of the model's shape.
        Source: Song et al. 2021, section 5.3.
        """
        visited = min(50, self.steps)
        first, last = self.encode(np.stack([a, b]), steps=visited)
        points = between(first.ravel(), last.ravel(), steps)
        return self.decode(points.reshape(steps, *first.shape), steps=visited)

    def signatures(self):
        """What an export offers: name -> (function of tensors, its tf.TensorSpecs).

        sample: (B,) int32 seeds -> images (B, H, W, C) in [-1, 1], 50 deterministic steps, one image for each seed.
        """
        import tensorflow as tf

        path = self.path(min(50, self.steps), "sample")

        def sample(seed):
            start = drawn(seed, 0, self.input[0].shape[1:])
            return {"images": walk(self, start, seed, tf.constant(path))}

        return {"sample": (sample, (tf.TensorSpec((None,), "int32", name="seed"),))}


def walk(model, x, seeds, path, *, eta=None, clip=True):
    """Goes from x along `path` with the model's averaged weights: Song et al. 2021, eqs. 12, 13 and 16.

    Args:
        model: a `Diffusion`.
        x: (B, H, W, C) float32 at the first level.
        seeds: (B,) int32, one for each image's noise on the way; not used without `eta`.
        path: (S + 1,) int32 levels; -1 is the clean image, `steps` - 1 the noisiest.
        eta: None is the deterministic way; 0 to 1 is how much of the noise of the diffusion's reverse is added.
        clip: whether the image that is predicted at each step is kept in [-1, 1], as DDPM's code does, and the noise
            made to agree with it.
    Returns:
        (B, H, W, C) float32 at the last level.
    """
    import tensorflow as tf

    levels = tf.constant(np.append(1.0, model.schedule.kept), "float32")

    def step(i, x):
        old, new = path[i], path[i + 1]
        a, b = levels[old + 1], levels[new + 1]
        # The step that the network is told is the noisier of both, which on the way up is the one to come.
        noise = model.predicted(x, tf.maximum(old, new))
        image = (x - tf.sqrt(1 - a) * noise) / tf.sqrt(a)
        if clip:
            image = tf.clip_by_value(image, -1.0, 1.0)
            noise = (x - tf.sqrt(a) * image) / tf.sqrt(1 - a)
        if eta is None:
            return i + 1, tf.sqrt(b) * image + tf.sqrt(1 - b) * noise
        variance = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
        x = tf.sqrt(b) * image + tf.sqrt(tf.maximum(1 - b - variance, 0.0)) * noise
        return i + 1, x + tf.sqrt(variance) * drawn(seeds, i + 1, x.shape[1:])

    last = tf.shape(path)[0] - 1
    return tf.while_loop(lambda i, _: i < last, step, [tf.constant(0), x])[1]


def drawn(seeds, stream, shape):
    """(B, *shape) standard normal numbers, each image's from its own seed: the same in whatever batch it is.

    Args:
        seeds: (B,) int32.
        stream: int32 number of the draw.
        shape: of one image.
    """
    import tensorflow as tf

    def one(seed):
        return tf.random.stateless_normal(shape, tf.stack([seed, stream]), alg="philox")

    return tf.map_fn(one, seeds, fn_output_signature="float32")
