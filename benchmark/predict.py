"""Apply finished runs to recordings: probabilities of a recording and over time, and events where there are any.

A recording's blocks become windows (`benchmark.data.streaming`), windows of any recordings batches, and batches what
each network says (`benchmark.hearing`); here that becomes one prediction (`benchmark.prediction_formats` writes it).
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import tee
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.audio import Sound, open_audio
from benchmark.data.datamodule import Event
from benchmark.data.recordings import Recording
from benchmark.decoding import restore
from benchmark.errors import InputError
from benchmark.fusion.base import Fusion
from benchmark.hearing import Ear, Listening, fuse, mean
from benchmark.postprocessing.events import EDGE_SECONDS
from benchmark.prediction_formats import Prediction
from benchmark.predictions import FILE
from benchmark.products import FUSED
from benchmark.recipe import OUTPUTS, RecipeConfig
from benchmark.records import read_json, read_record
from benchmark.registry import get_task
from benchmark.runner import SCORED
from benchmark.stages import KEPT, PARTS
from benchmark.training.kinds import DetectionModule, SingleLabelModule
from benchmark.training.module import TaskModule
from benchmark.weights import random_weights_allowed
from benchmark.yaml_files import parse_yaml

BLOCK_SECONDS = 10.0  # what is read at once of a file
SHORTEST_PART = 0.1


class System(NamedTuple):
    """The networks of a finished run.

    Attributes:
        members: Member to its networks, one a part of its folds.
        fusion: What makes one prediction of the members', fitted as in the run; None: their mean.
        clip_seconds: About how long the longest clip is that the run was scored on, in whole windows; 0 where nothing
            has frames.
    """

    members: dict[str, list[TaskModule]]
    fusion: Fusion | None
    clip_seconds: float = 0.0

    @property
    def first(self) -> TaskModule:
        """Its first network."""
        return next(iter(self.members.values()))[0]

    @property
    def networks(self) -> list[TaskModule]:
        """All of its networks."""
        return [network for networks in self.members.values() for network in networks]

    @property
    def decides(self) -> TaskModule:
        """The network whose postprocessing makes events, as in the run."""
        return [networks[0] for networks in self.members.values() if "frames" in networks[0].recipe.outputs][-1]


class Predictor:
    """The networks of some runs of one group, averaged.

    Args:
        runs: Folders of finished runs.
    """

    def __init__(self, runs: Sequence[Path]) -> None:
        self.systems = [load_run(run) for run in runs]
        self.networks = [network for system in self.systems for network in system.networks]

    def predict(self, file: Path, hop_seconds: float | None = None) -> Prediction:
        """Probabilities for one audio file of any rate, length and channel count.

        Raises:
            InputError: The file cannot be read as audio, or the distance of two windows is below a millisecond.
        """
        (found,) = self.predict_all([Recording(file, partial(open_audio, file))], hop_seconds)
        if isinstance(found, InputError):
            raise found
        return found

    def predict_all(
        self,
        recordings: Sequence[Recording],
        hop_seconds: float | None = None,
        part_seconds: float = math.inf,
        progress: Callable[[float], None] = lambda done: None,
    ) -> Iterator[Prediction | InputError]:
        """Probabilities for recordings of any rates, lengths and channel counts, in their order.

        Memory grows with a recording's length by its probabilities alone; with parts, not even by them.

        Args:
            recordings: What to listen to; short ones share batches.
            hop_seconds: Distance of two windows; None: the recipe's.
            part_seconds: A prediction is given each time that windows reach over a multiple of this.
            progress: Called with how many recordings were read, the one that is being read by its share.

        Yields:
            A prediction of each recording, or of its parts; or why one cannot be read.

        Raises:
            InputError: The distance of two windows is below a millisecond, or a part is shorter than a tenth of a
                second.
        """
        ears, going = self._ears(hop_seconds), deque[Listening]()
        if not part_seconds >= SHORTEST_PART:
            raise InputError(f"parts of {part_seconds} s", "--every", f"give at least {SHORTEST_PART}")
        for number, recording in enumerate(recordings):
            own = Listening(recording.path)
            going.append(own)
            try:
                with recording.open(min(BLOCK_SECONDS, part_seconds / 10)) as sound:
                    for _ in self._listen(own, sound, ears, part_seconds):
                        yield from self._finished(going)
                        if own.reached // part_seconds > own.begin // part_seconds:
                            for ear in ears:
                                ear.hear()
                            yield from self._finished(going)
                            yield self._answer(own, own.reached)
                        progress(number + min(1.0, own.seconds / (sound.seconds or math.inf)))
            except InputError as error:
                going.pop()
                for ear in ears:
                    ear.forget(own)
                yield error
            own.ended = True
            progress(number + 1)
        for ear in ears:
            ear.hear()
        yield from self._finished(going)

    def _listen(self, own: Listening, sound: Sound, ears: Sequence[Ear], part_seconds: float) -> Iterator[None]:
        """Give the windows of a recording to the ears, block by block."""
        blocks = tee(own.counted(sound.blocks, sound.rate), len(ears))
        cut = (ear.windows(copy, sound.rate, part_seconds) for ear, copy in zip(ears, blocks, strict=True))
        for found in zip(*cut, strict=True):
            for ear, windows in zip(ears, found, strict=True):
                ear.add(own, windows)
            own.reached = min(own.heard.get(ear, 0.0) for ear in ears)
            yield
        if not own.heard:
            what = "cannot read audio: it is shorter than one sample at the networks' rate"
            raise InputError(what, own.path, "leave it out")

    def _ears(self, hop_seconds: float | None) -> list[Ear]:
        if hop_seconds is not None and hop_seconds < 0.001:
            raise InputError(f"two windows {hop_seconds} s apart", "--hop", "give at least 0.001")
        ears: dict[object, Ear] = {}
        for network in self.networks:
            settings = network.recipe.data
            kind = (settings.sample_rate, settings.mono, settings.split_at_silence, settings.eval_batch_size)
            ear = ears.setdefault((kind, settings.cut(hop_seconds)), Ear(settings, hop_seconds))
            ear.networks.append(network)
        return list(ears.values())

    def _finished(self, going: deque[Listening]) -> Iterator[Prediction]:
        """What is left to say of the first recordings, as far as they were heard to their ends."""
        while going and going[0].ended and not going[0].waiting:
            own = going.popleft()
            if own.has_part(self.networks):
                yield self._answer(own, own.seconds)

    def _answer(self, own: Listening, end: float) -> Prediction:
        """What all networks together say of the part that ends here."""
        found = []
        for system in self.systems:
            members = {
                name: mean([own.take(network) for network in networks]) for name, networks in system.members.items()
            }
            clips, framed = (
                [members[name] for name, networks in system.members.items() if output in networks[0].recipe.outputs]
                for output in OUTPUTS
            )
            found.append(fuse(clips, framed, system.fusion))
        clip, curve, times, frames, first = mean(found)
        begin, own.begin = own.begin, end
        module = self.systems[0].decides
        about = (own.path, begin, end - begin, module.classes, clip)
        if not isinstance(module, DetectionModule):
            return Prediction(*about, times, curve, isinstance(module, SingleLabelModule))
        onsets = module.frame_seconds * np.arange(first, first + len(frames))
        spans = np.stack([onsets, np.minimum(onsets + module.frame_seconds, end)], axis=1)
        events = self._events(clip, curve, times, frames, first)
        return Prediction(*about, spans, frames, False, events)

    def _events(
        self, clip: NDArray[Any], curve: NDArray[Any], times: NDArray[Any], frames: NDArray[Any], first: int
    ) -> list[Event]:
        """Events, found in stretches as long as the longest clip that the run was scored on.

        Decoders are made for clips: some ask whether a class is in the clip at all, or scale its curve. The last
        stretch takes what would be less than half a one. Events that meet where two stretches do are one.
        """
        module = self.systems[0].decides
        assert isinstance(module, DetectionModule)
        step = self.systems[0].clip_seconds / module.frame_seconds
        begins = [round(place * step) for place in range(max(1, math.floor(len(frames) / step + 0.5)))]
        found: dict[str, list[Event]] = {name: [] for name in module.classes}
        for begin, stop in zip(begins, [*begins[1:], len(frames)], strict=True):
            start, end = (module.frame_seconds * (first + place) for place in (begin, stop))
            during = (np.minimum(times[:, 1], end) - np.maximum(times[:, 0], start)).clip(min=0)
            tags = clip if len(begins) == 1 else during @ curve / during.sum()
            for event in module.events(tags, frames[begin:stop]):
                event, before = _later(event, start), found[event.label]
                if before and event.onset == start and start - before[-1].offset < EDGE_SECONDS:
                    event = event._replace(onset=before.pop().onset)
                before.append(event)
        return [event for events in found.values() for event in events]


def _later(event: Event, seconds: float) -> Event:
    return event._replace(onset=event.onset + seconds, offset=event.offset + seconds)


def load_run(folder: Path) -> System:
    """The trained networks of a finished run, ready to evaluate.

    Raises:
        InputError: The folder holds no whole run.
    """
    record, path = read_record(folder / "record.json"), folder / "config.yaml"
    _require(path)
    task = get_task(record.task)
    # The file has them already, but not in the changes of its stages.
    overrides = record.overrides[2:] if record.overrides[:1] == ["--model"] else record.overrides
    config = RecipeConfig.parse(parse_yaml(path.read_text(encoding="utf-8")), path, overrides)
    kept = read_json(_require(folder / KEPT)) if config.trainings()[0].turn else {}
    members: dict[str, list[TaskModule]] = {}
    for training in config.trainings():
        if not training.is_last or (training.turn and training.name not in kept):
            continue
        place = folder / PARTS / kept[training.name] if training.turn else folder / "checkpoints" / f"{SCORED}.ckpt"
        with random_weights_allowed():  # whatever they were, the run's own weights come next
            module: TaskModule = task.load("module")(training.config.build(), task.classes_of(record.protocol))
        module.load_scored(_require(place))
        members.setdefault(training.member, []).append(module.eval())
    fusion = config.build_fusion()
    if fusion is not None:
        with np.load(_require(folder / FUSED)) as learnt:
            fusion.fit(learnt["probability"], learnt["target"], learnt["weight"])
    system = System(members, fusion)
    restore(system.decides.recipe.postprocessing, folder)
    module = system.decides
    if not isinstance(module, DetectionModule):
        return system
    with np.load(_require(folder / FILE)) as kept:
        longest = module.frame_seconds * int(kept["frame_counts"].max())
    window = module.recipe.data.clip_seconds
    return system._replace(clip_seconds=window * max(1, round(longest / window)))


def _require(path: Path) -> Path:
    if not path.is_file():
        raise InputError("the run's folder is not whole", path, "run it again, or restore the file")
    return path
