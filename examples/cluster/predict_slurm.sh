#!/bin/bash
# Predicts a folder of photos as a SLURM array of 16 tasks, and joins their files.
#
#     sbatch --array=1-16 predict_slurm.sh runs/photos /archive/photos predictions.parquet
#     zoo join-shards predictions.parquet           # when all tasks are done
#
# Each task predicts its shard, and writes predictions-00003-of-00016.parquet. A task that was stopped by its time limit
# or by a failure continues where it was: submit the same array again. Tasks that are complete end immediately.
#SBATCH --job-name=predict
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail
run=$1 photos=$2 out=$3
# The tasks count from 1; SLURM_ARRAY_TASK_COUNT would be wrong for an array of which only some tasks are submitted again
shards=${SHARDS:-16}
srun zoo predict "$run" "$photos" --out "$out" --shard "$SLURM_ARRAY_TASK_ID/$shards"
