"""Downloads in processes of their own: several at once, killed at any moment, and stopped by Ctrl-C."""

import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from downloading import Gated, Site, asked, contents, publish
from server import Fault

from benchmark.data.receipts import FOLDER

pytestmark = pytest.mark.slow

ARCHIVES = {
    "one.zip": {f"wav/{number:03}.wav": random.Random(number).randbytes(3000) for number in range(60)},
    "two.tar.gz": {f"more/{number:03}.wav": random.Random(-number).randbytes(2000) for number in range(40)},
}
FILES = ARCHIVES | {"list.csv": random.Random(0).randbytes(20_000)}


@pytest.fixture
def gated(server):
    with Gated() as running:
        yield running
        running.gate.set()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def lines_of(processes):
    """The lines that processes write to standard error, as they come."""
    lines = [[] for _ in processes]

    def follow(process, into):
        for line in process.stderr:
            into.append(line)

    for process, into in zip(processes, lines, strict=True):
        threading.Thread(target=follow, args=(process, into), daemon=True).start()
    return lines


@pytest.mark.parametrize("ranks", [False, True])
def test_of_several_that_start_at_once_one_works_and_the_others_wait(gated, site, tmp_path, ranks):
    registry = publish(gated, tmp_path, files=FILES)
    gated.gate.clear()
    number = 4 if ranks else 2
    with ExitStack() as started:
        environments = [
            {"RANK": str(n), "LOCAL_RANK": str(n), "WORLD_SIZE": "4"} if ranks else {} for n in range(number)
        ]
        processes = [started.enter_context(site.start(registry, **environment)) for environment in environments]
        for process in processes:
            started.callback(process.kill)
        lines = lines_of(processes)
        wait_for(lambda: len(gated.log) == len(FILES) and sum(map(len, lines)) == number - 1)
        gated.gate.set()
        assert [process.wait(60) for process in processes] == [0] * number
        said = [process.stdout.read() for process in processes]
    assert sorted(map(len, lines)) == [0] + [1] * (number - 1)
    assert {line for one in lines for line in one} == {"waiting for another process that downloads clips\n"}
    assert {file: asked(gated, file) for file in FILES} == dict.fromkeys(FILES, 1)
    assert sum("60 files are there" in one for one in said) == 1
    assert all("the files are at" in one for one in said)
    assert len(site.data()) == 101


ALONE = """
import os, sys, time
from pathlib import Path
from rich.console import Console
from benchmark.data import unpack as unpack_module
from benchmark.data.download import download
from benchmark.data.files import read_registry

note = unpack_module._note

def slowly(journal, member):
    note(journal, member)
    time.sleep(0.003)

unpack_module._note = slowly
registry, root, cache = sys.argv[1:]
print("ready", flush=True)
download(read_registry(Path(registry)), Path(root), Path(cache), Console(file=open(os.devnull, "w")))
"""


def start_alone(registry, site):
    command = [sys.executable, "-c", ALONE, str(registry), str(site.root), str(site.cache)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(server, site, tmp_path):
    registry = publish(server, tmp_path, files=FILES)
    for file in FILES:
        server.fail(f"/clips/files/{file}/content", Fault(trickle=(10_000, 0.02), times=None))
    calm, sites = Site(tmp_path / "calm", tmp_path / "calm-cache"), [site]
    with start_alone(registry, calm) as process:
        began = time.monotonic()
        assert process.wait(60) == 0
        seconds = time.monotonic() - began

    moments, killed, left = random.Random(2018), 0, set()
    while killed < 8 or not {".part", ".journal"} <= left:  # in the midst of fetching, and of unpacking
        with start_alone(registry, sites[-1]) as process:
            try:
                assert process.wait(moments.uniform(0, 0.9 * seconds)) == 0
                sites.append(Site(tmp_path / f"data-{len(sites)}", tmp_path / f"cache-{len(sites)}"))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        left |= {Path(name).suffix for name in sites[-1].kept()}
    with start_alone(registry, sites[-1]) as process:
        assert process.wait(60) == 0
    for one in sites:
        assert contents(one.root) == contents(calm.root)
        assert contents(one.cache) == contents(calm.cache)


@pytest.mark.parametrize("moment", ["in the midst of a file", "while the server is silent"])
def test_ctrl_c_stops_at_once_and_the_same_command_goes_on(gated, site, tmp_path, moment):
    registry, big = publish(gated, tmp_path, files={"big.csv": bytes(3_000_000)}), "/clips/files/big.csv/content"
    part = site.archive("big.csv.part")
    is_silent = moment == "while the server is silent"
    if is_silent:
        gated.gate.clear()
    else:
        gated.fail(big, Fault(trickle=(100_000, 0.3)))
    with site.start(registry) as process:
        wait_for(lambda: gated.asked(big) if is_silent else part.exists() and part.stat().st_size >= 262_144)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert time.monotonic() - began < 20  # it would wait a minute for a server that is silent
    assert errors == "error: stopped\n  to do: the same command goes on from here\n"
    assert site.data() == {}
    gated.gate.set()
    with site.start(registry) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0 and site.data() == {"clips/big.csv": bytes(3_000_000)} and site.kept() == []
    first = gated.asked(big)[-1].range
    assert first is None if is_silent else int(first.removeprefix("bytes=").removesuffix("-")) >= 262_144
    assert [path for path in contents(site.root) if path.startswith(FOLDER)] == [
        f"{FOLDER}/clips/big.csv.json",
        f"{FOLDER}/clips/lock",
    ]
