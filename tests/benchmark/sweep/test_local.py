"""Sweeps on this machine, through submitit, of a stand-in for the run."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time

from rich.console import Console
from sweep_runs import job, record_paths

from benchmark import records
from benchmark.paths import runs_root
from benchmark.sweep.launchers import Local
from benchmark.sweep.loop import Sweep
from benchmark.sweep.table import print_failed


def sweep(jobs, workers, show=lambda rows: None, retries=1):
    done = Sweep(jobs, Local(workers), retries, show)
    done.run()
    return done


def logs():
    return {path.name: path.read_text() for path in sorted(runs_root().glob("sweeps/*/*_log.out"))}


def test_jobs_run_side_by_side_each_on_its_worker():
    peak = []

    def show(rows):
        peak.append(sum(row.status == "submitted" for row in rows))

    workers = [{"CUDA_VISIBLE_DEVICES": "GPU-4", "OMP_NUM_THREADS": "1"}, {"CUDA_VISIBLE_DEVICES": "7"}]
    done = sweep([job(seed, steps=5) for seed in range(4)], workers, show)
    assert [row.status for row in done.rows] == ["finished"] * 4
    assert [records.read_record(path).seed for path in record_paths()] in map(list, itertools.permutations(range(4)))
    assert max(peak) == 2
    devices = re.findall(r"device (\S+),", "".join(logs().values()))
    assert set(devices) == {"GPU-4", "7"}


def test_a_job_that_fails_once_is_done_again_and_one_that_fails_on_shows_its_log(tmp_path, capsys):
    (tmp_path / "once").write_text("1")
    (tmp_path / "ever").write_text("9")
    jobs = [job(0, fails=tmp_path / "once"), job(1, fails=tmp_path / "ever")]
    done = sweep(jobs, [{}, {}])
    assert [row.status for row in done.rows] == ["finished", "failed"]
    assert (tmp_path / "ever").read_text() == "7"
    print_failed(Console(width=200), done.rows, done.launcher)
    shown = capsys.readouterr().out
    assert "failed: bad / cnn8, random-3-fold, fold 1, seed 1" in shown
    assert "  | the disk is made of cheese" in shown
    assert shown.count("failed:") == 1


def test_ctrl_c_lets_runs_save_and_the_same_sweep_goes_on():
    jobs = [job(seed, steps=50) for seed in range(3)]

    def show(rows):
        steps = [row.standing.state["step"] for row in rows if row.standing]
        if len(steps) == 2 and min(steps) >= 5 and not stopped:
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    stopped = []
    first = sweep(jobs, [{}, {}], show)
    assert first.was_stopped
    assert [row.status for row in first.rows] == ["stopped", "stopped", "to do"]
    assert not record_paths()
    assert not first.launcher.look()
    second = sweep([job(seed, steps=50) for seed in range(3)], [{}, {}, {}])
    assert [row.status for row in second.rows] == ["finished"] * 3
    assert len(record_paths()) == 3
    assert len(list(runs_root().glob("bad/*/*"))) == 3  # none was begun twice
    resumed = re.findall(r"resuming at step (\d+)", "".join(logs().values()))
    assert len(resumed) == 2
    assert all(5 <= int(step) < 50 for step in resumed)


def test_a_sweep_takes_over_what_a_killed_one_has_begun():
    program = (
        "from sweep_runs import job; from benchmark.sweep.launchers import Local;"
        "from benchmark.sweep.loop import Sweep;"
        "Sweep([job(0, steps=60), job(1, steps=3)], Local([{}]), 1, lambda rows: None).run()"
    )
    killed = subprocess.Popen([sys.executable, "-c", program])
    while not list(runs_root().glob("sweeps/*/*_submitted.pkl")):
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = sweep([job(0, steps=60), job(1, steps=3)], [{}])
    assert [row.status for row in done.rows] == ["finished"] * 2
    assert len(list(runs_root().glob("sweeps/*/*_submitted.pkl"))) == 2
    assert len(list(runs_root().glob("bad/*/*"))) == len(record_paths()) == 2


def test_the_terminal_s_ctrl_c_reaches_the_sweep_alone():
    """Its processes are in the terminal's group, which gets the signal as a whole; submitit would kill jobs soon."""
    program = (
        "import sys; from sweep_runs import job; from benchmark.sweep.launchers import Local;"
        "from benchmark.sweep.loop import Sweep;"
        "s = Sweep([job(0, steps=1000)], Local([{}]), 1, lambda rows: None); s.run(); sys.exit(3 * s.was_stopped)"
    )
    group = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    timer = threading.Timer(120, group.kill)
    timer.start()
    states = []
    while not states or states[0]["step"] < 3:
        time.sleep(0.05)
        states = [records.read_json(path) for path in runs_root().glob("bad/*/*/state.json")]
    os.killpg(group.pid, signal.SIGINT)
    assert group.wait() == 3
    timer.cancel()
    (state,) = (records.read_json(path) for path in runs_root().glob("bad/*/*/state.json"))
    assert state["status"] == "interrupted"
    assert state["step"] < 1000
