"""`python -m benchmark predict`: finished runs applied to files, folders and streams."""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError, InputError
from benchmark.paths import runs_root

if TYPE_CHECKING:
    from benchmark.data.recordings import Pcm, Recording
    from benchmark.prediction_formats import Prediction

FORMATS = ("text", "tsv", "json", "jsonl", "audacity")
STREAM_SECONDS = 10.0

EPILOG = """\
FILE is an audio file (wav, flac, ogg, mp3 …), a folder, whose audio files are taken with those of its subfolders, or -,
standard input: a wav stream, or raw samples if --rate is given. Results are written as they are known:
  arecord -f S16_LE -r 44100 | python -m benchmark predict last -
  ffmpeg -i talk.m4a -f s16le -ac 1 -ar 32000 - | python -m benchmark predict last - --rate 32000 --format jsonl

Formats: text; tsv: a row for each event or, without events, each class of each window; json: a list of objects; jsonl:
one object a line, for streams; audacity: a label track of events or of segments, windows in a row with the same class.

Of several files those that cannot be read are named, and the others go on; the exit code is then 1. Memory does not
grow with the length of a recording, but for its probabilities; --every bounds those, too. Systems that look for pauses
look through ten minutes at a time, or what --every says if that is less."""


def add_predict_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    sub.add_argument(
        "run", metavar="RUN", help="a run's folder, a unique id prefix, a group (its members are averaged) or `last`"
    )
    sub.add_argument("files", nargs="+", type=Path, metavar="FILE", help="audio files, folders, or - (standard input)")
    sub.add_argument(
        "--plot", type=Path, metavar="PNG", help="spectrogram with the probability beneath (one file only)"
    )
    sub.add_argument("--format", choices=FORMATS, default="text", help="output format (default: text)")
    sub.add_argument(
        "--top",
        type=_counted,
        metavar="N",
        help="classes shown of each recording and window (default: text 5, tsv all, audacity 1 where one is right)",
    )
    sub.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="leave out classes and events less probable (default: 0, audacity 0.5 where several can be right)",
    )
    sub.add_argument(
        "--hop", type=float, metavar="SECONDS", help="distance of two windows (default: the window's length)"
    )
    sub.add_argument(
        "--every",
        type=float,
        metavar="SECONDS",
        help=f"one result for each so many seconds (default: one for a file, every {STREAM_SECONDS:g} s of a stream)",
    )
    sub.add_argument("--rate", type=int, metavar="HZ", help="standard input: raw samples of this rate")
    sub.add_argument("--channels", type=int, metavar="N", help="their channels (default: 1)")
    sub.add_argument(
        "--encoding",
        metavar="NAME",
        help="how they are written: u8, s16le (default), s16be, s24le, s32le, f32le, f64le",
    )


def predict(arguments: argparse.Namespace) -> None:
    """`predict`."""
    from benchmark.data.recordings import STREAM, recordings_of
    from benchmark.records import find_runs

    streams, folders = STREAM in arguments.files, [path for path in arguments.files if path.is_dir()]
    recordings = recordings_of(arguments.files, sys.stdin.buffer, _pcm(arguments, streams))
    if folders:
        sys.stderr.write(f"{len(recordings)} audio files\n")
    if arguments.plot and (len(recordings) > 1 or streams or arguments.every):
        raise InputError("--plot draws one file, and that as a whole", remedy="give one FILE, and no --every")
    if arguments.format == "audacity" and len(recordings) > 1:
        raise InputError("a label track is of one recording", "--format audacity", "give one FILE, or take tsv")
    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise InputError(f"a threshold of {arguments.threshold}", "--threshold", "give 0 to 1")
    every = arguments.every if arguments.every is not None else STREAM_SECONDS if streams else math.inf
    _predict(arguments, recordings, find_runs(runs_root(), arguments.run), every)


def _predict(
    arguments: argparse.Namespace, recordings: "Sequence[Recording]", runs: Sequence[Path], every: float
) -> None:
    from benchmark.predict import Predictor
    from benchmark.prediction_formats import WRITERS, Shown
    from benchmark.prediction_plot import plot
    from benchmark.runner import settle

    settle()
    predictor, failed, out = Predictor(runs), [], sys.stdout

    def readable(found: "Iterable[Prediction | InputError]") -> "Iterator[Prediction]":
        for prediction in found:
            if not isinstance(prediction, InputError):
                yield prediction
                out.flush()
                if arguments.plot:
                    plot(prediction, predictor.networks[0], arguments.plot)
            elif len(recordings) == 1:
                raise prediction
            else:
                failed.append(prediction)
                sys.stderr.write(f"error: {prediction}\n")

    with _bar(len(recordings)) as progress:
        found = predictor.predict_all(recordings, arguments.hop, every, progress)
        WRITERS[arguments.format](readable(found), out, Shown(arguments.top, arguments.threshold))
    if failed:
        what = f"{len(failed)} of {len(recordings)} recordings could not be read"
        raise (InputError if len(failed) == len(recordings) else BenchmarkError)(
            what, remedy="what was wrong stands above"
        )


def _pcm(arguments: argparse.Namespace, streams: bool) -> "Pcm | None":
    from benchmark.data.recordings import Pcm

    given = {
        name: value for name in ("rate", "channels", "encoding") if (value := getattr(arguments, name)) is not None
    }
    if given and not streams:
        names = ", ".join(f"--{name}" for name in given)
        raise InputError(f"{names} without standard input", "command line", "give - in place of FILE, or leave it out")
    if given and "rate" not in given:
        raise InputError("raw samples of an unknown rate", "command line", "give --rate HZ")
    return Pcm(**given) if given else None


@contextmanager
def _bar(total: int) -> Iterator[Callable[[float], None]]:
    """A bar on standard error, if that is a terminal; what it gives is called with how many recordings are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("recordings"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    seen, shared = sys.stderr.isatty(), sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=not seen, redirect_stdout=shared) as bars:
        bar = bars.add_task("", total=total)
        yield lambda done: bars.update(bar, completed=done)


def _counted(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
