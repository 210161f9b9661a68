import dataclasses
import errno
import json
import os
import subprocess
from pathlib import Path

import pytest
from helpers import make_record, read_records

from benchmark.alive import started
from benchmark.errors import BenchmarkError, InputError
from benchmark.records import (
    MIGRATIONS,
    Identity,
    RunFolder,
    find_run,
    find_runs,
    is_stopped,
    read_json,
    read_record,
    standings,
    was_stopped,
    write_json,
)

WORK = Identity("g", "1", 0)


def finished(root, **changes):
    record = make_record(**changes)
    identity = Identity(record.group, record.fold, record.seed)
    folder = RunFolder.create(root, record.task, record.system, identity)
    folder.write_state("finished", record.steps, {})
    folder.finish(dataclasses.replace(record, id=folder.id))
    return folder


def test_a_record_reads_back_as_it_was_written(tmp_path):
    folder = finished(tmp_path)
    assert read_record(folder.path / "record.json") == make_record(id=folder.id)
    assert [record.id for record in read_records(tmp_path)] == [folder.id]


def test_a_finished_run_is_never_overwritten(tmp_path):
    folder = finished(tmp_path)
    before = (folder.path / "record.json").read_bytes()
    with pytest.raises(BenchmarkError, match="never overwritten"):
        folder.finish(make_record())
    assert (folder.path / "record.json").read_bytes() == before


def test_two_runs_in_one_second_get_two_folders(tmp_path):
    assert len({finished(tmp_path).id for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "schema 99[^$]*update: a newer version"),
        ({"schema": -1}, "schema -1[^$]*repeat the run"),
        ({"schema": "1"}, "its schema is '1'"),
        ({"schema": None}, "its schema is None"),
        ({"scores": {"auc": "high"}}, "finite numbers or null"),
        ({"surprise": 1}, r"unknown \['surprise'\]"),
    ],
)
def test_a_wrong_record_is_refused_by_name(tmp_path, change, message):
    folder = finished(tmp_path)
    path = folder.path / "record.json"
    write_json(path, json.loads(path.read_text()) | change)
    with pytest.raises(InputError, match=message) as error:
        read_record(path)
    assert str(path) in str(error.value)


def test_a_record_of_an_older_schema_is_brought_to_this_one(tmp_path, monkeypatch):
    """Made up: schema 0 called the seed `random_state`, and schema -1 had one number of seconds."""
    path = finished(tmp_path).path / "record.json"
    expected = read_record(path)
    old = json.loads(path.read_text()) | {"schema": -1, "seconds": 12.0, "random_state": expected.seed}
    del old["seed"]
    write_json(path, old)
    with pytest.raises(InputError, match="schema -1"):
        read_record(path)

    def name_the_seed(content):
        return {name: value for name, value in content.items() if name != "random_state"} | {
            "seed": content["random_state"]
        }

    monkeypatch.setitem(MIGRATIONS, -1, lambda content: content | {"seconds": {"train": content["seconds"]}})
    monkeypatch.setitem(MIGRATIONS, 0, name_the_seed)
    assert read_record(path) == dataclasses.replace(expected, seconds={"train": 12.0})
    write_json(path, {name: value for name, value in old.items() if name != "random_state"})
    with pytest.raises(InputError, match="not a whole run record of schema 0: KeyError"):
        read_record(path)


def test_half_a_record_is_refused(tmp_path):
    folder = finished(tmp_path)
    path = folder.path / "record.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match="not a JSON file"):
        read_record(path)


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        RunFolder.create(tmp_path, "bad", "cnn8", WORK).finish(make_record(scores={"auc": float("nan")}))
    assert not list(tmp_path.glob("**/record.json"))


