"""Many processes write records while a leaderboard reads them: each is whole or not there yet."""

import dataclasses
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import make_record

import benchmark
from leaderboard import load_runs

WRITERS, AT_ONCE, STATES = 200, 16, 20

# What a run does at its end, without what it does before.
WRITER = """
import json, sys
from pathlib import Path
from benchmark.records import Identity, RunFolder, RunRecord

root, record, seed = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
assert "torch" not in sys.modules
folder = RunFolder.create(root, record["task"], record["system"], Identity(record["group"], record["fold"], seed))
for step in range({states}):
    folder.write_state("running", step, {{}})
folder.finish(RunRecord(**record | {{"id": folder.id, "seed": seed}}))
folder.write_state("finished", {states}, {{}})
"""


@pytest.mark.slow
def test_200_writers_leave_200_whole_records_and_no_reader_sees_a_part(tmp_path):
    record, script = json.dumps(dataclasses.asdict(make_record())), WRITER.format(states=STATES)

    def write(seed):
        command = [sys.executable, "-c", script, str(tmp_path), record, str(seed)]
        return subprocess.run(command, cwd=Path(benchmark.__file__).parents[1], check=False).returncode

    seen = [0]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        writers = [pool.submit(write, seed) for seed in range(WRITERS)]
        while not all(writer.done() for writer in writers):
            runs, left_out = load_runs(tmp_path, "*/*/*/record.json")
            assert left_out == []
            seen.append(len(runs))
    assert {writer.result() for writer in writers} == {0}
    runs, left_out = load_runs(tmp_path, "*/*/*/record.json")
    assert (sorted(run.record.seed for run in runs), left_out) == (list(range(WRITERS)), [])
    assert seen == sorted(seen) and len({*seen}) > 10, "what was read grew while it was written"
    assert not list(tmp_path.glob("*/*/*/.*")), "nothing half-written is left"
