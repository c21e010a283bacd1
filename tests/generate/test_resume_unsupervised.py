"""What was saved in the middle of training goes on in another process exactly as if nothing had happened."""

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
EPOCHS, STOPPED = 4, 2

GO_ON = """
import json, sys
import keras
import numpy as np
import zoo
folder, epochs, stopped, *names = sys.argv[1:]
losses = {}
for name in names:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    assert model.compiled
    options = {"initial_epoch": int(stopped), "batch_size": 8, "shuffle": False, "verbose": 0}
    losses[name] = model.fit(np.load(f"{folder}/x.npy"), epochs=int(epochs), **options).history["loss"]
print(json.dumps(losses))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Losses of each epoch by name: those of one run, and those of its save in another process."""
    keras.utils.set_random_seed(7)
    folder = tmp_path_factory.mktemp("stopped")
    x = (np.random.default_rng(0).integers(0, 256, (24, *SHAPE)) / 255).astype("float32")
    np.save(folder / "x.npy", x)
    whole = {}
    for name, build in MODELS.items():
        model = build()
        model.compile()

        class Stop(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                path = folder / f"{self.model.name}.keras"
                if epoch + 1 == STOPPED and not path.exists():
                    self.model.save(path)

        found = model.fit(x, epochs=EPOCHS, batch_size=8, shuffle=False, verbose=0, callbacks=[Stop()])
        whole[name] = found.history["loss"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", GO_ON, str(folder), str(EPOCHS), str(STOPPED), *MODELS],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return whole, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", MODELS)
def test_the_next_losses_are_those_of_the_uninterrupted_run(runs, name):
    whole, resumed = (losses[name] for losses in runs)
    levels = 2 if name == "dbn" else 1
    assert len(whole) == levels * EPOCHS
    assert len(set(whole)) == len(whole)  # draws and weights change, or equality would say nothing
    assert resumed == whole[STOPPED:]
