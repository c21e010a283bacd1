#!/bin/sh
# Trains one model by two processes on this machine, as two machines would: sh examples/two_workers.sh runs/two_workers
#
# On two machines, run the last command of `worker` on each, with their addresses and, on the second, the index 1. The
# first one is the chief, which writes --out. A worker that is not there within ZOO_WORKERS_TIMEOUT seconds (600) is
# named. After a kill or a crash, the same commands resume after the last whole epoch.
out=${1:-runs/two_workers}
first=${PORT:-12345}

worker() {
    cluster="{\"worker\": [\"127.0.0.1:$first\", \"127.0.0.1:$((first + 1))\"]}"
    TF_CONFIG="{\"cluster\": $cluster, \"task\": {\"type\": \"worker\", \"index\": $1}}" \
        python -m recipes train classification --model lenet5 --data bundled:mnist-5k \
        --epochs 4 --batch-size 64 --distribute multi_worker --out "$out"
}

worker 1 &
worker 0
code=$?
wait $! && exit $code
