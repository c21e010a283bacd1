"""
What a training costs
=====================

Training uses electricity, and electricity has a price in CO2 that depends on the country. Both can be measured, and
before that they can be estimated from the number of multiplications.

Strubell, Ganesh and McCallum (2019), *Energy and policy considerations for deep learning in NLP*,
https://arxiv.org/abs/1906.02243; Schwartz et al. (2020), *Green AI*, https://arxiv.org/abs/1907.10597.
"""

# %%
# Two networks for one task
# -------------------------
# Both classify 8 x 8 digits. The small one has fewer weights and multiplications (multiply-accumulates, MACs).
import keras
import matplotlib.pyplot as plt
import numpy as np
from codecarbon.input import DataSource

import recipes
import zoo
from recipes.training.energy import Energy

data = recipes.load("bundled:digits")
images, labels = data.train.inputs.astype("float32") / 255, data.train.targets
test, test_labels = data.test.inputs.astype("float32") / 255, data.test.targets
EPOCHS = 6
units = {"small": (32,), "large": (1024, 1024)}
models, macs = {}, {}
for name, widths in units.items():
    keras.utils.set_random_seed(1)
    models[name] = zoo.dnn((8, 8, 1), 10, units=widths, activation="softmax")
    macs[name] = zoo.macs(models[name])
    print(f"{name}: {models[name].count_params():,} weights, {macs[name]:,} MACs for an image")

# %%
# Measured
# --------
# :class:`recipes.training.energy.Energy` is a callback. Where the processor has a readable counter it is used, else the
# energy is estimated from the processor's rated power and its load: ``source`` says which.
measured, accuracy = {}, {}
for name, model in models.items():
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    meter = Energy(country="FRA")
    model.fit(images, labels, batch_size=64, epochs=EPOCHS, verbose=0, callbacks=[meter])
    measured[name] = meter.result
    accuracy[name] = float((np.asarray(model(test)).argmax(axis=1) == test_labels).mean())
    print(f"{name}: accuracy {accuracy[name]:.3f}, {meter.result['kWh']:.2e} kWh in {meter.result['seconds']:.1f} s")
print("Source of the figures:", measured["large"]["source"])

# %%
# Is it much? Compare with a liter of water of 20 degrees that is brought to the boil.
KETTLE = 4186 * 80 / 3.6e6  # joules per kilogram and degree, degrees, joules per kWh
kettles = {name: record["kWh"] / KETTLE for name, record in measured.items()}
print("In kettles of boiling water:", {name: f"{value:.1e}" for name, value in kettles.items()})

# %%
# Estimated from the multiplications
# ----------------------------------
# A training step computes the outputs and two derivatives: about three times the MACs of a prediction. The rest of a
# small training is not arithmetic but overhead, and the measured ratio is far below that of the arithmetic.
training_macs = {name: 3 * count * len(images) * EPOCHS for name, count in macs.items()}
ratio = training_macs["large"] / training_macs["small"]
measured_ratio = measured["large"]["kWh"] / measured["small"]["kWh"]
print(f"The large training has {training_macs['large']:.1e} MACs, {ratio:.0f} times those of the small one")
print(f"It used {measured_ratio:.1f} times the energy")

# %%
# The same energy in other countries
# ----------------------------------
# A kilowatt-hour of a coal grid emits many times the CO2 of one of hydropower. These are the figures of codecarbon, the
# package that measures.
grid = DataSource().get_global_energy_mix_data()
countries = {
    "NOR": "Norway",
    "FRA": "France",
    "DEU": "Germany",
    "USA": "United States",
    "POL": "Poland",
    "IND": "India",
}
intensity = {name: grid[code]["carbon_intensity"] for code, name in countries.items()}  # g of CO2 for a kWh
of_meter = measured["large"]["kg_CO2eq"] / measured["large"]["kWh"] * 1000
print(f"The meter used {of_meter:.0f} g for a kWh in France, the table has {intensity['France']:.0f} g")
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.barh(list(intensity), list(intensity.values()), color="tab:gray")
ax.invert_yaxis()
ax.set(xlabel="CO2 of electricity [g per kWh]")
plt.show()

# %%
# Exercise
# --------
# A search trains the large network 500 times. How much CO2 does it emit in each country, and how much would a search
# with the small network? What is saved by the country, what by the network?

# %%
# Solution
# --------
# The cheapest training is the one that is not run: search with the small network, or on fewer epochs.
RUNS = 500
emitted = {
    (name, country): RUNS * measured[name]["kWh"] * grams for name in models for country, grams in intensity.items()
}
for country in intensity:
    print(f"{country}: {emitted['large', country]:.1f} g with the large network, {emitted['small', country]:.1f} g "
          "with the small one")  # fmt: skip
saved_by_country = max(intensity.values()) / min(intensity.values())
print(f"The country is worth a factor of {saved_by_country:.0f}, the network one of {measured_ratio:.1f}")
