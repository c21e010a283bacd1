"""Time of an epoch with several processes on this machine, as a ratio to one process.

    python benchmarks/distributed_training.py          writes benchmarks/distributed_training.csv

A network is trained by 1, 2 and 4 processes that are joined by `distribute="multi_worker"` on loopback, in turns. They
share the cores of this machine, so the ratios are the cost of the strategy and not a gain. `epoch` is the median over
the rounds of (seconds per epoch with n processes / seconds per epoch with one process as it trains by default); `plain`
is the ratio to one process with `accelerate="off"`, which has one step per execution, as several devices have. The
figure of a process is the median of its epochs after the first, and that of a round the slowest process.
"""

import csv
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 2
EPOCHS = 3
PROCESSES = (1, 2, 4)
NETWORKS = {"lenet5": {"batch_size": 64}}
DATA = "bundled:mnist-5k"


def train(network, accelerate, distributed):
    """Trains in this process and prints the median seconds of an epoch after the first."""
    import keras

    import recipes

    class Clock(keras.callbacks.Callback):
        times = ()

        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.times = (*self.times, time.perf_counter() - self.start)

    clock = Clock()

    class Timed(recipes.Classification):
        def callbacks(self, model, out, data):
            return [clock]

    task = Timed(epochs=EPOCHS, accelerate=accelerate, **NETWORKS[network])
    task.fit(network, DATA, verbose=False, distribute="multi_worker" if distributed else None)
    print("SECONDS", statistics.median(clock.times[1:]))


def measure(network, processes, accelerate="auto"):
    """Seconds per epoch of the slowest of so many processes."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(processes)]
    cluster = {"worker": [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]}
    for s in sockets:
        s.close()
    workers = []
    for index in range(processes):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(config), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, __file__, network, accelerate, str(processes)]
        workers.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    outputs = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError(f"{network} with {processes} processes must train, got an error; see above.")
    return max(float(output.split("SECONDS")[1]) for output in outputs)


def main():
    from recipes.training.accelerate import machine_info

    rows = []
    for network in NETWORKS:
        ratios = {}
        for i in range(ROUNDS):
            default, plain = measure(network, 1), measure(network, 1, "off")
            for processes in PROCESSES[1:]:
                seconds = measure(network, processes)
                ratios.setdefault(processes, []).append((seconds / default, seconds / plain))
                print(f"{network} round {i + 1}: {processes} processes {seconds / default:.2f}", file=sys.stderr)
        for processes, pairs in ratios.items():
            medians = (statistics.median(pair[k] for pair in pairs) for k in (0, 1))
            rows.append([network, processes, *(f"{m:.2f}" for m in medians), ROUNDS])
            print(*rows[-1], sep="\t")
        write(rows, machine_info())


def write(rows, machine):
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["network", "processes", "epoch", "plain", "rounds", "cores", "python", "tensorflow", "keras"])
        table.writerows([*row, *(machine[key] for key in ("cores", "python", "tensorflow", "keras"))] for row in rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train(sys.argv[1], sys.argv[2], int(sys.argv[3]) > 1)
    else:
        main()
