"""Speed of inference and training of classifiers, as ratios to keras.applications, KerasHub and PyTorch.

    python benchmarks/classify_speed.py MODEL [PYTHON]          writes benchmarks/classify_speed_MODEL.csv

MODEL is resnet50 or vit_tiny_16. PYTHON is an interpreter with PyTorch and torchvision, for its rows. Without it, and
without keras_hub, those rows are left out. The subjects take turns with the same batch of 224 x 224 images, in a random
order in each round, because a turn is slower right after some of the others. Figures are medians over the rounds of
(seconds of the other / seconds of the zoo), so above 1 the zoo is faster. `cpu` is processor time, which is more
reliable than `wall` on a shared machine.

- predict 8, predict 1: `predict_on_batch` with batches of 8 and 1; PyTorch in `inference_mode`, channels last.
- train 4: `train_on_batch` with 4 images: cross-entropy, SGD with momentum; PyTorch's usual loop.
- keras.applications has the ResNet with the stride in the first convolution of a block, and is compared with
  `version=1`; all others are compared with version 1.5. It has no ViT.
- ours, built twice: a second instance of the same network, as a measure of the noise.
- PyTorch compiled: `torch.compile`, without its compilation, as Keras is without its tracing.
- ours exported: `zoo.predictor` on an export, with its default engine (OpenVINO where it is installed). The ratio is
  `predict_on_batch` of the model / export, so above 1 the export is faster.
PyTorch's threads wait without spinning, which would take the cores from the other subjects.
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
BATCH_SIZES = {"predict 8": 8, "predict 1": 1, "train 4": 4}  # by workload
ROUNDS = {"predict 8": 9, "predict 1": 41, "train 4": 7}  # one prediction takes 60 ms, so few rounds are too noisy
RESNET = {"stackwise_num_filters": [64, 128, 256, 512], "stackwise_num_blocks": [3, 4, 6, 3]}
STEM = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_strides": [1, 2, 2, 2]}
TINY = {"patch_size": 16, "num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 768}


def hub(name):
    """Returns KerasHub's classifier with the same layers."""
    from keras_hub import models

    if name == "resnet50":
        backbone = models.ResNetBackbone(**RESNET, **STEM, block_type="bottleneck_block", image_shape=SHAPE)
        task = models.ResNetImageClassifier(backbone, CLASSES, activation="softmax")
    else:
        backbone = models.ViTBackbone(image_shape=SHAPE, **TINY)
        task = models.ViTImageClassifier(backbone, CLASSES, pooling="token", activation="softmax")
    return keras.Model(task.input, task.output)


def networks(name):
    """Returns {subject: (function that builds it, the subject that it is compared with)}."""
    ours = {"ours": (lambda: zoo.build(name, SHAPE, CLASSES), None)}
    ours["ours, built twice"] = (ours["ours"][0], "ours")
    others = {"KerasHub": (lambda: hub(name), "ours")} if importlib.util.find_spec("keras_hub") else {}
    if name == "resnet50":
        ours["ours, version 1"] = (lambda: zoo.resnet50(SHAPE, CLASSES, version=1), None)
        resnet50 = keras.applications.ResNet50
        others["keras.applications"] = (lambda: resnet50(weights=None, classes=CLASSES), "ours, version 1")
    return ours | others


class Network:
    """A Keras model with one workload."""

    def __init__(self, model, work):
        rng = np.random.default_rng(0)
        self.x = rng.uniform(-1, 1, (BATCH_SIZES[work], *SHAPE)).astype("float32")
        self.y = rng.integers(0, CLASSES, BATCH_SIZES[work])
        self.model, self.trains = model, work.startswith("train")

    def run(self):
        wall, cpu = time.perf_counter(), time.process_time()
        if self.trains:
            self.model.train_on_batch(self.x, self.y)
        else:
            self.model.predict_on_batch(self.x)
        return time.perf_counter() - wall, time.process_time() - cpu


class Exported:
    """An export with inference in this process."""

    def __init__(self, predictor, work):
        self.x = np.random.default_rng(0).uniform(-1, 1, (BATCH_SIZES[work], *SHAPE)).astype("float32")
        self.predictor = predictor

    def run(self):
        wall, cpu = time.perf_counter(), time.process_time()
        self.predictor(self.x)
        return time.perf_counter() - wall, time.process_time() - cpu


class Torch:
    """The same network in PyTorch, in another process."""

    def __init__(self, python, name, compiled):
        program = [python, str(Path(__file__).with_name("classify_torch.py")), name, str(int(compiled))]
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            program, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def with_work(self, work):
        self.work = work
        return self

    def run(self):
        print(self.work, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_rounds(subjects, rounds):
    """Returns seconds (wall, cpu) of every subject in each round, without the first run of each and its tracing."""
    times, rng = {name: [] for name in subjects}, np.random.default_rng(0)
    for i in range(rounds + 1):
        for name in rng.permutation(list(subjects)).tolist():
            seconds = subjects[name].run()
            if i:
                times[name].append(seconds)
            label = f"round {i}/{rounds}" if i else "first call"
            print(f"{label}: {name}: {seconds[0]:.3f} s, cpu {seconds[1]:.3f} s", file=sys.stderr)
    return times


def export(model):
    """Returns a predictor for an export of the model in a temporary folder."""
    path = Path(tempfile.mkdtemp(prefix="classify_speed")) / "model"
    examples = np.random.default_rng(1).uniform(-1, 1, (2, *SHAPE)).astype("float32")
    zoo.export(model, str(path), inputs=examples, tolerance=1e-4)
    return zoo.predictor(str(path))


def main(name, *python):
    models = {subject: (build(), reference) for subject, (build, reference) in networks(name).items()}
    for model, _ in models.values():
        model.compile(keras.optimizers.SGD(1e-3, 0.9), "sparse_categorical_crossentropy")
    predictor = export(models["ours"][0])
    torches = {f"PyTorch{', compiled' * c}": Torch(python[0], name, c) for c in (False, True)} if python else {}
    rows = []
    for work in BATCH_SIZES:
        print(f"-- {name}, {work}", file=sys.stderr)
        subjects = {subject: Network(model, work) for subject, (model, _) in models.items()}
        subjects |= {subject: torch.with_work(work) for subject, torch in torches.items()}
        pairs = {subject: (subject, reference) for subject, (_, reference) in models.items() if reference}
        pairs |= {subject: (subject, "ours") for subject in torches}
        if work.startswith("predict"):
            exported = f"ours, exported ({predictor.engine})"
            subjects[exported] = Exported(predictor, work)
            pairs[exported] = ("ours", exported)
        times = run_rounds(subjects, ROUNDS[work])
        for slow, fast in pairs.values():
            both = list(zip(times[slow], times[fast], strict=True))
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
