"""How fast classifiers answer and learn, as ratios in one run: against keras.applications, KerasHub and PyTorch.

    python benchmarks/classify_speed.py MODEL [PYTHON]          writes benchmarks/classify_speed_MODEL.csv

MODEL is resnet50 or vit_tiny_16. PYTHON is an interpreter that has PyTorch and torchvision, for its rows; without it,
and without keras_hub, those rows are left out. Subjects take turns with the same batch of 224 x 224 images, in an order
drawn anew for each round, as a turn is slower right after some others; figures are medians over the rounds of (the
other's seconds / ours), so above 1 ours is faster. `cpu` counts what the process computed and says more than `wall` on
a machine that others use too.

- answer 8, answer 1: `predict_on_batch` with batches of 8 and of 1; PyTorch in `inference_mode`, channels last.
- learn 4: `train_on_batch` with 4 images: cross-entropy, SGD with momentum; PyTorch's usual loop.
- keras.applications has the ResNet whose stride is in the first convolution of a block, and is compared with
  `version=1`; all others are compared with version 1.5. It has no ViT.
- ours, built twice: a second instance of the same network, which shows how far from 1 chance alone takes a figure.
- PyTorch compiled: `torch.compile`; its compilation, like Keras' tracing, is left out, and told on stderr.
- ours exported: `zoo.predictor` on our export, by the engine that it takes (OpenVINO where it is installed); the ratio
  is to our own `predict_on_batch`, so above 1 the export is faster.
PyTorch's threads wait without spinning, as they would else take the cores from the others' turns.
"""

import csv
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import zoo
from recipes.training import accelerate

SHAPE, CLASSES = (224, 224, 3), 1000
WORK = {"answer 8": 8, "answer 1": 1, "learn 4": 4}
ROUNDS = {"answer 8": 9, "answer 1": 41, "learn 4": 7}  # a single answer takes 60 ms: few of them say nothing
RESNET = {"stackwise_num_filters": [64, 128, 256, 512], "stackwise_num_blocks": [3, 4, 6, 3]}
STEM = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_strides": [1, 2, 2, 2]}
TINY = {"patch_size": 16, "num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 768}


def hub(name):
    """KerasHub's classifier of the same layers."""
    from keras_hub import models

    if name == "resnet50":
        backbone = models.ResNetBackbone(**RESNET, **STEM, block_type="bottleneck_block", image_shape=SHAPE)
        task = models.ResNetImageClassifier(backbone, CLASSES, activation="softmax")
    else:
        backbone = models.ViTBackbone(image_shape=SHAPE, **TINY)
        task = models.ViTImageClassifier(backbone, CLASSES, pooling="token", activation="softmax")
    return keras.Model(task.input, task.output)


def networks(name):
    """Subject -> (a function that builds it, the subject of ours that it is compared with)."""
    ours = {"ours": (lambda: zoo.build(name, SHAPE, CLASSES), None)}
    ours["ours, built twice"] = (ours["ours"][0], "ours")
    others = {"KerasHub": (lambda: hub(name), "ours")} if importlib.util.find_spec("keras_hub") else {}
    if name == "resnet50":
        ours["ours, version 1"] = (lambda: zoo.resnet50(SHAPE, CLASSES, version=1), None)
        theirs = keras.applications.ResNet50
        others["keras.applications"] = (lambda: theirs(weights=None, classes=CLASSES), "ours, version 1")
    return ours | others


class Network:
    """A Keras model at one kind of work."""

    def __init__(self, model, work):
        rng = np.random.default_rng(0)
        self.x = rng.uniform(-1, 1, (WORK[work], *SHAPE)).astype("float32")
        self.y = rng.integers(0, CLASSES, WORK[work])
        self.model, self.learns = model, work.startswith("learn")

    def run(self):
        wall, cpu = time.perf_counter(), time.process_time()
        if self.learns:
            self.model.train_on_batch(self.x, self.y)
        else:
            self.model.predict_on_batch(self.x)
        return time.perf_counter() - wall, time.process_time() - cpu


class Exported:
    """Our export, answered in this process."""

    def __init__(self, predictor, work):
        self.x = np.random.default_rng(0).uniform(-1, 1, (WORK[work], *SHAPE)).astype("float32")
        self.predictor = predictor

    def run(self):
        wall, cpu = time.perf_counter(), time.process_time()
        self.predictor(self.x)
        return time.perf_counter() - wall, time.process_time() - cpu


class Torch:
    """The same network in PyTorch, in a process of its own that waits for its turn."""

    def __init__(self, python, name, compiled):
        program = [python, str(Path(__file__).with_name("classify_torch.py")), name, str(int(compiled))]
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            program, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def at(self, work):
        self.work = work
        return self

    def run(self):
        print(self.work, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def turns(subjects, rounds):
    """Seconds (wall, cpu) of every subject in each round; the first turn of each, with its tracing, is left out."""
    taken, order = {name: [] for name in subjects}, np.random.default_rng(0)
    for turn in range(rounds + 1):
        for name in order.permutation(list(subjects)).tolist():
            seconds = subjects[name].run()
            if turn:
                taken[name].append(seconds)
            told = f"round {turn}/{rounds}" if turn else "first call"
            print(f"{told}: {name}: {seconds[0]:.3f} s, cpu {seconds[1]:.3f} s", file=sys.stderr)
    return taken


def export(model):
    """A predictor on an export of `model`, in a temporary folder."""
    place = Path(tempfile.mkdtemp(prefix="classify_speed")) / "model"
    examples = np.random.default_rng(1).uniform(-1, 1, (2, *SHAPE)).astype("float32")
    zoo.export(model, str(place), inputs=examples, tolerance=1e-4)
    return zoo.predictor(str(place))


def main(name, *python):
    built = {subject: (build(), against) for subject, (build, against) in networks(name).items()}
    for model, _ in built.values():
        model.compile(keras.optimizers.SGD(1e-3, 0.9), "sparse_categorical_crossentropy")
    predictor = export(built["ours"][0])
    torches = {f"PyTorch{', compiled' * c}": Torch(python[0], name, c) for c in (False, True)} if python else {}
    rows = []
    for work in WORK:
        print(f"-- {name}, {work}", file=sys.stderr)
        subjects = {subject: Network(model, work) for subject, (model, _) in built.items()}
        subjects |= {subject: torch.at(work) for subject, torch in torches.items()}
        pairs = {subject: (subject, against) for subject, (_, against) in built.items() if against}
        pairs |= {subject: (subject, "ours") for subject in torches}
        if work.startswith("answer"):
            told = f"ours, exported ({predictor.engine})"
            subjects[told] = Exported(predictor, work)
            pairs[told] = ("ours", told)
        taken = turns(subjects, ROUNDS[work])
        for slow, fast in pairs.values():
            both = list(zip(taken[slow], taken[fast], strict=True))
            wall, cpu = (statistics.median(a[i] / b[i] for a, b in both) for i in (0, 1))
            rows.append([f"{work}: {slow} / {fast}", f"{wall:.3f}", f"{cpu:.3f}", ROUNDS[work]])
            print(*rows[-1][:3], sep="\t", flush=True)
    for torch in torches.values():
        torch.close()
    machine = accelerate.machine_info()
    with Path(__file__).with_name(f"classify_speed_{name}.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        for row in rows:
            table.writerow([*row, machine["cores"], machine["python"], machine["tensorflow"], machine["keras"]])


if __name__ == "__main__":
    main(*sys.argv[1:])
