"""Bounded load on `zoo serve`: latency, errors and memory, by both protocols.

    python benchmarks/serve_load.py [SECONDS] [CLIENTS]          writes benchmarks/serve_load.csv

LeNet-5 with the weights that it starts with is exported, and served by `zoo serve` in a process of its own, with as
many workers as there are cores. CLIENTS threads (4) ask for SECONDS (60) and each sends its next request once the last
is answered: by REST one PNG file in base64, by gRPC one array of 28 x 28 bytes.
- p50, p99: of the time from request to answer, as the client sees it, on the cores that the server also uses [ms].
- errors: requests that were not answered; nothing is asked twice.
- memory: the server's resident set at the start, in the middle and at the end: medians over a tenth of the time [MiB].
"""

import csv
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import keras
import numpy as np
import psutil
import tensorflow as tf

import zoo

COLUMNS = ["protocol", "seconds", "clients", "requests", "errors", "p50_ms", "p99_ms"]
COLUMNS += ["memory_start_mib", "memory_middle_mib", "memory_end_mib"]


def exported(folder):
    """LeNet-5 on bytes, as folder/lenet5/1."""
    raw = keras.Input((28, 28, 1), dtype="uint8", name="image")
    front = keras.Model(raw, keras.layers.Rescaling(1 / 255)(raw))
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1)).astype("uint8")
    names = [str(digit) for digit in range(10)]
    zoo.export(zoo.lenet5((28, 28, 1), 10), folder / "lenet5", inputs=images, preprocessing=front, classes=names)
    return images


def load(address, question, seconds, clients, server):
    """(latencies [s], errors, memory [MiB]) of clients that ask for so long."""
    latencies, errors, memory, end = [], [], [], time.monotonic() + seconds

    def ask():
        with zoo.serving.Client(address, "lenet5", retries=0, timeout=10) as client:
            client.signatures()
            while time.monotonic() < end:
                began = time.perf_counter()
                try:
                    client.predict(question)
                    latencies.append(time.perf_counter() - began)
                except zoo.serving.ServingError as error:
                    errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append(server.memory_info().rss / 2**20)
        time.sleep(0.25)
    return latencies, errors, memory


def main(seconds=60, clients=4):
    """Runs the load and writes the table."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        images = exported(folder)
        command = [sys.executable, "-m", "recipes", "serve", str(folder), "--port", "0", "--grpc-port", "0"]
        command += ["--workers", str(os.cpu_count())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            rest, grpc = process.stdout.readline().split()
            questions = {"rest": (rest, tf.io.encode_png(images[0]).numpy()), "grpc": (grpc, images[:1])}
            for protocol, (address, question) in questions.items():
                found = load(address, question, seconds, clients, psutil.Process(process.pid))
                latencies, errors, memory = found
                cuts = statistics.quantiles(latencies, n=100)
                figures = [f"{1000 * cuts[49]:.2f}", f"{1000 * cuts[98]:.2f}"]
                tenth, middle = max(1, len(memory) // 10), len(memory) // 2
                parts = memory[:tenth], memory[middle : middle + tenth], memory[-tenth:]
                sizes = [f"{statistics.median(part):.1f}" for part in parts]
                rows.append([protocol, seconds, clients, len(latencies), len(errors), *figures, *sizes])
            process.send_signal(signal.SIGINT)
    installed = [os.cpu_count(), platform.python_version(), tf.__version__, keras.__version__]
    with open(Path(__file__).with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, "cores", "python", "tensorflow", "keras"])
        writer.writerows([*row, *installed] for row in rows)
    for row in rows:
        print(*(f"{name}={value}" for name, value in zip(COLUMNS, row, strict=True)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
