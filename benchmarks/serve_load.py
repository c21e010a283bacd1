"""Latency, errors and memory of `zoo serve` under load, for both protocols.

    python benchmarks/serve_load.py [SECONDS] [CLIENTS]          writes benchmarks/serve_load.csv

LeNet-5 with its initial weights is exported, and served by `zoo serve` in another process with as many workers as there
are cores. CLIENTS threads (4) send requests for SECONDS (60), each the next one as soon as it has the response: by REST
one PNG file in base64, by gRPC one array of 28 x 28 bytes.
- p50, p99: percentiles of the time from request to response, measured in the client, on the server's cores [ms].
- errors: requests that failed; none is repeated.
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


def export_lenet5(folder):
    """Exports LeNet-5 with uint8 inputs to folder/lenet5/1 and returns four images."""
    raw = keras.Input((28, 28, 1), dtype="uint8", name="image")
    preprocessing = keras.Model(raw, keras.layers.Rescaling(1 / 255)(raw))
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1)).astype("uint8")
    names = [str(digit) for digit in range(10)]
    zoo.export(
        zoo.lenet5((28, 28, 1), 10), folder / "lenet5", inputs=images, preprocessing=preprocessing, classes=names
    )
    return images


def measure_load(address, inputs, seconds, clients, server):
    """(latencies [s], errors, memory [MiB]) of `clients` threads that send requests for `seconds`."""
    latencies, errors, memory, end = [], [], [], time.monotonic() + seconds

    def send_requests():
        with zoo.serving.Client(address, "lenet5", retries=0, timeout=10) as client:
            client.signatures()
            while time.monotonic() < end:
                started = time.perf_counter()
                try:
                    client.predict(inputs)
                    latencies.append(time.perf_counter() - started)
                except zoo.serving.ServingError as error:
                    errors.append(error)

    threads = [threading.Thread(target=send_requests) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append(server.memory_info().rss / 2**20)
        time.sleep(0.25)
    return latencies, errors, memory


def main(seconds=60, clients=4):
    """Runs the load and writes the table."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = export_lenet5(folder)
        command = [sys.executable, "-m", "recipes", "serve", str(folder), "--port", "0", "--grpc-port", "0"]
        command += ["--workers", str(os.cpu_count())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            rest, grpc = process.stdout.readline().split()
            requests = {"rest": (rest, tf.io.encode_png(images[0]).numpy()), "grpc": (grpc, images[:1])}
            for protocol, (address, inputs) in requests.items():
                server = psutil.Process(process.pid)
                latencies, errors, memory = measure_load(address, inputs, seconds, clients, server)
                percentiles = statistics.quantiles(latencies, n=100)
                figures = [f"{1000 * percentiles[49]:.2f}", f"{1000 * percentiles[98]:.2f}"]
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
