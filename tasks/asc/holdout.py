"""A validation part of whole recording places, so that selection never hears a training place again."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest

import numpy as np
import numpy.typing as npt


def hold_out_locations(
    scenes: Sequence[str], locations: Sequence[str], fraction: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Choose recording places to validate on.

    Each scene gives about its share. A city with several places of a scene gives one of them, the one nearest in size
    to the city's share, and more in turn as long as that brings the scene nearer to its share, but never the last. A
    city with one place gives it only after that; where no place was near enough, the smallest is taken. A scene at a
    single place is not held out. The rule follows the organisers' baseline (card `task1-baseline-tut`, data): no place
    in both parts, every city in both; which places is our own choice by chance.

    Args:
        scenes: Scene of each clip.
        locations: Place of each clip, `<city>-<number>`; all clips of a place are kept together.
        fraction: Share of the clips to hold out.
        seed: Seed of the choice.

    Returns:
        Which clips are held out, of shape `(clips,)`.
    """
    rng = np.random.default_rng(seed)
    size = Counter(locations)
    scene_of = dict(zip(locations, scenes, strict=True))
    cities: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for location in sorted(scene_of):
        cities[scene_of[location]][location.rpartition("-")[0]].append(location)
    chosen: set[str] = set()
    for scene in sorted(cities):
        chosen.update(_of_scene(list(cities[scene].values()), size, fraction, rng))
    return np.array([location in chosen for location in locations], dtype=bool)


def _of_scene(
    cities: Sequence[Sequence[str]], size: Mapping[str, int], fraction: float, rng: np.random.Generator
) -> list[str]:
    """Places to hold out of one scene, whose places lie in some cities."""
    chosen: list[str] = []
    others: list[list[str]] = []
    single: list[str] = []
    for index in rng.permutation(len(cities)):
        city = [cities[index][place] for place in rng.permutation(len(cities[index]))]
        if len(city) == 1:
            single += city
            continue
        share = fraction * sum(size[place] for place in city)
        first = min(city, key=lambda place: abs(size[place] - share))
        chosen.append(first)
        others.append([place for place in city if place != first][:-1])
    in_turn = [place for places in zip_longest(*others) for place in places if place is not None]
    spare = single if others else single[:-1]
    missing = fraction * sum(size[place] for place in chain(*cities)) - sum(size[place] for place in chosen)
    for place in (*in_turn, *spare):
        if size[place] / 2 <= missing:
            chosen.append(place)
            missing -= size[place]
    return chosen or sorted(single, key=lambda place: size[place])[: len(single) > 1]
