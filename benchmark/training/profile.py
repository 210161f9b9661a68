"""Where the time of training steps goes: shares of their parts, the costliest operations, and a trace."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning.profilers import Profiler
from rich import box
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from benchmark.records import write_text

WARM_UP, TIMED, TRACED = 5, 20, 5
FOLDER = "profile"
COSTLIEST = 10


class Part(NamedTuple):
    """A part of a step: which actions of Lightning it is, less those inside of them that are parts of their own."""

    name: str
    of: tuple[str, ...]
    without: tuple[str, ...] = ()


PARTS = (
    Part("data", ("train_dataloader_next", "batch_to_device")),
    Part("features", ("features",)),
    Part("forward", ("training_step",), ("features", "metrics")),
    Part("backward", ("backward",)),
    Part("optimiser", ("optimizer_step",), ("training_step", "backward")),
    Part("metrics", ("metrics", "on_train_batch_end")),
)
ACTIONS = {action for part in PARTS for action in (*part.of, *part.without)}


class StepProfiler(Profiler):
    """Times the parts of steps `WARM_UP` to `WARM_UP + TIMED`, then traces the operations of the next `TRACED` ones.

    On an accelerator it waits for the queue at the ends of each part while it times, so that what was asked for there
    is not counted elsewhere; a trace says what overlaps in truth.

    Args:
        folder: Where to leave `trace.json`, for chrome://tracing or perfetto.dev, and `profile.json`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.step = -1
        self.seconds = dict.fromkeys(ACTIONS, 0.0)
        self._open: list[tuple[str, float]] = []
        self._began = self._total = 0.0
        self._trace: profile | None = None

    def start(self, action_name: str) -> None:
        """An action begins; the first of a step is to take a batch."""
        action = action_name.rpartition(".")[2]
        if action == "train_dataloader_next":
            self._next_step()
        if action in ACTIONS and WARM_UP <= self.step < WARM_UP + TIMED:
            self._open.append((action, self._now()))

    def stop(self, action_name: str) -> None:
        """An action ends."""
        action = action_name.rpartition(".")[2]
        if self._open and self._open[-1][0] == action:
            _, began = self._open.pop()
            self.seconds[action] += self._now() - began

    def _now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    def _next_step(self) -> None:
        self.step += 1
        if self.step == WARM_UP:
            self._began = self._now()
        elif self.step == WARM_UP + TIMED:
            self._total = self._now() - self._began
            kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
            self._trace = profile(activities=kinds)
            self._trace.start()
        elif self.step == WARM_UP + TIMED + TRACED and self._trace is not None:
            self._trace.stop()
            self._leave(self._trace)
            self._trace = None

    def _leave(self, trace: profile) -> None:
        self.folder.mkdir(exist_ok=True)
        trace.export_chrome_trace(str(self.folder / "trace.json"))
        parts: dict[str, float] = {}
        for part in PARTS:
            inside = sum(self.seconds[action] for action in part.without)
            parts[part.name] = sum(self.seconds[action] for action in part.of) - inside
        parts["rest"] = self._total - sum(parts.values())
        kind = "device" if torch.cuda.is_available() else "cpu"
        events = [(e, getattr(e, f"self_{kind}_time_total")) for e in trace.key_averages()]
        whole = sum(time for _, time in events)
        costliest = sorted(events, key=lambda event: -event[1])[:COSTLIEST]
        content = {
            "ms_per_step": {name: 1e3 * value / TIMED for name, value in parts.items()},
            "operations": [
                {"name": e.key, "calls_per_step": e.count / TRACED, "ms_per_step": t / 1e3 / TRACED, "share": t / whole}
                for e, t in costliest
            ],
        }
        write_text(self.folder / "profile.json", json.dumps(content, indent=1))


def print_profile(console: Console, run: Path) -> None:
    """Print what `StepProfiler` has left in a run's folder."""
    path = run / FOLDER / "profile.json"
    if not path.is_file():
        steps = WARM_UP + TIMED + TRACED
        console.print(f"no profile: no training of this session had more than {steps} steps", highlight=False)
        return
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    whole = sum(found["ms_per_step"].values())
    table = Table("part of a step", "ms", "share", box=box.SIMPLE_HEAD)
    for name, value in found["ms_per_step"].items():
        table.add_row(name, f"{value:.2f}", f"{value / whole:.1%}")
    console.print(table)
    table = Table("costliest operations", "calls a step", "ms a step", "share", box=box.SIMPLE_HEAD)
    for row in found["operations"]:
        cells = (f"{row['calls_per_step']:g}", f"{row['ms_per_step']:.2f}", f"{row['share']:.1%}")
        table.add_row(row["name"][:60], *cells)
    console.print(table)
    console.print(f"trace for perfetto.dev: {path.with_name('trace.json')}", highlight=False, soft_wrap=True)
