"""Trainings of one system side by side on two devices: the same is left, and nothing is lost when they are stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_systems as tiny
from offline_wandb import artifacts_of, read_offline, summary_of

# Its processes import this script anew, and with it the system.
SCRIPT = """
import sys
from pathlib import Path

import pytest

sys.path.append({tests!r})
import tiny_systems as tiny

folder = Path({folder!r})
patch = pytest.MonkeyPatch()
if __name__ == "__main__":
    tiny.install(patch, folder)(
        members=tiny.MEMBERS,
        trainer={{"max_steps": {steps}, "val_every": 1, "checkpoint_every": 1}},
        stages=[
            {{"name": "one", "folds": 2}},
            {{"name": "two", "folds": 2, "start": "previous", "labels": {{"class_path": "tiny_systems.HeldOutTags"}}}},
        ],
        fusion={{"class_path": "tiny_systems.Thirds"}},
    )
    sys.exit(tiny.run(*sys.argv[1:]))
tiny.register(patch, folder)
"""


@pytest.fixture
def start(tmp_path, shared_cache):
    """Start a run of the system in a process of its own."""

    def start(runs, *words, steps=3):
        script = tmp_path / f"system{steps}.py"
        here = str(Path(tiny.__file__).parent)
        script.write_text(SCRIPT.format(tests=here, folder=str(tmp_path / f"bad{steps}"), steps=steps))
        root = Path(tiny.__file__).parent.parent
        environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "DCASE_BENCH_RUNS": str(tmp_path / runs),
        }
        command = [sys.executable, str(script), *words]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=root)

    return start


def only(folder):
    """The only run below a folder."""
    (state,) = folder.glob("*/*/*/state.json")
    return state.parent


def in_group(folder):
    """Processes that have the folder in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"DCASE_BENCH_RUNS={folder}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


def wait_until(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.slow
def test_two_devices_leave_what_one_leaves(start, tmp_path):
    for runs, devices in (("alone", "1"), ("together", "2")):
        process = start(runs, "--devices", devices)
        said = process.communicate()[1]
        assert process.returncode == 0, said
    alone, together = only(tmp_path / "alone"), only(tmp_path / "together")
    names = sorted(path.name for path in (alone / "artifacts").iterdir())
    assert names == sorted(path.name for path in (together / "artifacts").iterdir())
    assert sum(name.endswith(".ckpt") for name in names) == 8
    for name in names:
        if name.endswith(".npz"):
            first, second = (dict(np.load(folder / "artifacts" / name)) for folder in (alone, together))
            for key in first:
                np.testing.assert_allclose(first[key], second[key], atol=1e-6)
    records = [json.loads((folder / "record.json").read_text()) for folder in (alone, together)]
    assert records[0]["scores"] == pytest.approx(records[1]["scores"], abs=1e-6)
    assert records[0]["steps"] == records[1]["steps"] == 24
    assert [record["device"] for record in records] == ["cpu (1 threads)", "2 x cpu (1 threads)"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process_and_goes_on(start, tmp_path, number):
    runs = tmp_path / "stopped"
    process = start("stopped", "--devices", "2", steps=60)
    wait_until(lambda: len(list(runs.glob("*/*/*/checkpoints/last-one.*.ckpt"))) == 2)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 3)
    wait_until(lambda: not in_group(runs), 60)
    folder = only(runs)
    state = json.loads((folder / "state.json").read_text())
    assert state["status"] == ("running" if number == signal.SIGKILL else "interrupted")
    again = start("stopped", "--devices", "2", steps=60)
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert only(runs) == folder
    assert json.loads((folder / "record.json").read_text())["steps"] == 8 * 60


@pytest.mark.slow
def test_a_killed_training_ends_the_run_which_says_so_and_goes_on(start, tmp_path):
    runs = tmp_path / "killed"
    process = start("killed", "--devices", "2", steps=60)
    wait_until(lambda: len(list(runs.glob("*/*/*/checkpoints/last-one.*.ckpt"))) == 2)
    trainings = subprocess.run(["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True)
    os.kill(int(trainings.stdout.split()[0]), signal.SIGKILL)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert "a training's process was killed (SIGKILL) by the system, perhaps for want of memory" in said
    assert json.loads((only(runs) / "state.json").read_text())["status"] == "failed"
    wait_until(lambda: not in_group(runs), 60)
    again = start("killed", "--devices", "2", steps=60)
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert json.loads((only(runs) / "record.json").read_text())["steps"] == 8 * 60


@pytest.mark.slow
def test_trainings_side_by_side_are_one_run_on_wandb(start, tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path))
    process = start("logged", "--devices", "2", "--logger", "wandb")
    said = process.communicate()[1]
    assert process.returncode == 0, said
    folder = only(tmp_path / "logged")
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    found = read_offline(path)
    record = json.loads((folder / "record.json").read_text())
    assert summary_of(found)["score/bad/auc"] == pytest.approx(record["scores"]["auc"], abs=1e-6)
    (artifact,) = artifacts_of(found)
    kept = json.loads((folder / "kept.json").read_text()).values()
    weights = {"kept.json", "fusion.npz", *(f"artifacts/{name}" for name in kept)}
    assert {entry.path for entry in artifact.manifest.contents} == {"record.json", "config.yaml", *weights}


@pytest.mark.slow
def test_what_a_training_says_is_what_the_command_says(start, tmp_path):
    process = start("wrong", "--devices", "2", "--optimizer.init_args.lr", "1e30")
    said = process.communicate()[1]
    assert process.returncode == 1
    assert "the weights are no usable numbers after step 1" in said
    assert json.loads((only(tmp_path / "wrong") / "state.json").read_text())["status"] == "failed"


def test_there_must_be_so_many_accelerators(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    words = ["--members", '{"a": {}, "b": {}}', "--devices", "3"]
    assert tiny.main(["run", "--task", "bad", "--system", "logistic-regression", "--data", "mini", *words]) == 2
    assert "3 devices asked for, 2 there" in capsys.readouterr().err
