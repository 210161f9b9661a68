"""The audio of a result's clips, where it is at hand."""

from pathlib import Path

from benchmark.data.stored_clips import Sound, StoredClips
from benchmark.paths import cache_root
from benchmark.report.result import Result


class Sounds:
    """The audio of a result's clips, as far as it is at hand.

    Args:
        result: The runs; their `config.yaml` names where the data lay.
    """

    def __init__(self, result: Result) -> None:
        self.task = result.task.name
        self.roots = list(dict.fromkeys(m.header["data"] for m in result.members if "data" in m.header))
        self.stores = [StoredClips(cache_root(), self.task, Path(root)) for root in self.roots]

    def read(self, clip_id: str) -> Sound | None:
        """A clip's waveform; None where it is not at hand."""
        return next((store.read(clip_id) for store in self.stores if clip_id in store), None)

    @property
    def missing(self) -> str:
        """What to say where there is none."""
        where = " or ".join(self.roots) or "a folder that config.yaml does not name"
        stores = cache_root() / "stores"
        missing = f"The audio is not at hand: no waveform store of the data at {where} lies in {stores}"
        return f"{missing}; python -m benchmark data prepare {self.task} --data DIR makes one."
