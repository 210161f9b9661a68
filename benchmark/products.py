"""What the trainings of a system leave, and how their predictions become one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.datamodule import Labels
from benchmark.errors import InputError
from benchmark.fusion.base import Fusion
from benchmark.metrics.clips import ClipTable, mean_of_tables
from benchmark.recipe import OUTPUTS, Training

FUSED = "fusion.npz"


class Product(NamedTuple):
    """What a training leaves.

    Attributes:
        training: Which.
        key: Hash of all that it came from.
        weights: File of its weights.
        held_out: Its predictions of the clips that were held out of it.
        test: Its predictions of the test part.
        parameters: Its trainable parameters.
        macs: Multiply-accumulates of its network for one clip.
        steps: Optimiser steps that it took.
        score: The validation score that selected its weights; NaN where none did.
        random_weights: Whether a part that should have had pretrained weights started without them.
        skipped_steps: Steps that were left out, because their loss was no number.
    """

    training: Training
    key: str
    weights: Path
    held_out: ClipTable
    test: ClipTable
    parameters: int
    macs: int
    steps: int
    score: float
    random_weights: bool
    skipped_steps: int = 0


def held_out_of(products: Sequence[Product]) -> Mapping[str, ClipTable]:
    """Each member's predictions of the clips held out of its trainings, joined, in rising order of the clips."""
    joined = {}
    for member, group in by_member(products).items():
        tables = [product.held_out for product in group]
        clip = np.concatenate([table.clip for table in tables])
        order = np.argsort(clip, kind="stable")
        frames = [part for table in tables for part in table.frames]
        joined[member] = ClipTable(
            clip[order],
            np.concatenate([table.probability for table in tables])[order],
            np.concatenate([table.target for table in tables])[order],
            [frames[place] for place in order] if frames else (),
        )
    return joined


def fuse(
    products: Sequence[Product], fusion: Fusion | None, labels: Labels, folder: Path, on_test: bool = False
) -> ClipTable:
    """One table of the test part.

    Args:
        products: What the last stage left.
        fusion: Learns from the held-out predictions; None: the mean of the members.
        labels: Targets and weights of all clips, from which it learns.
        folder: Of the run; what the fusion learns from is kept there.
        on_test: Whether it learns from the test part in place of held-out clips, as some sources do.
    """
    tests = {member: mean_of([p.test for p in group]) for member, group in by_member(products).items()}
    if fusion is not None:
        held = _counting("clips", products, tests if on_test else held_out_of(products))
        if not all(np.array_equal(table.clip, held[0].clip) for table in held):
            what = "the members were not validated on the same clips, from which the fusion could learn"
            raise InputError(what, "members, fusion", "give all of them one data.valid_fraction, or folds")
        target = labels.targets.numpy()[held[0].clip]
        known = ~np.isnan(target).all(axis=1)
        learnt: dict[str, NDArray[Any]] = {
            "probability": np.stack([table.probability[known] for table in held]),
            "target": target[known],
            "weight": labels.weights.numpy()[held[0].clip[known]],
        }
        save(folder / FUSED, learnt)
        fusion.fit(**learnt)
    return join(products, fusion, tests)


def join(products: Sequence[Product], fusion: Fusion | None, tables: Mapping[str, ClipTable]) -> ClipTable:
    """One table of those of all members: of their clip predictions as far as they count, and of their frames.

    Args:
        products: What the last stage left.
        fusion: Fitted; None: the mean.
        tables: Of each member, of the same clips.
    """
    clips, frames = (_counting(output, products, tables) for output in OUTPUTS)
    mean = mean_of([table._replace(frames=()) for table in clips])._replace(frames=mean_of(frames).frames)
    if fusion is None:
        return mean
    probability = fusion(np.stack([table.probability for table in clips]))
    if np.isnan(probability).any():
        what = "some classes are predicted by no member, or the fusion does not know by which"
        raise InputError(what, "fusion", "let a member learn each class, and take a fusion like HierarchicalGate")
    joined = [
        fusion(np.stack([part[: len(shortest)] for part in parts]))
        for shortest, *parts in zip(mean.frames, *(table.frames for table in frames), strict=True)
    ]
    return mean._replace(probability=probability, frames=joined)


def _counting(output: str, products: Sequence[Product], tables: Mapping[str, ClipTable]) -> list[ClipTable]:
    """The tables of the members whose predictions of clips, or of frames, count."""
    return [tables[member] for member, group in by_member(products).items() if output in group[0].training.outputs]


def best_turns(turns: Sequence[Sequence[Product]]) -> list[Product]:
    """Of each member, what it left in the turn with the best mean score; of equals, the first.

    Args:
        turns: What each turn of a stage left.
    """
    found = []
    for of_member in zip(*(by_member(products).values() for products in turns), strict=True):
        best = max if of_member[0][0].training.config.as_dict()["selection"]["mode"] == "max" else min
        found += best(of_member, key=lambda products: float(np.mean([product.score for product in products])))
    return found


def mean_of(tables: Sequence[ClipTable]) -> ClipTable:
    """The mean of several networks' predictions.

    Raises:
        InputError: Their frames are not the same times.
    """
    for parts in zip(*(table.frames for table in tables), strict=True):
        lengths = sorted(map(len, parts))
        if lengths[-1] > 1.05 * lengths[0] + 2:  # not the last frame, which one sees and another does not
            what = f"networks have {lengths[0]} and {lengths[-1]} frames of one clip"
            raise InputError(what, "members", "let all of them make as many frames a second")
    return mean_of_tables(tables)


def by_member(products: Sequence[Product]) -> dict[str, list[Product]]:
    """What each member left, in the order of the recipe."""
    members: dict[str, list[Product]] = {}
    for product in products:
        members.setdefault(product.training.member, []).append(product)
    return members


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an artifact at once or not at all."""
    fresh = path.with_suffix(".part.npz")
    np.savez_compressed(fresh, **dict(arrays))  # type: ignore[arg-type]
    fresh.replace(path)