def test_a_failed_write_leaves_no_half_file(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    write_json(path, {"a": 1})
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(BenchmarkError, match="No space left") as error:
        write_json(path, {"a": 2})
    assert error.value.exit_code == 1
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_a_place_that_takes_no_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(BenchmarkError, match="cannot write") as error:
        RunFolder.create(tmp_path / "runs", "bad", "cnn8", WORK)
    assert str(tmp_path / "runs") in str(error.value)


def test_runs_are_found_by_path_prefix_last_and_group(tmp_path):
    first = finished(tmp_path, group="g1")
    second = finished(tmp_path, group="g2", fold="warblrb10k")
    third = finished(tmp_path, group="g2", fold="BirdVox-DCASE-20k")
    assert find_runs(tmp_path, str(first.path)) == [first.path]
    assert find_runs(tmp_path, second.id) == [second.path]
    assert find_runs(tmp_path, "g2") == sorted([second.path, third.path])
    assert find_runs(tmp_path, "last") in ([second.path], [third.path])
    with pytest.raises(InputError, match="3 runs begin with"):
        find_runs(tmp_path, "2")
    with pytest.raises(InputError, match="no finished run is called 'nothing'"):
        find_runs(tmp_path, "nothing")
    with pytest.raises(InputError, match="there is no finished run yet"):
        find_runs(tmp_path / "empty", "last")


@pytest.mark.parametrize(
    ("changes", "stopped"),
    [
        ({"status": "interrupted"}, True),
        ({"status": "failed"}, True),
        ({"status": "running"}, True),  # a number that this very process has again
        ({"status": "running", "pid": "another"}, False),
        ({"status": "running", "pid": "another", "started": 1}, True),  # which had the number before
        ({"status": "running", "pid": "another", "started": None}, False),  # of a version that did not say
        ({"status": "running", "pid": "zombie"}, True),
        ({"status": "running", "pid": "dead"}, True),
        ({"status": "running", "host": "elsewhere"}, False),
        ({"status": "running", "host": "elsewhere", "heartbeat": 0.0}, True),
    ],
)
def test_a_run_is_stopped_when_it_says_so_or_is_gone(tmp_path, changes, stopped):
    folder = RunFolder.create(tmp_path, "bad", "cnn8", WORK)
    folder.write_state("running", 3, {})
    state = folder.read_state()
    assert state["started"] is not None
    kind = changes.get("pid")
    with subprocess.Popen(["sleep", "60" if kind == "another" else "0"]) as process:
        if kind == "dead":
            process.wait()
        elif kind == "zombie":
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        if kind:
            changes = {"started": started(process.pid)} | changes | {"pid": process.pid}
        assert is_stopped(state | changes) == stopped
        process.kill()


def test_only_the_same_work_with_a_checkpoint_is_resumed(tmp_path):
    ten = RunFolder.create(tmp_path, "bad", "cnn8", Identity("g", "1", 10))
    ten.write_state("interrupted", 3, {})
    names = (tmp_path, "bad", "cnn8")
    assert find_run(*names, Identity("g", "1", 10), finished=False) is None
    assert was_stopped(*names, Identity("g", "1", 10))
    ten.checkpoint("last").parent.mkdir()
    ten.checkpoint("last").touch()
    assert find_run(*names, Identity("g", "1", 10), finished=False).path == ten.path
    for other in (Identity("g", "1", 1), Identity("g", "2", 10), Identity("h", "1", 10)):
        assert find_run(*names, other, finished=False) is None
        assert not was_stopped(*names, other)
    ten.finish(make_record(id=ten.id))
    assert find_run(*names, Identity("g", "1", 10), finished=False) is None
    assert find_run(*names, Identity("g", "1", 10), finished=True).path == ten.path
    assert not was_stopped(*names, Identity("g", "1", 10))


def test_work_stands_by_what_is_finished_then_by_what_runs_then_by_what_is_newest(tmp_path):
    first, second, third, fourth = (RunFolder.create(tmp_path, "bad", "cnn8", WORK) for _ in range(4))

    def standing():
        found = standings(tmp_path, "bad", "cnn8")
        assert set(found) <= {WORK}
        return (found[WORK].status, found[WORK].path) if found else None

    assert standing() is None
    third.write_state("failed", 1, {})
    second.write_state("failed", 5, {})
    assert standing() == ("stopped", third.path)
    second.write_state("running", 6, {})
    write_json(second.path / "state.json", second.read_state() | {"host": "another"})
    assert standing() == ("running", second.path)
    first.write_state("finished", 9, {})
    first.finish(make_record())
    fourth.write_state("interrupted", 2, {})
    assert standing() == ("finished", first.path)


def test_a_file_that_is_replaced_on_another_machine_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    (tmp_path / "state.json").write_text('{"step": 3}')
    read, tries = Path.read_text, []

    def stale(path, *args, **keys):
        tries.append(path)
        if len(tries) == 1:
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path, *args, **keys)

    monkeypatch.setattr(Path, "read_text", stale)
    assert read_json(tmp_path / "state.json") == {"step": 3} and len(tries) == 2
