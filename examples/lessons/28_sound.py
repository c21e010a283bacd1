"""
Sound as an image
=================

A network hears by its spectrogram: frequencies as rows, time as columns. Here it is computed by hand, then a small
network learns three birds' calls from it, and noise is added until it fails.

Stevens, Volkmann and Newman (1937), *A scale for the measurement of the psychological magnitude pitch*; Hershey et al.
(2016), *CNN architectures for large-scale audio classification*, https://arxiv.org/abs/1609.09430.
"""

# %%
# Calls
# -----
# An owl hoots low, a chiffchaff repeats short notes, and a wren's whistle rises. Calls differ in start and pitch.
import keras
import matplotlib.pyplot as plt
import numpy as np

import zoo
from zoo.introspect.spectrogram import split_at_spectrogram

RATE, SECONDS = 8000, 0.5
CLASSES = ("owl", "chiffchaff", "wren")
rng = np.random.default_rng(1)
time = np.arange(int(RATE * SECONDS)) / RATE


def call(species):
    pitch, start = rng.uniform(0.9, 1.1), rng.uniform(0.05, 0.15)
    t, is_on = time - start, (time > start) & (time < start + 0.3)
    if species == 0:
        frequency = 400 * pitch * np.ones_like(t)
    elif species == 1:
        frequency, is_on = 1200 * pitch * np.ones_like(t), is_on & (t % 0.1 < 0.05)
    else:
        frequency = pitch * (2000 + 3000 * np.clip(t, 0, 0.3))
    return 0.3 * is_on * np.sin(2 * np.pi * np.cumsum(frequency) / RATE)


def make_calls(n):
    species = rng.integers(0, len(CLASSES), n)
    sounds = np.array([call(k) for k in species])
    return (sounds + rng.normal(0, 0.01, sounds.shape)).astype("float32")[..., None], species


def add_noise(sounds, snr):
    """Adds white noise whose power is that of the sound minus the signal-to-noise ratio [dB]."""
    power = np.mean(sounds**2, axis=1, keepdims=True) / 10 ** (snr / 10)
    return (sounds + np.sqrt(power) * rng.standard_normal(sounds.shape)).astype("float32")


sounds, species = make_calls(240)

# %%
# A spectrogram by hand
# ---------------------
# Cut the sound into overlapping windows, fade each at its ends by a Hann window, and take the squared length of its
# Fourier transform. :class:`zoo.layers.Spectrogram` with ``bands=None`` computes the same power.
layer = zoo.layers.Spectrogram(RATE, bands=None, window=0.032, hop=0.01, low=0, compression="none")
width, hop = layer.window_samples, layer.hop_samples
hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
padded = np.pad(sounds[0, :, 0], width // 2, mode="reflect")
frames = np.array([padded[i : i + width] for i in range(0, len(padded) - width + 1, hop)])
by_hand = np.abs(np.fft.rfft(frames * hann, axis=1)).T ** 2
by_layer = np.asarray(layer(sounds[:1]))[0, ..., 0]
difference = float(np.abs(by_hand - by_layer).max() / by_hand.max())
print(f"{by_hand.shape[0]} frequencies x {by_hand.shape[1]} steps; largest difference {difference:.0e} of the maximum")

# %%
# The ear, and the mel scale after it, tells low pitches apart better than high ones: mel bands widen with frequency.
# Decibels make quiet parts visible.
mel = zoo.layers.Spectrogram(RATE, bands=32, window=0.032, hop=0.01, low=100)
spacing = np.diff(mel.frequencies)
print(f"The middles of the lowest two bands are {spacing[0]:.0f} Hz apart, of the highest two {spacing[-1]:.0f} Hz.")
examples = [int(np.argmax(species == k)) for k in range(len(CLASSES))]
figure, axes = plt.subplots(1, 3, figsize=(7, 2.8), sharey=True, layout="constrained")
ticks = np.interp((200, 500, 1000, 2000, 3000), mel.frequencies, np.arange(mel.bands))
for ax, i, name in zip(axes, examples, CLASSES, strict=True):
    ax.imshow(np.asarray(mel(sounds[i : i + 1]))[0, ..., 0], origin="lower", aspect="auto", cmap="magma",
              extent=(0, SECONDS, -0.5, mel.bands - 0.5))  # fmt: skip
    ax.set(title=name, xlabel="time [s]")
axes[0].set_yticks(ticks, ("200", "500", "1000", "2000", "3000"))
axes[0].set_ylabel("frequency [Hz]")
plt.show()

# %%
# A classifier
# ------------
# :func:`zoo.spectrogram_classifier` puts an image classifier on the spectrogram, which is a layer of the model.
keras.utils.set_random_seed(1)
model = zoo.spectrogram_classifier(
    (len(time), 1), len(CLASSES), sample_rate=RATE, pooling="time", dropout=0.0,
    backbone_arguments={"filters": (8, 16), "convolutions": 1, "dropout": 0.0},
    spectrogram={"bands": 32, "window": 0.032, "hop": 0.01, "low": 100.0},
)  # fmt: skip
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(sounds, species, batch_size=24, epochs=5, verbose=0)
test_sounds, test_species = make_calls(150)
accuracy = float((model.predict(test_sounds, batch_size=150, verbose=0).argmax(1) == test_species).mean())
print(f"Accuracy on {len(test_sounds)} other calls: {accuracy:.2f}")

# %%
# Which frequencies decided
# -------------------------
# Hide one range of bands after the other, over the whole time, and watch the logit of the class: occlusion.
parts = split_at_spectrogram(model)
spectrograms = parts.front.predict(test_sounds[:60], verbose=0)
drop = zoo.explain.occlusion(
    parts.classifier, spectrograms, tuple(test_species[:60]), patch=(4, spectrograms.shape[2]),
    fill=(float(spectrograms.mean()),), batch_size=300,
).mean(axis=2)  # fmt: skip
profile = np.array([drop[test_species[:60] == k].mean(axis=0) for k in range(len(CLASSES))])
decisive = parts.layer.frequencies[profile.argmax(axis=1)]
print("Hiding these frequencies costs most:", {c: f"{f:.0f} Hz" for c, f in zip(CLASSES, decisive, strict=True)})
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(parts.layer.frequencies, profile.T, label=CLASSES)
ax.set(xlabel="hidden frequency [Hz]", ylabel="loss of the logit")
ax.legend()
plt.show()

# %%
# Exercise
# --------
# Add white noise to the test calls at signal-to-noise ratios of 20, 10, 0 and -10 dB. Then continue the training on
# calls with noise of a random ratio between -10 and 20 dB, and compare the accuracies.

# %%
# Solution
# --------
# A network that was trained in silence fails in noise; after training with noise it does not.
ratios = (20, 10, 0, -10)
tests = np.concatenate([add_noise(test_sounds, ratio) for ratio in ratios])
in_noise = {}
for training in ("quiet", "noisy"):
    if training == "noisy":
        model.fit(add_noise(sounds, rng.uniform(-10, 20, (len(sounds), 1, 1))), species, 24, epochs=5, verbose=0)
    predicted = model.predict(tests, batch_size=150, verbose=0).argmax(1).reshape(len(ratios), -1)
    in_noise[training] = dict(zip(ratios, (predicted == test_species).mean(axis=1).tolist(), strict=True))
    print(f"Trained on {training} calls:", ", ".join(f"{a:.2f} at {r} dB" for r, a in in_noise[training].items()))
