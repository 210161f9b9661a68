"""What can be listened to: audio files, the audio files of folders, and a stream of samples on standard input."""

import io
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile as sf

from benchmark.data.audio import RATES, UNKNOWN_BYTES, Sound, Waveform, check_samples, open_audio
from benchmark.data.inventory import AUDIO_SUFFIXES
from benchmark.errors import InputError
from benchmark.suggest import did_you_mean

STREAM = Path("-")
CHANNELS = range(1, 1025)  # as many as libsndfile takes
SUFFIXES = (*AUDIO_SUFFIXES, ".mp3")


class Encoding(NamedTuple):
    """How a sample is written, in libsndfile's words, and its bytes."""

    subtype: str
    endian: str
    width: int


ENCODINGS = {
    "u8": Encoding("PCM_U8", "FILE", 1),
    "s16le": Encoding("PCM_16", "LITTLE", 2),
    "s16be": Encoding("PCM_16", "BIG", 2),
    "s24le": Encoding("PCM_24", "LITTLE", 3),
    "s32le": Encoding("PCM_32", "LITTLE", 4),
    "f32le": Encoding("FLOAT", "LITTLE", 4),
    "f64le": Encoding("DOUBLE", "LITTLE", 8),
}
_WAV = {(1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le", (3, 64): "f64le"}


@dataclass(frozen=True)
class Pcm:
    """What raw samples do not say of themselves.

    Attributes:
        rate: Hz.
        channels: Channels, sample by sample in turn.
        encoding: One of `ENCODINGS`.

    Raises:
        InputError: There is no such thing.
    """

    rate: int
    channels: int = 1
    encoding: str = "s16le"

    def __post_init__(self) -> None:
        for name, value, known in (("rate", self.rate, RATES), ("channels", self.channels, CHANNELS)):
            if value not in known:
                what = f"{name} of {value}: expected {known[0]:,} to {known[-1]:,}"
                raise InputError(what, "samples on standard input", f"give --{name}")
        if self.encoding not in ENCODINGS:
            what = f"unknown encoding {self.encoding!r}"
            raise InputError(what, "samples on standard input", did_you_mean(self.encoding, ENCODINGS))


class Recording(NamedTuple):
    """Something to listen to.

    Attributes:
        path: Its file, or `-`.
        open: Called with the seconds of a block, it opens the recording.
    """

    path: Path
    open: Callable[[float], AbstractContextManager[Sound]]


def recordings_of(paths: Sequence[Path], stream: BinaryIO, pcm: Pcm | None = None) -> list[Recording]:
    """The recordings that paths stand for, in their order.

    Args:
        paths: Files, folders, whose audio files are taken in the order of their paths, hidden ones left out, and at
            most one `-`, the stream.
        stream: What `-` reads.
        pcm: How its samples are written; None: it begins with the header of a wav file.

    Raises:
        InputError: A folder has no audio files, or `-` is given twice.
    """
    if paths.count(STREAM) > 1:
        raise InputError("standard input can be read once only", "-")
    found = []
    for path in paths:
        if path == STREAM:
            found.append(Recording(path, partial(_opened, stream, pcm)))
        else:
            files = _audio_files(path) if path.is_dir() else [path]
            found += [Recording(file, partial(open_audio, file)) for file in files]
    return found


def _audio_files(folder: Path) -> list[Path]:
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    audio = sorted(file for file in files if file.suffix.lower() in SUFFIXES)
    if not audio:
        what = f"no audio among the {len(files)} files of this folder"
        raise InputError(what, folder, f"files are looked for by their endings: {', '.join(SUFFIXES)}")
    return audio


def _opened(stream: BinaryIO, pcm: Pcm | None, block_seconds: float) -> AbstractContextManager[Sound]:
    pcm, size = (pcm, None) if pcm else _wav_header(stream)
    frames = max(1, round(block_seconds * pcm.rate))
    seconds = None if size is None else size / (pcm.channels * ENCODINGS[pcm.encoding].width * pcm.rate)
    return nullcontext(Sound(pcm.rate, pcm.channels, seconds, _pcm_blocks(stream, pcm, size, frames)))


def _pcm_blocks(stream: BinaryIO, pcm: Pcm, size: int | None, frames: int) -> Iterator[Waveform]:
    """Blocks of so many frames; `size`: bytes of samples that a header declares."""
    encoding, taken = ENCODINGS[pcm.encoding], 0
    step, rest = pcm.channels * encoding.width, b""
    while data := stream.read(frames * step if size is None else min(frames * step, size - taken)):
        taken += len(data)
        data, rest = data[: len(data) // step * step], data[len(data) // step * step :]
        if data:
            yield _decoded(data, pcm, encoding)
    if size is not None and taken < size:
        what = f"it ends after {taken} of the {size} bytes of samples that its header declares"
        raise InputError(what, "standard input", "run what writes it again")
    if not taken:
        raise InputError("no samples came", "standard input", "look at what should write them")
    if rest:
        what = f"it ends within a sample: {len(rest)} of {step} bytes ({pcm.channels} channels, {pcm.encoding})"
        raise InputError(what, "standard input", "check --channels and --encoding")


def _decoded(data: bytes, pcm: Pcm, encoding: Encoding) -> Waveform:
    samples, _ = sf.read(
        io.BytesIO(data),
        dtype="float32",
        always_2d=True,
        format="RAW",
        samplerate=pcm.rate,
        channels=pcm.channels,
        subtype=encoding.subtype,
        endian=encoding.endian,
    )
    waveform: Waveform = np.ascontiguousarray(samples.T)
    check_samples("standard input", waveform)
    return waveform


def _wav_header(stream: BinaryIO) -> tuple[Pcm, int | None]:
    """How the samples that follow are written, and how many bytes there are; None: nobody knows."""
    begin, layout = stream.read(12), None
    if not begin:
        raise InputError("no samples came", "standard input", "look at what should write them")
    if begin[:4] != b"RIFF" or begin[8:] != b"WAVE":
        remedy = "say how raw samples are written: --rate HZ, and --channels N, --encoding NAME"
        raise InputError("it does not begin like a wav file", "standard input", remedy)
    while len(head := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"data" and layout:
            return layout, length if 0 < length < UNKNOWN_BYTES else None
        chunk = stream.read(length + length % 2)
        if name == b"fmt " and len(chunk) >= 16:
            layout = _wav_layout(chunk)
    raise InputError("the header of its wav file is damaged or cut off", "standard input", "check what writes it")


def _wav_layout(chunk: bytes) -> Pcm:
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if kind == 0xFFFE and len(chunk) >= 26:  # extensible: the kind stands further back
        kind = struct.unpack("<H", chunk[24:26])[0]
    if (kind, bits) not in _WAV:
        what = f"a wav file of kind {kind} with {bits} bits is not read from a stream"
        raise InputError(what, "standard input", f"send one of these as raw samples: {', '.join(ENCODINGS)}")
    return Pcm(rate, channels, _WAV[kind, bits])
