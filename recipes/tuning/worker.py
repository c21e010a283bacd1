"""Processes that run trials of one search at the same time; the study's journal is what they share."""

import contextlib
import pickle
import subprocess
import sys

from recipes.tuning.trials import open_study, run_trials


@contextlib.contextmanager
def started_workers(workers, journal, subject, sampler, budget, folder):
    """Starts `workers` - 1 processes beside this one for the block under `with`, and waits for them at its end.

    Args:
        workers: number of processes, this one included.
        journal: path of the study's file.
        subject: `Subject`, which is pickled.
        sampler: as `open_study` has it.
        budget: the arguments of `run_trials` that all processes have in common.
        folder: for their output, worker-2.log and so on.
    Raises:
        ValueError: if there is no folder.
    """
    if workers > 1 and folder is None:
        raise ValueError(f"search: `workers` above 1 need `out`, a folder that they share, got {workers}.")
    processes = []
    try:
        for number in range(2, workers + 1):
            with open(folder / f"worker-{number}.log", "wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "recipes.tuning.worker"], stdin=subprocess.PIPE, stdout=log, stderr=log
                )
            processes.append(process)
            pickle.dump((number, str(journal), subject, sampler, budget), process.stdin)
            process.stdin.close()
        yield
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()


def main():
    """Runs trials of the search that is pickled on stdin."""
    number, journal, subject, sampler, budget = pickle.load(sys.stdin.buffer)
    study = open_study(journal, "minimize", sampler, subject.space, subject.task.seed + 100 * number)
    run_trials(study, subject, sampler=sampler, seed=subject.task.seed + 100 * number, **budget)


if __name__ == "__main__":
    main()
