#!/usr/bin/env bash
# Runs sweeps on the one-node SLURM of slurm.sh and disturbs them: pre-emption, requeueing, a dead node, time limits, a failing job,
# Ctrl-C and a killed sweep. After each, every job must have one run folder, one record, and have gone on from a checkpoint.
#   tests/cluster/run.sh [SCENE…]      about half an hour on 2 busy cores; PYTHON names the interpreter, CLUSTER_TEST a folder to work in
set -meuo pipefail  # -m: sweeps in the background have a process group of their own, as in a terminal
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python}
work=$(realpath -m "${CLUSTER_TEST:-build/cluster-test}")
export SLURM_HOME=${SLURM_HOME:-$work/slurm}
export PYTHONPATH=$PWD SLURM_CONF=$SLURM_HOME/slurm.conf DCASE_BENCH_CACHE=$work/cache OMP_NUM_THREADS=1
cluster=tests/cluster/slurm.sh
steps=${STEPS:-40}

say() { echo; echo "== $(date +%T) $*"; }

fail() { echo "NOT OK: $*"; exit 1; }

scene() {  # a sweep in the background, with runs of its own: SCENE WORDS…
    export DCASE_BENCH_RUNS=$work/runs/$1
    mkdir -p "$DCASE_BENCH_RUNS"
    shift
    "$PYTHON" -m benchmark sweep --tasks bad --data mini --launcher slurm --cpus 1 --memory 2 --hours 1 \
        --trainer.max_steps "$steps" --trainer.checkpoint_every 5 "$@" &
    sweep=$!
}

ended() {  # wait for the sweep; its exit code must be CODE
    local code=0
    wait "$sweep" || code=$?
    [ "$code" = "$1" ] || fail "the sweep's exit code is $code instead of $1"
    echo "the sweep's exit code is $code"
}

training() {  # wait until a run of the seed has taken at least N steps: SEED N
    local deadline=$((SECONDS + 600))
    until "$PYTHON" - "$DCASE_BENCH_RUNS" "$@" <<'PY'
import json, pathlib, sys
root, seed, least = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
states = [json.loads(path.read_text()) for path in root.glob("bad/*/*/state.json")]
sys.exit(not any(s["seed"] == seed and s["step"] >= least and s["status"] == "running" for s in states))
PY
    do
        kill -0 "$sweep" 2>/dev/null || fail "the sweep has ended"
        [ $SECONDS -lt $deadline ] || fail "seed $1 did not take $2 steps in ten minutes"
        sleep 1
    done
}

job_of() {  # the SLURM job of a seed
    "$PYTHON" - "$DCASE_BENCH_RUNS" "$1" <<'PY'
import pathlib, sys
from submitit.core.utils import DelayedSubmission
paths = sorted(pathlib.Path(sys.argv[1], "sweeps/slurm").glob("*_submitted.pkl"), key=lambda path: path.stat().st_mtime)
found = [p for p in paths if DelayedSubmission.load(p).function.identity.seed == int(sys.argv[2])]
print(found[-1].name.removesuffix("_submitted.pkl"))
PY
}

hurry() {  # a requeued job waits two minutes by SLURM's rule: let it begin now
    local deadline=$((SECONDS + 120))
    until [ "$(squeue -h -r -j "$1" -o %T)" = PENDING ]; do
        [ $SECONDS -lt $deadline ] || fail "job $1 was not put back into the queue"
        sleep 1
    done
    echo "job $1 is back in the queue: $(squeue -h -r -j "$1" -o '%T, %r'), started $(scontrol show job "$1" | grep -o 'Restarts=[0-9]*')"
    scontrol update "jobid=$1" StartTime=now
}

show_state() {  # how the run of a seed stands
    "$PYTHON" - "$DCASE_BENCH_RUNS" "$1" <<'PY'
import json, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).glob("bad/*/*/state.json")):
    state = json.loads(path.read_text())
    if state["seed"] == int(sys.argv[2]):
        print(f"  {path.parent.name}: {state['status']}, step {state['step']}")
PY
}

check() {  # every job has one folder and one record; the seeds named were stopped and have gone on: JOBS SEED…
    "$PYTHON" tests/cluster/check.py "$DCASE_BENCH_RUNS" "$steps" "$@" || fail "see above"
}

