"""FSDKaggle2018 and its two protocols."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from benchmark.data.datamodule import ClipDataModule, Count, Example, Inventory, OnError
from benchmark.data.inventory import Parts, deal_folds, match_audio, require_folders
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipTable
from benchmark.tabular import few
from tasks.tagging import official
from tasks.tagging.official import CLASSES, UNVERIFIED, VERIFIED, Clip

OFFICIAL_TEST = "official-test"
FOLDS = ("1", "2", "3", "4")
FOLDS_SEED = 2018


class TaggingDataModule(ClipDataModule):
    """Clips of FSDKaggle2018; an example's group is `verified` or `unverified`, in the test set `public` or `private`.

    `official-test` trains on the training set and tests on the 1600 scored clips of the test set. `verified-4-fold`
    needs the training set alone: its verified clips are dealt into four fixed folds, stratified by class; one is
    tested, and the unverified clips are always trained on.
    """

    channels = 1
    one_rate = True
    rate = 44_100
    seconds = (0.3, 30.0)

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the training list and, if the protocol tests on it, the test list; find their audio."""
        with_test = protocol == OFFICIAL_TEST
        _require_files(root, with_test)
        train = official.read_train(root / official.TRAIN_LIST)
        counts = _train_counts(train)
        summary = f"{len(train)} training clips, {counts[1].found} of them verified"
        listed = {clip.fname: root / official.AUDIO_TRAIN / clip.fname for clip in train}
        folders, clips, allowed = [root / official.AUDIO_TRAIN], list(train), dict[str, Path]()
        parts = _verified_folds(train)
        if with_test:
            folder = root / official.AUDIO_TEST
            test, ignored = _read_test_lists(root)
            _require_apart(listed, test, root)
            counts += [
                Count(f"{usage} test clips", _number(test, usage), n) for usage, n in official.TEST_CLIPS.items()
            ]
            summary += f"; {len(test)} test clips"
            parts = {"test": Parts(frozenset(listed), frozenset(clip.fname for clip in test))}
            listed |= {clip.fname: folder / clip.fname for clip in test}
            folders.append(folder)
            clips += test
            # A download has the audio of all ignored clips or of none; neither is a fault.
            allowed = {fname: folder / fname for fname in sorted(ignored) if (folder / fname).is_file()}
        missing, strangers = match_audio(listed | allowed, folders, official.TITLE, root, on_error)
        examples = [
            Example(clip.fname, listed[clip.fname], tuple(float(clip.label == name) for name in CLASSES), clip.group)
            for clip in clips
            if clip.fname not in missing
        ]
        return Inventory(examples, counts, summary, missing, strangers, parts)

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """Kaggle's csv, `fname,label` with three labels a clip."""
        official.write_submission(path, [example.clip_id for example in examples], table.probability)


def _verified_folds(train: Sequence[Clip]) -> dict[str, Parts]:
    dealt = deal_folds({clip.fname: clip.label for clip in train if clip.group == VERIFIED}, FOLDS, FOLDS_SEED)
    unverified = frozenset(clip.fname for clip in train if clip.group == UNVERIFIED)
    return {fold: Parts(part.train | unverified, part.test) for fold, part in dealt.items()}


def _require_files(root: Path, with_test: bool) -> None:
    needed = [f"{official.AUDIO_TRAIN}/", official.TRAIN_LIST]
    if with_test:
        whole = (root / official.WHOLE_TEST_LIST).is_file()
        needed += [f"{official.AUDIO_TEST}/", official.WHOLE_TEST_LIST if whole else official.SCORED_LIST]
    require_folders(official.TITLE, root, needed, "TASK=tagging")


def _read_test_lists(root: Path) -> tuple[list[Clip], frozenset[str]]:
    """The scored clips and the ignored names, from either test list or, where both are there and agree, from both."""
    paths = [root / name for name in (official.SCORED_LIST, official.WHOLE_TEST_LIST) if (root / name).is_file()]
    lists = [official.read_test(path) for path in paths]
    scored = lists[0].scored
    if len(lists) == 2 and (differing := sorted(set(scored) ^ set(lists[1].scored))):
        names = few(list(dict.fromkeys(clip.fname for clip in differing)))
        raise InputError(f"the two test lists differ in {names}", paths[1], f"remove it, or {paths[0].name}")
    return scored, frozenset().union(*(found.ignored for found in lists)) - {clip.fname for clip in scored}


def _require_apart(train: Collection[str], test: Sequence[Clip], root: Path) -> None:
    both = [clip.fname for clip in test if clip.fname in train]
    if both:
        what = f"{len(both)} clips are in the training and in the test list: {few(both)}"
        raise InputError(what, root / official.TRAIN_LIST, "remove them from one of the two")


def _train_counts(train: Sequence[Clip]) -> list[Count]:
    """Rows of the training list, in all and by class."""
    return [
        Count("training clips", len(train), sum(official.TRAIN_CLIPS.values())),
        Count("verified training clips", _number(train, VERIFIED), official.TRAIN_VERIFIED),
        Count("unverified training clips", _number(train, UNVERIFIED), official.TRAIN_UNVERIFIED),
        *(
            Count(f"training clips of {name}", sum(clip.label == name for clip in train), clips)
            for name, clips in official.TRAIN_CLIPS.items()
        ),
    ]


def _number(clips: Sequence[Clip], group: str) -> int:
    return sum(clip.group == group for clip in clips)
