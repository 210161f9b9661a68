"""What SLURM is asked and what its answers mean, by stand-ins for its programs; tests/cluster has the real ones."""

import re
import stat
import sys

import pytest
from sweep_runs import job

from benchmark.errors import InputError
from benchmark.paths import runs_root
from benchmark.sweep.launchers import MOST_IN_ARRAY, Slurm


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Folder of the programs: `queue` is what squeue prints, `asked` what they were called with."""
    programs = {
        "srun": "",
        "scancel": "",
        "sbatch": f"echo Submitted batch job $(( 40 + $(grep -c sbatch {tmp_path}/asked) ))",
        "squeue": f"test ! -e {tmp_path}/down && cat {tmp_path}/queue",
    }
    for name, body in programs.items():
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "queue").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def script(number):
    """What sbatch was given: its options and its last command."""
    text = (runs_root() / "sweeps" / "slurm" / f"{number}_submission.sh").read_text()
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", text, re.MULTILINE))
    return options, text.strip().splitlines()[-1]


def test_an_array_keeps_to_the_limit_and_a_job_is_the_script_s_own_process(cluster):
    launcher = Slurm(
        3,
        {"time": 90, "gpus_per_node": 1, "mem": "2048MB", "partition": "gpu"},
        {"account": "speech", "exclusive": True},
    )
    assert launcher.room() == MOST_IN_ARRAY
    assert launcher.submit([job(seed) for seed in range(5)]) == [f"41_{place}" for place in range(5)]
    options, command = script(41)
    assert options["array"] == "0-4%3"
    asked = ("time", "gpus-per-node", "mem", "partition", "account")
    assert [options[name] for name in asked] == ["90", "1", "2048MB", "gpu", "speech"]
    assert options["signal"] == "B:TERM@120"
    assert (options["requeue"], options["exclusive"]) == ("", "")
    assert command.startswith(f"exec {sys.executable} ")
    assert launcher.room() == 0  # the array counts whole: what is done again waits for it


def test_the_queue_says_what_goes_on_and_what_was_lost(cluster):
    launcher = Slurm(4, {"time": 90}, {})
    numbers = launcher.submit([job(seed) for seed in range(6)])
    assert numbers == [f"41_{place}" for place in range(6)]
    words = ["PENDING", "RUNNING", "COMPLETING", "NODE_FAIL", "FAILED"]  # and the last has been forgotten
    queue = "".join(f"41_{place} {word}\n" for place, word in enumerate(words))
    (cluster / "queue").write_text(queue + "7 RUNNING\n")
    assert launcher.look() == {"41_0": "queued", "41_1": "starting", "41_2": "completing"}
    assert [launcher.was_lost(number) for number in numbers] == [False, False, False, True, False, False]
    assert launcher.room() == 1
    (cluster / "queue").write_text(queue.replace("NODE_FAIL", "PENDING"))  # it is put back
    assert set(launcher.look()) == {"41_0", "41_1", "41_2", "41_3"}
    launcher.give_up("41_3")
    assert set(launcher.look()) == {"41_0", "41_1", "41_2"}
    (cluster / "down").touch()
    (cluster / "queue").write_text("")
    assert set(launcher.look()) == {"41_0", "41_1", "41_2"}  # no answer is no end
    launcher.stop()
    stopped = [line for line in (cluster / "asked").read_text().splitlines() if line.startswith("scancel")]
    assert [sorted(line.split()[1:]) for line in stopped] == [["41_3"], ["41_0", "41_1", "41_2"]]


def test_jobs_in_the_queue_are_taken_over_by_another_session(cluster):
    Slurm(2, {"time": 90}, {}).submit([job(seed) for seed in range(3)])
    (cluster / "queue").write_text("41_0 COMPLETED\n41_1 RUNNING\n41_2 PENDING\n99 RUNNING\n")
    another = Slurm(2, {"time": 90}, {})
    assert another.earlier() == {"41_1": job(1), "41_2": job(2)}
    assert set(another.look()) == {"41_1", "41_2"}


def test_cores_bound_the_threads(cluster):
    launcher = Slurm(2, {"time": 90, "cpus_per_task": 6}, {})
    (number,) = launcher.submit([job(0)])
    (cluster / "queue").write_text(f"{number} PENDING\n")
    assert launcher.earlier()[number].environment == {"OMP_NUM_THREADS": "6"}
    assert script(number)[0]["cpus-per-task"] == "6"


def test_what_sbatch_refuses_is_said(cluster):
    (cluster / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2\nexit 1\n")
    with pytest.raises(InputError, match="invalid partition specified: gpu"):
        Slurm(2, {"time": 90}, {}).submit([job(0)])


def test_without_slurm_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no SLURM here: no sbatch"):
        Slurm(2, {}, {})
