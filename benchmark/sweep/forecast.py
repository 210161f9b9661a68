"""What a sweep takes before it is begun: hours and disk, from finished runs where there are some, else estimated."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmark.data.store import outstanding
from benchmark.data.store_index import Clip, store_folder
from benchmark.estimate import estimate
from benchmark.paths import cache_root, runs_root
from benchmark.plan import Plan
from benchmark.prepare import samples_bytes
from benchmark.records import read_record
from benchmark.sweep.loop import Progress


class Cost(NamedTuple):
    """What one run takes.

    Attributes:
        seconds: Wall time.
        size: Bytes that it leaves.
        measured: Whether a finished run of the same group says so; else training steps were timed on this machine.
    """

    seconds: float
    size: int
    measured: bool


def costs(rows: Sequence[Progress], plans: Mapping[str, Plan]) -> dict[str, Cost]:
    """What one run of each group takes that has something left to do."""
    finished = {row.job.identity.group: row.standing for row in rows if row.status == "finished"}
    found = {}
    for group in dict.fromkeys(row.job.identity.group for row in rows if row.is_open):
        standing = finished.get(group)
        if standing is not None:
            record = read_record(standing.path / "record.json")
            size = sum(path.stat().st_size for path in standing.path.rglob("*") if path.is_file())
            found[group] = Cost(sum(record.seconds.values()), size, True)
        else:
            found[group] = _estimated(plans[group])
    return found


def _estimated(plan: Plan) -> Cost:
    """Steps and weights alone.

    A network is kept twice, once with two averages a weight, which Adam has; the best so far are kept beside. Of a
    system of several trainings only the scored weights stay.
    """
    efforts = estimate(plan)
    selection = plan.config.trainings()[0].config.as_dict()["selection"]
    best = selection["average"] if selection["monitor"] else 0
    single = sum(effort.number for effort in efforts) == 1
    size = sum(effort.number * effort.weights for effort in efforts) * (4 + best if single else 1)
    return Cost(sum(effort.number * effort.seconds for effort in efforts), size, False)


def stores_bytes(plans: Iterable[Plan]) -> int:
    """Bytes of the waveform stores that have still to be built."""
    needed: dict[object, int] = {}
    for plan in plans:
        for training in plan.config.trainings():
            settings = training.config.as_dict()["data"]
            rate, mono = settings["sample_rate"], settings["mono"]
            folder = store_folder(cache_root(), plan.task.name, plan.source.root, rate, mono)
            key = (folder, plan.inventory.fingerprint)
            if key not in needed:
                clips = [Clip(example.clip_id, example.path) for example in plan.inventory.examples]
                left = outstanding(folder, clips, rate, mono, settings["on_error"]).clips
                needed[key] = samples_bytes(left, rate, mono)
    return sum(needed.values())


def free_bytes() -> int:
    """Free space where the runs lie."""
    root = runs_root().absolute()
    return shutil.disk_usage(next(path for path in (root, *root.parents) if path.exists())).free
