"""Cost of predictions with the number of photos, of processes and of pixels; and Ray under kills.

    python benchmarks/predict_cost.py [PHOTOS]              writes benchmarks/predict_cost.csv
    python benchmarks/predict_cost.py --ray [PHOTOS]        writes benchmarks/predict_ray.csv

Both write docs/size.md from these files and folder_memory_small_photos.csv.

`lenet5` predicts PHOTOS (2,000) JPEG files of noise (`folder_speed.write_photos`, seed 0), of twice the side of the
model's input, to a CSV file by `predict_files`: as one process, and as 2 and 4 shards that run at the same time.
`start_seconds` is the time from the start of a process until it has loaded the run, and `seconds` that of the
prediction after it, of the slowest process each. photos_per_second = photos / seconds. `memory_MiB` is the largest
resident memory of one process. `load` is the load average of the minute before: above the number of cores, other
programs take part of the time.

With --ray, one process and `--workers ray` with a worker per core predict the same PHOTOS, once undisturbed and once
while 5 workers are killed, at equal distances. `rows` and `different` are the rows of the file and their different
inputs.
"""

import csv
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
import psutil
from folder_speed import write_photos

import recipes
from recipes.prediction import shards
from recipes.training import accelerate

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "size.md"
CASES = {160: [(1, 1), (1, 2), (1, 4)], 224: [(1, 1)], 96: [(1, 1), (4, 1)]}  # side: (fraction 1/n, processes)
KILLS, MANY = 5, 10_000_000
FILES = ("predict_cost.csv", "predict_ray.csv", "folder_memory_small_photos.csv")
COLUMNS = ["pixels", "photos", "processes", "seconds", "start_seconds", "photos_per_second", "memory_MiB", "load"]
COLUMNS += ["cores", "processor", "tensorflow", "keras"]
RAY_COLUMNS = ["way", "photos", "kills", "seconds", "rows", "different", "load", "cores", "processor", "tensorflow"]
COMMAND = """
import sys
from recipes.cli.main import main
from recipes.prediction import ray_cluster
ray_cluster.WORKER_CORES = 1
main(sys.argv[1:])
"""


def save_run(folder, side):
    write_photos(folder / "training", 16, (2 * side, 2 * side))
    task = recipes.Classification(epochs=1, batch_size=8, report_examples=0)
    run = task.fit("lenet5", f"folder:{folder / 'training'}", input_shape=(side, side, 3), verbose=False)
    run.save(folder / "run")


def predict(run, photos, out, shard):
    """Predicts a shard; prints the seconds of start and prediction, and the largest resident memory [MiB]."""
    loaded = recipes.load_run(run)
    start = time.time() - psutil.Process().create_time()
    began = time.perf_counter()
    loaded.predict_files(photos, out, shard=shard, progress=False)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{start:.1f} {time.perf_counter() - began:.1f} {memory:.0f}")


