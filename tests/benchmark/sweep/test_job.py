"""A job asks how its work stands before it begins: a cluster may start it again after it has finished."""

import json
import os
import subprocess
import sys

import pytest
from sweep_runs import finish, job, record_paths, run_of, save

from benchmark import records
from benchmark.sweep import job as module


class Began(Exception):
    """In place of becoming another program."""


@pytest.fixture
def began(monkeypatch):
    """What a job would become."""
    calls = []

    def become(program, words, environment):
        calls.append((program, words, environment))
        raise Began

    monkeypatch.setattr(os, "execvpe", become)
    return calls


def test_a_job_becomes_its_command_with_its_own_environment(began, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with pytest.raises(Began):
        module.Job("bad", "cnn8", "p", job().identity, ("python", "-m", "x"), {"OMP_NUM_THREADS": "2"})()
    (program, words, environment) = began[0]
    assert (program, words) == ("python", ("python", "-m", "x"))
    assert environment == {**os.environ, "OMP_NUM_THREADS": "2"}


def test_finished_work_is_not_done_again(began, capsys):
    finish(folder := run_of(job()), "bad", "cnn8", 3)
    save(run_of(job()))
    job()()
    assert not began
    assert str(folder.path) in capsys.readouterr().out


def test_a_job_waits_while_its_work_goes_on_elsewhere(began, monkeypatch):
    folder = run_of(job())
    folder.write_state("running", 7, {})
    elsewhere = folder.read_state() | {"host": "another"}
    (folder.path / "state.json").write_text(json.dumps(elsewhere))
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            (folder.path / "state.json").write_text(json.dumps(elsewhere | {"heartbeat": 0.0}))

    monkeypatch.setattr(module.time, "sleep", sleep)
    with pytest.raises(Began):
        job()()
    assert len(waits) == 3


def test_the_stand_in_leaves_what_a_run_leaves():
    subprocess.run(job(steps=1).command, check=True, capture_output=True)
    (path,) = record_paths()
    assert records.read_record(path).steps == 1


def test_jobs_are_read_without_torch():
    code = "import sys, benchmark.sweep.job, benchmark.sweep.loop; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
