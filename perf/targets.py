"""What the suite aims at, beside what was measured."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from perf import commands, frontend, store, training
from perf.measuring import Table, median, number, ratios

RECIPE_SECONDS, WAITING, FRONT_END, ALONE, FASTER, BATCHES = 120.0, 0.03, 100.0, 0.9, 3.0, 1000.0
SURREY = "asc/cnn8"  # the recipe whose spectrogram counts


class Target(NamedTuple):
    """One aim.

    Attributes:
        what: What is measured.
        found: The measured figure.
        wanted: The aim.
        unit: Of both.
        at_most: Whether less is better.
        where: Where the aim holds.
        holds: Whether this machine is such a one.
    """

    what: str
    found: float
    wanted: float
    unit: str
    at_most: bool
    where: str
    holds: bool

    def row(self) -> list[str]:
        """As it stands in the table."""
        sign = "at most" if self.at_most else "at least"
        met = self.found <= self.wanted if self.at_most else self.found >= self.wanted
        more = self.found / self.wanted
        times = f"{number(more)} times the target"
        verdict = ("met" if met else f"missed: {times}") if self.holds else f"not asked here: {times}"
        wanted = f"{sign} {number(self.wanted)} {self.unit}".strip()
        return [self.what, self.where, f"{number(self.found)} {self.unit}".strip(), wanted, verdict]


def targets(machine: Mapping[str, str], parts: Mapping[str, Any]) -> Table:
    """The table of all aims of which the parts hold the figures."""
    cuda = "gpu" in machine
    rows = [target.row() for target in _all(cuda, machine["bfloat16 instructions"] != "none", parts)]
    return Table("targets", ["", "where", "measured", "target", ""], rows)


def _all(cuda: bool, fast_bf16: bool, parts: Mapping[str, Any]) -> Iterator[Target]:
    if "training" in parts:
        yield from _training(cuda, fast_bf16, parts["training"])
    if "frontend" in parts:
        yield from _frontend(cuda, parts["frontend"])
    if "store" in parts:
        for name, form in parts["store"]["formats"].items():
            cut = median(form["cutting"][store.FLOAT])
            yield Target(f"batches from the store as float32, {name}", cut, BATCHES, "clips/s", False, "anywhere", True)
    if "commands" in parts:
        for name, one in parts["commands"]["commands"].items():
            limit = 1.0 if name.startswith(commands.SCORE) else 0.5
            if name.startswith((commands.HELP, commands.LIST_TASKS, commands.LIST_SYSTEMS, commands.SCORE)):
                yield Target(f"`{name}`", median(one["seconds"]), limit, "s", True, "anywhere", True)


def _training(cuda: bool, fast_bf16: bool, found: Mapping[str, Any]) -> Iterator[Target]:
    rates = found["rates"]
    what = "`asc/cnn8`: features, 5,000 steps of 128 clips, scoring (projected)"
    whole = sum(training.projection(dict(found)).values())
    yield Target(what, whole, RECIPE_SECONDS, "s", True, "a GPU like the H200", cuda)
    waiting = median(found["waiting"])
    yield Target("the device waits for data, share of a step", waiting, WAITING, "", True, "anywhere", True)
    best = training.quickest_suite(rates)
    alone = median(ratios(rates[best], rates[training.quickest_alone(rates)]))
    what = f"training throughput ({best}) to that of the network alone in its quickest setting"
    yield Target(what, alone, ALONE, "", False, "features kept", bool(found["recipe"]["data"].get("cache_features")))
    if training.PLAIN in rates:
        plain = median(ratios(rates[best], rates[training.PLAIN]))
        where = "a CPU with AMX or AVX512-BF16, features kept"
        yield Target(
            f"training throughput ({best}) to the plain loop", plain, FASTER, "", False, where, fast_bf16 and not cuda
        )


def _frontend(cuda: bool, found: Mapping[str, Any]) -> Iterator[Target]:
    of_recipe = [one["rates"] for one in found["presets"].values() if SURREY in one["systems"]]
    for rates in of_recipe:
        best = max(frontend.OURS, key=lambda name: median(rates[name]))
        if frontend.LIBROSA in rates:
            librosa = median(ratios(rates[best], rates[frontend.LIBROSA]))
            what = f"front end of `{SURREY}` ({best}) to librosa on one core"
            yield Target(what, librosa, FRONT_END, "", False, "a GPU", cuda)
        audio = median(ratios(rates["nnAudio"], rates[frontend.TORCHAUDIO]))
        yield Target(f"nnAudio to torchaudio, `{SURREY}`", audio, 1.0, "", False, "a GPU", cuda)
        audio = median(ratios(rates[best], rates[frontend.TORCHAUDIO]))
        yield Target(f"our quicker engine ({best}) to torchaudio", audio, 1.0, "", False, "anywhere", True)
