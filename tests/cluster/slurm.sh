#!/usr/bin/env bash
# A SLURM of one node on the loopback, from Debian's packages and without systemd: for tests, as root, on a machine of one's own.
#   slurm.sh install | start | stop | status | kill-node | start-node
# SLURM_HOME (default build/slurm) holds its settings, state and logs. Other commands find it by SLURM_CONF=$SLURM_HOME/slurm.conf.
# Partitions: `low`, whose jobs are pre-empted (stopped and put back into the queue) by those of `high`. No accounting, as in a small cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."
SLURM_HOME=$(realpath -m "${SLURM_HOME:-build/slurm}")
export SLURM_CONF=$SLURM_HOME/slurm.conf
host=$(hostname -s)

alive() {  # whether the process of a pid file goes on
    [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null
}

end() {  # end the process of a pid file: SIGNAL FILE
    if alive "$2"; then
        local pid; pid=$(cat "$2")
        kill "-$1" "$pid"
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    fi
    rm -f "$2"
}

kill_tree() {  # a process and all below it; none may start another meanwhile
    kill -STOP "$1" 2>/dev/null || return 0
    for child in $(pgrep -P "$1"); do kill_tree "$child"; done
    kill -KILL "$1"
}

await() {  # wait up to 30 s for a command to succeed
    for _ in $(seq 60); do "$@" >/dev/null 2>&1 && return; sleep 0.5; done
    echo "error: did not come true in 30 s: $*; logs: $SLURM_HOME/log" >&2
    exit 1
}

settings() {
    mkdir -p "$SLURM_HOME"/{log,state,spool}
    cat > "$SLURM_CONF" <<CONF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdTimeout=10
KillWait=30
InactiveLimit=0
StateSaveLocation=$SLURM_HOME/state
SlurmdSpoolDir=$SLURM_HOME/spool
SlurmctldPidFile=$SLURM_HOME/slurmctld.pid
SlurmdPidFile=$SLURM_HOME/slurmd.pid
SlurmctldLogFile=$SLURM_HOME/log/slurmctld.log
SlurmdLogFile=$SLURM_HOME/log/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=$(free -m | awk '/^Mem/ {print $2}') State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
}

start_munge() {
    if munge -n >/dev/null 2>&1; then return; fi
    install -d -o munge -g munge -m 755 /run/munge /var/log/munge /var/lib/munge
    runuser -u munge -- /usr/sbin/munged
    touch "$SLURM_HOME/munged-is-ours"
    await munge -n
}

start_node() {
    if ! alive "$SLURM_HOME/slurmd.pid"; then slurmd -N "$host"; fi
    await bash -c "sinfo -h -o %T -n $host | grep -Eq '^(idle|mixed|allocated)$'"
}

case "${1:-}" in
install)
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -qy --no-install-recommends slurm-wlm munge ;;
start)
    settings
    start_munge
    if ! alive "$SLURM_HOME/slurmctld.pid"; then slurmctld; fi
    await scontrol ping
    start_node
    sinfo ;;
kill-node)   # as a power cut would: the node's daemon and all of its jobs, at once
    end KILL "$SLURM_HOME/slurmd.pid"
    for step in $(pgrep -f '^slurmstepd: ' || true); do
        if grep -qz "^SLURM_CONF=$SLURM_CONF$" "/proc/$step/environ"; then kill_tree "$step"; fi
    done ;;
start-node) start_node ;;
stop)
    end TERM "$SLURM_HOME/slurmd.pid"
    end TERM "$SLURM_HOME/slurmctld.pid"
    if [ -e "$SLURM_HOME/munged-is-ours" ]; then
        end TERM /run/munge/munged.pid
        rm "$SLURM_HOME/munged-is-ours"
    fi ;;
status)
    for daemon in slurmctld slurmd; do
        alive "$SLURM_HOME/$daemon.pid" && echo "$daemon runs" || echo "$daemon does not run"
    done
    sinfo && squeue ;;
*)
    sed -n '2,5s/^# \?//p' "$0"
    exit 2 ;;
esac
