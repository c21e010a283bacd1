"""Answers to questions about generated scenes: RSVQA, the same network without the image, the commonest answer.

    python benchmarks/question_answering.py [--seeds 3]

Writes benchmarks/question_answering.csv: a row per seed, split and type of question. The data are
bundled:land-questions?scenes=1000 of seed 0; the seeds are those of the weights and of the order. The encoder is the
bundled EfficientNet-Lite0, frozen, on images enlarged to 128 x 128 pixels; nothing was chosen on the test split.
Accuracies have a 95 % interval, of which images are drawn with all their questions; so has the margin over the network
without the image.
"""

import argparse
import csv
import os
import platform
import time
from pathlib import Path

import recipes

FILE = Path(__file__).with_suffix(".csv")
ARGUMENTS = {"question_units": 64, "units": (512, 256)}
COLUMNS = (
    "seed", "split", "type", "questions", "images", "accuracy", "low", "high", "question_only", "margin", "margin_low",
    "margin_high", "commonest_answer", "seconds", "parameters", "machine",
)  # fmt: skip


def rows_of(run, seed, seconds):
    """Yields the rows of a run, for validation and test: of each type, and of all questions."""
    for split in ("validation", "test"):
        metrics = run.evaluate(split)
        general = {
            "seed": seed, "split": split, "images": metrics["images"], "seconds": round(seconds),
            "parameters": run.model.count_params(), "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        }  # fmt: skip
        for name, row in metrics["by_type"].items():
            low, high = row["interval"]
            margin_low, margin_high = row["margin_interval"]
            values = {"low": low, "high": high, "margin_low": margin_low, "margin_high": margin_high}
            values |= {key: row[key] for key in ("accuracy", "question_only", "margin", "commonest_answer")}
            yield {**general, "type": name, "questions": row["questions"], **rounded(values)}
        low, high = metrics["accuracy_interval"]
        question_only = metrics["question_only"]["accuracy"]
        values = {"accuracy": metrics["accuracy"], "low": low, "high": high, "question_only": question_only}
        values |= {"margin": metrics["accuracy"] - question_only, "commonest_answer": metrics["baseline"]["accuracy"]}
        yield {**general, "type": "overall", "questions": metrics["examples"], **rounded(values)}


def rounded(values):
    """Returns fractions with four digits."""
    return {name: round(value, 4) for name, value in values.items()}


def main(seeds):
    """Trains a run per seed, prints its metrics and writes them."""
    data, rows = recipes.load("bundled:land-questions?scenes=1000"), []
    for seed in range(seeds):
        start = time.perf_counter()
        task = recipes.QuestionAnswering(epochs=5, batch_size=32, learning_rate=1e-3, seed=seed)
        run = task.fit("rsvqa", data, **ARGUMENTS)
        rows += rows_of(run, seed, time.perf_counter() - start)
        with FILE.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        for sentence in task.summarize(run.evaluate("test"), "test"):
            print(f"seed {seed}: {sentence}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    main(parser.parse_args().seeds)
