"""One command, one report of this machine's speed.

    python -m perf [--parts store,training] [--out DIR] [--quick] [--all] [--trainer.precision bf16-mixed …]

Each part runs in a process of its own and is saved as soon as it is done, so that a stopped report goes on with
`--parts`. Further words change the recipe of the part `training`, as those of `python -m benchmark run` do.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.devices import default_device
from benchmark.errors import BenchmarkError, InputError, exit_code
from benchmark.plan import check_overrides
from perf.isolated import ROOT
from perf.machine import machine, machine_name
from perf.measuring import Options
from perf.report import PARTS, RESULTS, read_report, write_report


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(
        prog="python -m perf", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="default: perf/results")
    parser.add_argument("--quick", action="store_true", help="try everything on the smallest sizes; measures nothing")
    parser.add_argument("--all", action="store_true", help="compile all backbones in both layouts; hours on a CPU")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments, words = parser.parse_known_args(argv)
    return exit_code(lambda: measure_parts(arguments, words), arguments.debug)


def measure_parts(arguments: argparse.Namespace, words: Sequence[str]) -> None:
    """Measure the parts that are asked for, one after the other.

    Raises:
        InputError: There is no such part or key of the recipe, or a quick report would replace a measured one.
        BenchmarkError: A part failed; the others have been saved.
    """
    names = arguments.parts.split(",")
    for name in names:
        if name not in PARTS:
            raise InputError(f"there is no part {name!r}", "--parts", f"take some of {', '.join(PARTS)}")
    if arguments.quick and arguments.out == RESULTS:
        raise InputError("a quick report measures nothing", "--quick", "say where it may go: --out DIR")
    check_overrides(words)
    options = Options(default_device().type, arguments.quick, arguments.all, tuple(words))
    here = machine(options.device)
    path, failed = arguments.out / f"{machine_name(here)}.json", []
    for name in names:
        print(f"{name}: {PARTS[name][0]}", flush=True)
        begin = time.monotonic()
        left = measure_part(name, options)
        print(f"{name}: {'failed' if left is None else 'done'} in {time.monotonic() - begin:.0f} s", flush=True)
        if left is None:
            failed.append(name)
            continue
        about = {"commit": here["commit"], "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
        report = read_report(path) | {"machine": here}
        report["parts"][name] = left | about
        write_report(path, report)
        print(f"saved: {path.with_suffix('.md')}", flush=True)
    if failed:
        raise BenchmarkError(f"failed: {', '.join(failed)}", remedy="what was wrong stands above")


def measure_part(name: str, options: Options) -> dict[str, Any] | None:
    """What a part found; None where it failed, which it has said itself."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", "perf.part", name, json.dumps(asdict(options)), str(out)]
        done = subprocess.run(command, cwd=ROOT)
        if done.returncode or not out.exists():
            return None
        left: dict[str, Any] = json.loads(out.read_text())
    return left


if __name__ == "__main__":
    sys.exit(main())
