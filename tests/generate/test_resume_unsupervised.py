"""A training that was saved halfway continues identically in another process."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import zoo

SHAPE = (8, 8, 1)
MODELS = {
    "vae": lambda: zoo.vae(SHAPE, 3, units=(16,)),
    "denoising_autoencoder": lambda: zoo.denoising_autoencoder(SHAPE, filters=(4,)),
    "realnvp": lambda: zoo.realnvp(SHAPE, scales=1, filters=4, blocks=1),
    "rbm": lambda: zoo.rbm(SHAPE, 6),
    "dbn": lambda: zoo.dbn(SHAPE, 4, units=(6,)),
}
EPOCHS, SAVED_EPOCH = 4, 2

RESUME = """
import json, sys
import keras
import numpy as np
import zoo
folder, epochs, saved_epoch, *names = sys.argv[1:]
losses = {}
for name in names:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    assert model.compiled
    options = {"initial_epoch": int(saved_epoch), "batch_size": 8, "shuffle": False, "verbose": 0}
    losses[name] = model.fit(np.load(f"{folder}/x.npy"), epochs=int(epochs), **options).history["loss"]
print(json.dumps(losses))
"""


@pytest.fixture(scope="module")
def losses(tmp_path_factory):
    """Returns two dicts of the losses of each epoch by model: of the whole training, and of the resumed one."""
    keras.utils.set_random_seed(7)
    folder = tmp_path_factory.mktemp("saved")
    x = (np.random.default_rng(0).integers(0, 256, (24, *SHAPE)) / 255).astype("float32")
    np.save(folder / "x.npy", x)
    whole = {}
    for name, build in MODELS.items():
        model = build()
        model.compile()

        class Save(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                path = folder / f"{self.model.name}.keras"
                if epoch + 1 == SAVED_EPOCH and not path.exists():
                    self.model.save(path)

        history = model.fit(x, epochs=EPOCHS, batch_size=8, shuffle=False, verbose=0, callbacks=[Save()])
        whole[name] = history.history["loss"]
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RESUME, str(folder), str(EPOCHS), str(SAVED_EPOCH), *MODELS],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return whole, json.loads(process.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_resumed_losses_equal_those_of_the_uninterrupted_training(losses, name):
    whole, resumed = (by_model[name] for by_model in losses)
    levels = 2 if name == "dbn" else 1
    assert len(whole) == levels * EPOCHS
    assert len(set(whole)) == len(whole)  # otherwise equality would show nothing
    assert resumed == whole[SAVED_EPOCH:]