def measure(folder, photos, count):
    """Returns what `count` processes print that predict a shard each: the largest of each number."""
    command = [sys.executable, __file__, "--predict", folder / "run", photos, f"{photos}_{count}.csv"]
    commands = [[*map(str, command), f"{i}/{count}"] for i in range(1, count + 1)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    printed = [process.communicate()[0].split()[-3:] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a prediction failed")
    return [max(map(float, column)) for column in zip(*printed, strict=True)]


def machine_columns(*names):
    info = accelerate.machine_info()
    return [info[name] for name in names]


def load_average():
    return f"{os.getloadavg()[0]:.1f}"


def measure_costs(photos=2000):
    rows = []
    for side, cases in CASES.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            save_run(folder, side)
            for divisor, count in cases:
                number = photos // divisor
                files = folder / f"photos{number}"
                if not files.exists():
                    write_photos(files, number, (2 * side, 2 * side))
                load = load_average()
                start, seconds, memory = measure(folder, files, count)
                figures = [f"{seconds:.1f}", f"{start:.1f}", f"{number / seconds:.1f}", f"{memory:.0f}", load]
                machine = machine_columns("cores", "processor", "tensorflow", "keras")
                rows.append([side, number, count, *figures, *machine])
                print(*rows[-1], sep="\t", flush=True)
                write_csv(FILES[0], COLUMNS, rows)


def kill_workers(process, folder, photos):
    """Kills a worker each time that another part of the photos is predicted."""
    killed = 0
    while process.poll() is None and killed < KILLS:
        numbers = shards.shard_counts(folder / "out.csv")
        paths = [shards.shard_path(folder / "out.csv", (i, n)) for n in numbers for i in range(1, n + 1)]
        count = sum(map(shards.shard_inputs, paths))
        if count >= photos * (killed + 1) // (KILLS + 1):
            children = psutil.Process(process.pid).children(recursive=True)
            workers = [p for p in children if "ShardWorker" in "".join(p.cmdline())]
            if workers:
                workers[killed % len(workers)].send_signal(signal.SIGKILL)
                killed += 1
        time.sleep(0.2)
    return killed


def measure_ray(photos=20_000):
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_run(folder, 96)
        write_photos(folder / "photos", photos, (192, 192))
        for way, kills in (("one process", 0), ("--workers ray", 0), ("--workers ray", KILLS)):
            options = () if way == "one process" else tuple(way.split())
            (folder / "out.csv").unlink(missing_ok=True)
            load, start = load_average(), time.perf_counter()
            arguments = ["predict", folder / "run", folder / "photos", "--out", folder / "out.csv", *options]
            process = subprocess.Popen([sys.executable, "-c", COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL)
            killed = kill_workers(process, folder, photos) if kills else 0
            if process.wait():
                raise SystemExit(f"{way} failed")
            seconds = time.perf_counter() - start
            inputs = pd.read_csv(folder / "out.csv")["input"]
            machine = machine_columns("cores", "processor", "tensorflow")
            rows.append([way, photos, killed, f"{seconds:.0f}", len(inputs), inputs.nunique(), load, *machine])
            print(*rows[-1], sep="\t", flush=True)
    write_csv(FILES[1], RAY_COLUMNS, rows)


def write_csv(name, columns, rows):
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


RAY_TEXT = """`--workers ray` does the same by itself. A worker that dies is replaced by another, which has to
start; it continues the shard at its last record, which is about a second old. Two workers of Ray, undisturbed and while
{kills} were killed on the way, and one process without Ray (`python benchmarks/predict_cost.py --ray`; seconds with the
start):

{table}"""

PAGE_TEXT = """# From a thousand photos to ten million

`benchmarks/predict_cost.py` wrote this page from its measurements: on {machine}, of `lenet5` and of JPEG files
of twice the side of the model's input. `load` is the number of programs that computed or waited for a core in the
minute before, the row above it included. Well above {cores}, other jobs took part of the time, and a machine without
them is faster.

## Photos and their size

The start (Python, TensorFlow and the model) takes the same time for any number of photos, and each photo then takes
the same time as the one before. The last column is the time for ten million photos, from the photos per second of its
row.

{photos}

## Processes

Each process predicts a shard: `zoo predict ... --shard 1/4`, then `zoo join-shards`. On one machine the processes
share its cores and its disk. On n machines each has 1/n of the photos, so that ten million take the hours of one
machine divided by n, as long as the disk keeps up.

{processes}

{ray}

## Memory

`benchmarks/folder_memory.py --small-photos` samples the resident memory of a training and of a prediction with
`lenet5` and photos of 96 x 96 pixels: the largest, and the medians of the first and the last quarter of the time
after the start. A training keeps decoded photos in memory up to 256 MiB, and otherwise in a file.

{memory}

## Not measured

Several machines, disks that are shared over a network, GPUs, more than four processes, large models, and ten million
files. The figures for ten million are computed from the rows. The names of the files are in the memory of each
process, which grows with their number.
"""


def read_csv(name):
    with (FOLDER / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def markdown(rows, names):
    """Returns a table of some columns, {column: heading}."""
    lines = [names.values(), ["---:"] * len(names), *([row[name] for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_page():
    rows = sorted(read_csv(FILES[0]), key=lambda row: (int(row["pixels"]), int(row["processes"]), int(row["photos"])))
    for row in rows:
        row["hours"] = f"{MANY / float(row['photos_per_second']) / 3600:,.0f}"
    first = rows[0]
    names = {
        "pixels": "side of the model's input",
        "photos": "photos",
        "start_seconds": "start, s",
        "seconds": "all, s",
    }
    rates = {"photos_per_second": "photos/s", "hours": "hours for 10 million", "load": "load"}
    of_ray = {"way": "way", "photos": "photos", "kills": "workers killed", "seconds": "all, s"}
    of_ray |= {"rows": "rows", "different": "different inputs", "load": "load"}
    memory = {"work": "work", "photos": "photos", "seconds": "all, s", "peak_MiB": "largest, MiB"}
    memory |= {"first_quarter_MiB": "first quarter, MiB", "last_quarter_MiB": "last quarter, MiB"}
    ray = read_csv(FILES[1]) if (FOLDER / FILES[1]).exists() else []
    text = PAGE_TEXT.format(
        machine=f"{first['cores']} {first['processor']} cores with TensorFlow {first['tensorflow']}",
        cores=first["cores"],
        photos=markdown([row for row in rows if row["processes"] == "1"], names | rates),
        processes=markdown(
            [row for row in rows if row["pixels"] == "160"],
            {"processes": "processes", "photos": "photos", "start_seconds": "start, s", "seconds": "prediction, s"}
            | rates
            | {"memory_MiB": "memory of one, MiB"},
        ),
        ray=RAY_TEXT.format(kills=ray[-1]["kills"], table=markdown(ray, of_ray)) if ray else "",
        memory=markdown(read_csv(FILES[2]), memory),
    )
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--predict"]:
        predict(*sys.argv[2:])
        sys.exit()
    if sys.argv[1:2] == ["--ray"]:
        measure_ray(*map(int, sys.argv[2:]))
    else:
        measure_costs(*map(int, sys.argv[1:]))
    if (FOLDER / FILES[0]).exists():
        write_page()
