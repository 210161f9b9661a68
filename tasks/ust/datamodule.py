"""SONYC-UST: its splits, and labels made of several annotators' votes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.data.datamodule import ClipDataModule, Count, Example, Indices, Inventory, OnError
from benchmark.data.inventory import Parts, is_there, match_audio, require_folders
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipTable
from tasks.ust.official import (
    ANNOTATIONS,
    COARSE,
    EVALUATION_ARCHIVE,
    FOLDER,
    OFFICIAL_CLIPS,
    OFFICIAL_POSITIVES,
    RULES,
    SPLITS,
    TAXONOMY_FILE,
    UrbanClip,
    apply_rule,
    count_clips,
    count_positives,
    gather_clips,
    read_annotations,
    read_taxonomy,
    write_submission,
)

TITLE = "urban sound tagging"
SPLITS_OF = {"validate": ("train", "validate"), "test": ("train", "validate", "test")}


class UrbanDataModule(ClipDataModule):
    """Clips of SONYC-UST; each protocol scores the split of its name and trains on those before it.

    An example's target is the share of annotators who heard each tag, its group the split, its cluster the sensor.
    Which labels are made of the shares says `data.labels`: `majority` (more than half, the default), `any` (one
    annotator is enough) or `soft` (the share itself). Clips with a consensus of the organisers have that, whatever the
    rule.
    """

    channels = 1
    one_rate = True
    rate = 44_100
    seconds = (10.0, 10.0)
    label_rules = tuple(RULES)

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the annotations and find the recordings of the splits that the protocol uses."""
        folder, splits = root / FOLDER, SPLITS_OF[protocol]
        flat = (folder / "audio").is_dir() and not (folder / "train").is_dir()
        renamed = {"test": EVALUATION_ARCHIVE} if (folder / EVALUATION_ARCHIVE).is_dir() else {}
        names = ["audio"] if flat else [renamed.get(split, split) for split in splits]
        needed = [ANNOTATIONS, TAXONOMY_FILE, *(f"{name}/" for name in names)]
        require_folders(TITLE, root, [f"{FOLDER}/{name}" for name in needed], f"TASK=ust PROTOCOL={protocol}")
        read_taxonomy(folder / TAXONOMY_FILE)
        path = folder / ANNOTATIONS
        clips = gather_clips(read_annotations(path), path)
        counts = count_clips(clips)
        if not counts[protocol]:
            raise InputError(
                f"no clip of the split {protocol!r} is annotated by annotator 0, the consensus that is scored against",
                path,
                "take annotations that have it, or another protocol",
            )
        usable = {
            clip.filename: clip.split
            for clip in clips
            if clip.split in splits and (clip.consensus or clip.split == "train")
        }
        folders = {split: folder / ("audio" if flat else renamed.get(split, split)) for split in SPLITS}
        places = {clip.filename: folders[clip.split] / clip.filename for clip in clips}
        # Recordings that are listed but not used are no strangers.
        listed = {name: place for name, place in places.items() if name in usable or is_there(place)}
        missing, strangers = match_audio(listed, [folder / name for name in names], TITLE, root, on_error)
        examples = [
            _example(clip, places[clip.filename])
            for clip in clips
            if clip.filename in usable and clip.filename not in missing
        ]
        summary = f"{len(examples)} clips ({', '.join(f'{counts[split]} {split}' for split in splits)})"
        test = frozenset(name for name, split in usable.items() if split == protocol)
        parts = {protocol: Parts(frozenset(usable) - test, test)}
        return Inventory(examples, official_counts(clips, splits), summary, missing, strangers, parts)

    def targets(self, examples: Sequence[Example]) -> Tensor:
        """Labels by the rule `data.labels`, NaN where nobody has labelled a tag."""
        rule = self.settings.labels or self.label_rules[0]
        return torch.from_numpy(apply_rule([example.target for example in examples], rule))

    def hold_out(self, examples: Sequence[Example], train: Indices, fraction: float) -> tuple[Indices, Indices]:
        """Hold out whole sensors, as the official validation split does, with about the share of clips asked for."""
        sensors = np.array([examples[place].cluster for place in train])
        names, sizes = np.unique(sensors, return_counts=True)
        order = np.random.default_rng(self.seed).permutation(len(names))
        share = np.cumsum(sizes[order])[:-1] / len(train)  # one sensor is left to train on
        chosen = names[order[: np.argmin(np.abs(share - fraction)) + 1]] if len(share) else names[:0]
        held_out = np.isin(sensors, chosen)
        return train[~held_out], train[held_out]

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """The csv of the organisers' baseline, one column a tag."""
        write_submission(path, [example.clip_id for example in examples], table.probability)


def official_counts(clips: Sequence[UrbanClip], splits: Sequence[str]) -> list[Count]:
    """Clips of the splits, and training clips with each coarse tag, beside the official numbers."""
    found = count_clips(clips)
    return [
        *(Count(f"{split}: clips", found[split], OFFICIAL_CLIPS[split]) for split in splits),
        *(
            Count(f"train: clips with {COARSE[group - 1]}", positives, OFFICIAL_POSITIVES.get(group))
            for group, positives in count_positives(clips).items()
        ),
    ]


def _example(clip: UrbanClip, path: Path) -> Example:
    known = clip.share[~np.isnan(clip.share)]
    agreed = "consensus" if clip.consensus else "agree" if np.isin(known, (0, 1)).all() else "disagree"
    conditions = {"sensor": clip.sensor, "annotators": agreed}
    return Example(
        clip.filename, path, tuple(clip.share.tolist()), clip.split, cluster=clip.sensor, conditions=conditions
    )