preemption() {
    say "pre-emption: a job of the partition \`high\` takes the node; one job is put back by scontrol; three seeds, two at once"
    scene preemption --seeds 0-2 --partition low --jobs 2
    training 0 7
    local first; first=$(job_of 0)
    sbatch -p high --exclusive -o /dev/null --wrap 'sleep 5'
    hurry "$first"
    local second; second=$(job_of 1)
    hurry "$second"
    show_state 0; show_state 1
    training 0 $((steps / 2))
    echo "scontrol requeue $first"
    scontrol requeue "$first"
    hurry "$first"
    show_state 0
    ended 0
    check 3 0 1
}

node() {
    say "node failure: slurmd and the job's processes are killed, the node is gone, and comes back"
    scene node --seeds 0 --partition low
    training 0 12
    local job; job=$(job_of 0)
    $cluster kill-node
    echo "killed: slurmd and all processes of job $job"
    show_state 0
    hurry_node "$job"
    ended 0
    check 1 0
}

hurry_node() {
    until sinfo -h -o %T | grep -q down; do sleep 1; done
    echo "SLURM has seen it: the node is $(sinfo -h -p low -o %T)"
    $cluster start-node
    hurry "$1"
}

lost() {
    say "node failure of a job that SLURM may not put back: the sweep submits it again"
    scene lost --seeds 0 --partition low
    training 0 12
    local job; job=$(job_of 0)
    scontrol update "jobid=$job" Requeue=0
    $cluster kill-node
    until sinfo -h -o %T | grep -q down; do sleep 1; done
    echo "job $job: $(squeue -h -t all -j "$job" -o '%T, %r')"
    $cluster start-node
    ended 0
    check 1 0
}

limit() {
    say "time limit: SIGTERM before the end, the run saves its checkpoint, the sweep submits it again"
    local steps=200 job began
    scene limit --seeds 0 --partition low
    training 0 12
    job=$(job_of 0)
    began=$(date -d "$(squeue -h -j "$job" -o %S)" +%s)
    scontrol update "jobid=$job" "TimeLimit=$((($(date +%s) - began) / 60 + 1))"
    echo "job $job has run for $(squeue -h -j "$job" -o %M) and has $(squeue -h -j "$job" -o %L) left"
    ended 0
    check 1 0
}

failing() {
    say "a job that fails is done once more, then its log is shown"
    scene failing --seeds 0 --partition low --retries 1 --optimizer.init_args.lr 1e30
    ended 1
}

cancel() {
    say "Ctrl-C: running jobs save their checkpoint, waiting ones leave the queue; the same command goes on"
    scene cancel --seeds 0-1 --partition low --jobs 1
    training 0 7
    kill -INT -- "-$sweep"
    ended 3
    show_state 0
    [ -z "$(squeue -h)" ] || fail "something is left in the queue"
    echo "the queue is empty"
    scene cancel --seeds 0-1 --partition low --jobs 1
    ended 0
    check 2 0
}

killed() {
    say "the sweep itself is killed by SIGKILL; the same command takes over its jobs, running and waiting"
    scene killed --seeds 0-1 --partition low --jobs 1
    training 0 3
    kill -KILL "$sweep"; wait "$sweep" 2>/dev/null || true
    squeue -r -o '%i %T %r'
    scene killed --seeds 0-1 --partition low --jobs 1
    ended 0
    check 2
}

same() {  # what was stopped has the scores of what was not
    say "scores: runs of the same seed, however disturbed"
    "$PYTHON" - "$work/runs" <<'PY'
import pathlib, sys
from collections import defaultdict
from benchmark.records import read_record
found = defaultdict(dict)
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/bad/*/*/record.json")):
    record = read_record(path)
    found[record.seed, record.steps][path.parts[-5]] = record.scores["auc"]
for (seed, steps), scores in sorted(found.items()):
    print(f"  seed {seed}, {steps} steps: " + ", ".join(f"{scene} {score:.6f}" for scene, score in scores.items()))
    assert max(scores.values()) - min(scores.values()) < 1e-5
PY
}

$cluster start
trap 'kill $(jobs -p) 2>/dev/null || true; $cluster stop' EXIT
rm -rf "$work/runs"
if [ $# = 0 ]; then set -- preemption node lost limit cancel killed failing; fi
for name in "$@"; do "$name"; done
same
say "all done"
