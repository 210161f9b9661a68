"""Locks: on file systems that know none or keep them to one machine, and after those who held them have died."""

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest

from benchmark import locks
from benchmark.locks import locked

FORK = multiprocessing.get_context("fork")


def no_locks(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def one_machine_only(*_):
    """What `flock` does where it does not reach the other machine."""


@pytest.fixture(params=["locks", "no locks", "of one machine"])
def system(request, monkeypatch):
    """What the file system knows."""
    if request.param == "no locks":
        monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr(locks, "LOOK_SECONDS", 0.02)
    return request.param


def hold(path, host, until):
    """Hold the lock as a process of some machine."""
    socket.gethostname = lambda: host
    if host == "another":
        fcntl.flock = one_machine_only
    with locked(path, "tests"):
        until.wait(30)


def append(path, host, times):
    """Read a number and write the next one, slowly, each time under the lock."""
    socket.gethostname = lambda: host
    for _ in range(times):
        with locked(path, "counts"):
            number = int(path.with_name("number").read_text())
            time.sleep(0.01)
            path.with_name("number").write_text(str(number + 1))


def started(target, *words):
    process = FORK.Process(target=target, args=words)
    process.start()
    return process


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_one_process_at_a_time(tmp_path, system, monkeypatch):
    if system == "of one machine":
        monkeypatch.setattr(fcntl, "flock", one_machine_only)
    (tmp_path / "number").write_text("0")
    names = ("one", "two") if system == "of one machine" else ("one", "one")
    processes = [started(append, tmp_path / "lock", name, 15) for name in names]
    for process in processes:
        process.join()
    assert (tmp_path / "number").read_text() == "30"
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["lock", "number"]


@pytest.mark.parametrize("host", ["ours", "another"])
def test_who_holds_the_lock_is_waited_for(tmp_path, system, host, monkeypatch):
    monkeypatch.setattr(locks, "TOUCH_SECONDS", 0.1)
    monkeypatch.setattr(locks, "SILENT_SECONDS", 1.0)
    until, name = FORK.Event(), socket.gethostname() if host == "ours" else host
    holder = started(hold, tmp_path / "lock", name, until)
    wait_until((tmp_path / "lock.holder").exists)
    threading.Timer(1.6, until.set).start()
    began = time.monotonic()
    with locked(tmp_path / "lock", "tests"):
        assert time.monotonic() - began > 1.3
    holder.join()
    assert holder.exitcode == 0


def test_a_dead_process_of_this_machine_holds_nothing(tmp_path, system, monkeypatch, capsys):
    holder = started(hold, tmp_path / "lock", socket.gethostname(), FORK.Event())
    wait_until((tmp_path / "lock.holder").exists)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with locked(tmp_path / "lock", "tests"):
        assert json.loads((tmp_path / "lock.holder").read_text())[1] == os.getpid()
    assert "waiting" not in capsys.readouterr().err


def test_a_dead_process_of_another_machine_holds_nothing_once_it_was_silent_for_long(tmp_path, system, monkeypatch):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.5)
    holder = started(hold, tmp_path / "lock", "another", FORK.Event())
    wait_until((tmp_path / "lock.holder").exists)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    began = time.monotonic()
    with locked(tmp_path / "lock", "tests"):
        assert time.monotonic() - began > 0.5


def test_the_same_lock_can_be_taken_again_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), locked(tmp_path / "lock", "tests"):
            raise RuntimeError
