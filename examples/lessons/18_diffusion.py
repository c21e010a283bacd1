"""
Diffusion step by step
======================

Adding noise to data is easy. A network that predicts the noise can take it away again, a little in each step, and so
turn pure noise into data.

Ho, Jain and Abbeel (2020), *Denoising diffusion probabilistic models*, https://arxiv.org/abs/2006.11239; Song, Meng and
Ermon (2021), *Denoising diffusion implicit models*, https://arxiv.org/abs/2010.02502.
"""

# %%
# Forward: to noise
# -----------------
# The data are points in four clusters, each an image of two pixels from -1 to 1. At timestep t a point is
# ``sqrt(a_t) x + sqrt(1 - a_t) noise``, where ``a_t`` falls from nearly 1 to nearly 0.
import itertools

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

from zoo.generate.diffusion import Diffusion
from zoo.layers import StepEmbedding

STEPS = 100
rng = np.random.default_rng(0)
centers = np.array([[-0.6, -0.6], [0.6, -0.6], [-0.6, 0.6], [0.6, 0.6]])
clusters = centers[rng.integers(0, 4, 4000)] + rng.normal(0, 0.08, (4000, 2))
points = clusters.clip(-1, 1).astype("float32").reshape(-1, 1, 2, 1)

keras.utils.set_random_seed(1)
image, step = layers.Input((1, 2, 1), name="image"), layers.Input((), dtype="int32", name="step")
time = layers.Dense(64, "swish")(StepEmbedding(16)(step))
x = layers.Rescaling(4.0)(layers.Flatten()(image))  # sharp borders between the clusters are learned sooner
for _ in range(3):
    x = layers.Dense(128, "relu")(layers.Concatenate()([x, time]))
model = Diffusion([image, step], layers.Reshape((1, 2, 1))(layers.Dense(2)(x)), steps=STEPS, name="points")

# %%
# The formula jumps to any timestep. It equals many small steps, each of which shrinks the point and adds a little
# noise: the variances agree.
alphas = model.schedule.alphas_cumprod
variance_by_steps = 0.0
for beta in model.schedule.betas:
    variance_by_steps = (1 - beta) * variance_by_steps + beta
print(f"After {STEPS} steps the noise has the variance {variance_by_steps:.4f}; the formula has {1 - alphas[-1]:.4f}")
figure, axes = plt.subplots(1, 4, figsize=(9, 2.7), sharex=True, sharey=True, layout="constrained")
for ax, t in zip(axes, (0, 6, 20, STEPS - 1), strict=True):
    noise = rng.standard_normal(points[:1000].shape)
    noisy = np.sqrt(alphas[t]) * points[:1000] + np.sqrt(1 - alphas[t]) * noise
    ax.scatter(*noisy.reshape(-1, 2).T, s=2)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=f"timestep {t + 1}", xlabel="first pixel")
axes[0].set_ylabel("second pixel")
plt.show()

# %%
# Training
# --------
# Draw a timestep and noise for each point, and predict the noise: its mean squared error is the loss. A network that
# always predicts 0 has a loss of 1.
epochs, batch_size = 6, 250
many = np.tile(points, (10, 1, 1, 1))  # an epoch of 160 steps
rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(many) // batch_size)
model.compile(keras.optimizers.Adam(rate), ema_momentum=0.99, steps_per_execution=40)
history = model.fit(many, batch_size=batch_size, epochs=epochs, verbose=0)
loss = history.history["loss"][-1]
print(f"Loss after training: {loss:.3f}")


# %%
# Backward: from noise
# --------------------
# The predicted noise tells where the point came from. A step of DDIM computes that estimate of the clean point, and
# goes to the next smaller timestep on the line between estimate and noise.
def denoise(noise, count):
    """Returns the points after each of `count` steps, which are spread over the 100 timesteps."""
    path = [noise]
    for t, t_next in itertools.pairwise(model.timesteps(count, "sample")):  # the last one is -1, the clean point
        x = path[-1]
        a, a_next = alphas[t], alphas[t_next] if t_next >= 0 else 1.0
        predicted = np.asarray(model.predict_noise(keras.ops.convert_to_tensor(x), int(t)))
        clean = np.clip((x - np.sqrt(1 - a) * predicted) / np.sqrt(a), -1, 1)
        predicted = (x - np.sqrt(a) * clean) / np.sqrt(1 - a)
        path.append((np.sqrt(a_next) * clean + np.sqrt(1 - a_next) * predicted).astype("float32"))
    return path


noise = rng.standard_normal((1000, 1, 2, 1)).astype("float32")
path = denoise(noise, 20)
figure, axes = plt.subplots(1, 4, figsize=(9, 2.7), sharex=True, sharey=True, layout="constrained")
for ax, i in zip(axes, (0, 12, 17, 20), strict=True):
    ax.scatter(*path[i].reshape(-1, 2).T, s=2)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=f"after {i} of 20 steps", xlabel="first pixel")
axes[0].set_ylabel("second pixel")
plt.show()


# %%
# How far are the generated points from the clusters? The distance to the nearest point of the data says it.
def distance_to_data(generated):
    differences = generated.reshape(-1, 1, 2) - points[:1000].reshape(1, -1, 2)
    return float(np.sqrt((differences**2).sum(axis=-1)).min(axis=1).mean())


distance = {"noise": distance_to_data(noise), "generated": distance_to_data(path[-1])}
distance["data"] = distance_to_data(points[1000:2000])
print("Mean distance to the nearest of 1,000 data points:", {k: f"{v:.3f}" for k, v in distance.items()})

# %%
# :meth:`zoo.generate.ddim.DDIMSampler.decode` runs the same loop as one compiled function.
decoded = model.decode(noise, steps=20)
loop_difference = float(np.median(np.abs(decoded - path[-1])))
print(f"Median difference between our loop and decode: {loop_difference:.0e}")

# %%
# Exercise
# --------
# Is one step enough? Generate with 1, 2, 5, 20 and 100 steps and compare the distances.

# %%
# Solution
# --------
# A single step jumps to the mean of all points that could lie behind the noise: the middle, where no data are. More
# steps follow the curved path into a cluster.
by_steps = {count: distance_to_data(denoise(noise, count)[-1]) for count in (1, 2, 5, 20, 100)}
for count, value in by_steps.items():
    print(f"{count} steps: mean distance {value:.3f}")
