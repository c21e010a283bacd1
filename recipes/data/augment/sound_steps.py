"""Augmentation of batches of sound: shifts, gain, noise at a signal-to-noise ratio, and mixtures."""

import math

import tensorflow as tf

from recipes.data.augment import mixing
from recipes.data.augment.pipeline import Augmentation
from zoo.arguments import suggestion

SOUND_STEPS = {  # name -> (meaning of the amount, default, lowest, highest)
    "time_shift": ("largest shift both ways, as a fraction of the clip; zeros fill it", 0.2, 0.0, 1.0),
    "gain": ("largest change of the level both ways [dB]", 6.0, 0.0, 60.0),
    "noise": ("signal-to-noise ratio of white noise [dB]", 20.0, -20.0, 100.0),
    "mixup": ("alpha of the Beta distribution of mixing fractions, of sounds and targets", 0.2, 0.001, 100.0),
    "overlay": ("fraction of the clips to which another is added, with the labels of both", 0.3, 0.0, 1.0),
    "spec_augment": ("largest fraction of the bands and of the steps that are masked, by a layer of the model", 0.15,
                     0.0, 0.99),
}  # fmt: skip


def parse_sound_step(text):
    """Returns (name, amount) of a step written as in "noise:20" or "noise".

    Raises:
        ValueError: if there is no such step (the nearest is offered), or its amount is no number or out of range.
    """
    name, colon, amount = str(text).partition(":")
    name = name.strip()
    if name not in SOUND_STEPS:
        raise ValueError(
            f"`augment` must be of {', '.join(SOUND_STEPS)} for sound, got {name!r}.{suggestion(name, SOUND_STEPS)}"
        )
    meaning, default, low, high = SOUND_STEPS[name]
    if not colon:
        return name, default
    try:
        value = float(amount)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(
            f"`augment`: the amount of {name} ({meaning}) must be from {low:g} to {high:g}, got {amount!r}."
        )
    return name, value


class SoundAugmentation(Augmentation):
    """A function of batches of sounds (B, N, C) and their targets; `over` is as in `Augmentation`.

    Args:
        steps: names as in `SOUND_STEPS`, with an amount or without.
        seed: of all random numbers.
        classes: number of classes, where targets are class indices and a step mixes them.
    """

    only_flips = False

    def __init__(self, steps, seed, classes=None):
        self.plan = [step for step in map(parse_sound_step, steps) if step[0] != "spec_augment"]
        self.seed, self.classes = seed, classes
        with tf.device("CPU"):  # where tf.data reads it
            self.generator = tf.random.Generator.from_seed(seed)

    @tf.autograph.experimental.do_not_convert
    def change(self, seed, sounds, targets=None, weights=None):
        """Augments one batch with the random numbers of `seed`, (2,) integers."""
        for i, (name, amount) in enumerate(self.plan):
            step_seed = tf.random.fold_in(seed, i)
            if name == "mixup":
                targets = mixing.soft_targets(targets, self.classes)
                sounds, targets, weights = mixing.mixup(sounds, targets, weights, step_seed, amount)
            elif name == "overlay":
                sounds, targets = _overlay(sounds, targets, step_seed, amount)
            else:
                sounds = {"time_shift": _time_shift, "gain": _gain, "noise": add_noise}[name](sounds, step_seed, amount)
        if targets is None:
            return sounds
        return (sounds, targets) if weights is None else (sounds, targets, weights)


def _time_shift(sounds, seed, amount):
    batch, samples = tf.shape(sounds)[0], sounds.shape[1]
    shift = tf.random.stateless_uniform([batch, 1], seed, -amount, amount) * samples
    source = tf.range(samples)[None] - tf.cast(tf.round(shift), "int32")
    inside = (source >= 0) & (source < samples)
    moved = tf.gather(sounds, tf.clip_by_value(source, 0, samples - 1), batch_dims=1)
    return tf.where(inside[..., None], moved, 0.0)


def _gain(sounds, seed, amount):
    decibels = tf.random.stateless_uniform([tf.shape(sounds)[0], 1, 1], seed, -amount, amount)
    return sounds * 10.0 ** (decibels / 20)


def add_noise(sounds, seed, amount):
    """Returns sounds (B, N, C) with white noise at a signal-to-noise ratio of `amount` [dB]; silence stays silent."""
    power = tf.reduce_mean(tf.square(sounds), [1, 2], keepdims=True)
    noise = tf.random.stateless_normal(tf.shape(sounds), seed)
    noise_power = tf.reduce_mean(tf.square(noise), [1, 2], keepdims=True)
    return sounds + noise * tf.sqrt(power / noise_power * 10.0 ** (-amount / 10))


def _overlay(sounds, targets, seed, amount):
    """Adds another clip of the batch to a fraction of the clips; targets are multi-hot."""
    seeds = tf.unstack(tf.random.split(seed, 2))
    batch = tf.shape(sounds)[0]
    partner = tf.random.experimental.stateless_shuffle(tf.range(batch), seeds[0])
    is_changed = tf.random.stateless_uniform([batch], seeds[1]) < amount
    sounds = sounds + tf.where(is_changed[:, None, None], tf.gather(sounds, partner), 0.0)
    return sounds, tf.where(is_changed[:, None], tf.maximum(targets, tf.gather(targets, partner)), targets)
