"""Random damage to audio files: each file decodes or gives the named error; none hangs, crashes or takes the memory.

Files are read in a child process, so that a crash of the decoder is one finding of the test and not its end.
"""

import io
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from benchmark.data.audio import load_clip, to_int16
from benchmark.errors import InputError

FILES = 1000
RATE = 16_000
STORE_RATE = 22_050
DEADLINE = 10.0  # seconds for one file
SPARE_MEMORY = 2**31  # bytes of address space beside what the process has at its start
HEADER = 200  # bytes in which all of these formats keep theirs
FORK = multiprocessing.get_context("fork")
KINDS = (
    ("WAV", "PCM_16", 1),
    ("WAV", "PCM_16", 2),
    ("WAV", "PCM_24", 2),
    ("WAV", "FLOAT", 1),
    ("WAVEX", "PCM_24", 4),
    ("FLAC", "PCM_16", 1),
    ("FLAC", "PCM_24", 2),
    ("OGG", "VORBIS", 1),
    ("OGG", "VORBIS", 2),
    ("MP3", "MPEG_LAYER_III", 1),
)


@cache
def whole(format_, subtype, channels):
    generator = np.random.default_rng(0)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)[:, None]
    buffer = io.BytesIO()
    waveform = tone + 0.05 * generator.standard_normal((RATE, channels))
    sf.write(buffer, waveform, RATE, format=format_, subtype=subtype)
    return buffer.getvalue()


def flip(content, generator, bits, end):
    for _ in range(bits):
        content[generator.randrange(end)] ^= 1 << generator.randrange(8)


def corrupted(content, generator):
    """The content with one kind of damage, of which there are nine."""
    damaged, size = bytearray(content), len(content)
    kind = generator.randrange(9)
    place = generator.randrange(size if kind != 5 else HEADER)
    length = generator.randrange(1, 1500 if kind != 5 else 60)
    if kind < 2:
        flip(damaged, generator, bits=1, end=(size, HEADER)[kind])
    elif kind < 4:
        flip(damaged, generator, bits=generator.randrange(2, 40), end=(size, HEADER)[kind - 2])
    elif kind in (4, 5):
        damaged[place : place + length] = bytes(len(damaged[place : place + length]))
    elif kind == 6:
        del damaged[place:]
    elif kind == 7:
        del damaged[place : place + length]
    else:
        damaged[place:place] = generator.randbytes(length)
    return bytes(damaged)


def damaged_file(number):
    kind = KINDS[number % len(KINDS)]
    return kind, corrupted(whole(*kind), random.Random(number))


def read(path):
    """What becomes of a file on its way into a store: a waveform, or the reason why not."""
    try:
        waveform = load_clip(path, STORE_RATE, mono=False)
    except InputError as error:
        what, where, _ = str(error).splitlines()
        assert str(path) in where
        return None, what.removeprefix("cannot read audio: ")
    samples, gain = to_int16(waveform)
    assert waveform.ndim == 2 and waveform.shape[1] > 0
    assert np.isfinite(waveform).all()
    assert np.isfinite(gain) and gain > 0 and np.abs(samples.astype(int)).max() <= 32767
    assert waveform.shape[1] < 60 * RATE  # from a second of audio: nothing was made up
    return waveform, ""


def outcome(path, expected):
    waveform, reason = read(path)
    if waveform is None:
        return "refused: " + next(part for part in REASONS if part in reason)
    same = waveform.shape == expected.shape and np.array_equal(waveform, expected)
    return "decoded, unharmed" if same else "decoded, different"


REASONS = (
    "empty",
    "no audio format",
    "zero length",
    "header claims",
    "header is damaged: a sample rate",
    "NaN or infinite",
    "of full scale",
    "truncated",
)


def read_damaged(number, path):
    kind, content = damaged_file(number)
    path.write_bytes(whole(*kind))
    expected, _ = read(path)
    path.write_bytes(content)
    return outcome(path, expected)


def limit_memory():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def child(work, first, count, folder, replies):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # mpg123 comments on each file
    limit_memory()
    for number in range(first, count):
        try:
            replies.send(work(number, folder / f"{number}.audio"))
        except BaseException as error:
            replies.send(f"FAILED {type(error).__name__}: {error}")


def survey(work, count, folder, deadline=DEADLINE):
    """What `work` says of each number; where its process hangs or dies, that, and another one goes on."""
    found = []
    while len(found) < count:
        ours, theirs = FORK.Pipe(duplex=False)
        process = FORK.Process(target=child, args=(work, len(found), count, folder, theirs))
        process.start()
        theirs.close()
        try:
            while len(found) < count:
                if not ours.poll(deadline):
                    found.append("FAILED: it hangs")
                    break
                found.append(ours.recv())
        except EOFError:
            process.join()
            found.append(f"FAILED: it ends the process ({process.exitcode})")
        process.kill()
        process.join()
    return found


def test_a_thousand_damaged_files_decode_or_give_the_named_error(tmp_path, record_property):
    began = time.monotonic()
    found = survey(read_damaged, FILES, tmp_path)
    failed = [f"file {n} ({KINDS[n % len(KINDS)]}): {what}" for n, what in enumerate(found) if "FAILED" in what]
    by_kind = {}
    for number, what in enumerate(found):
        by_kind.setdefault(KINDS[number % len(KINDS)][0], Counter())[what] += 1
    for kind, counts in by_kind.items():
        record_property(kind, dict(counts))
        several = ", ".join(f"{n} {what}" for what, n in counts.most_common())
        sys.stdout.write(f"{kind}, {counts.total()} files: {several}\n")  # shown by pytest -rP
    sys.stdout.write(f"{FILES} files in {time.monotonic() - began:.1f} s, {len(failed)} failed\n")
    assert not failed
    for kind in ("FLAC", "OGG"):  # formats with checksums: only a header's fields can be wrong unnoticed
        assert by_kind[kind]["decoded, different"] <= 2
    assert all(by_kind[kind].total() - by_kind[kind]["decoded, unharmed"] > 50 for kind in by_kind)


def bad_work(number, path):
    if number == 1:
        time.sleep(60)
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise ValueError("odd")
    if number == 4:
        np.ones(2 * SPARE_MEMORY, np.int8)
    return "fine"


def test_the_survey_notices_hangs_crashes_and_memory(tmp_path):
    first, hangs, dies, odd, memory, last = survey(bad_work, 6, tmp_path, deadline=1.0)
    assert first == last == "fine"
    assert hangs == "FAILED: it hangs"
    assert dies == "FAILED: it ends the process (-9)"
    assert odd == "FAILED ValueError: odd"
    assert "MemoryError" in memory


def bragging_files():
    """Short files whose header claims 2^31 samples and more, in every format that can."""

    def patched(format_, subtype, place, field, value):
        content = bytearray(whole(format_, subtype, 2))
        struct.pack_into(field, content, place, value)
        return bytes(content)

    streaminfo = 18  # after fLaC, the block's header and its block and frame sizes
    rate_and_count = struct.unpack_from(">Q", whole("FLAC", "PCM_16", 2), streaminfo)[0]
    return {
        "a.wav": patched("WAV", "PCM_16", 40, "<I", 0xFFFFFFFF),
        "a.flac": patched("FLAC", "PCM_16", streaminfo, ">Q", rate_and_count | (2**36 - 1)),
        "b.flac": patched("FLAC", "PCM_16", streaminfo, ">Q", rate_and_count | 2**31),
        "a.w64": patched("W64", "PCM_16", whole("W64", "PCM_16", 2).index(b"data") + 16, "<Q", 2**42),
        "a.rf64": patched("RF64", "PCM_16", whole("RF64", "PCM_16", 2).index(b"ds64") + 16, "<Q", 2**42),
        "a.aiff": patched("AIFF", "PCM_16", whole("AIFF", "PCM_16", 2).index(b"COMM") + 10, ">I", 0xFFFFFFFF),
        "a.au": patched("AU", "PCM_16", 8, ">I", 0xFFFFFFF0),
        "a.caf": patched("CAF", "PCM_16", whole("CAF", "PCM_16", 2).index(b"data") + 4, ">Q", 2**42),
    }


def peak_memory(number, path):
    name, content = list(bragging_files().items())[number]
    path = path.with_name(name)
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return f"{name} FAILED: {grown} KiB more" if grown > 32_768 else "fine"


def test_no_header_makes_the_memory_grow(tmp_path):
    assert set(survey(peak_memory, len(bragging_files()), tmp_path)) == {"fine"}


def test_zeros_where_chunks_should_be_take_no_time(tmp_path):
    content = whole("WAV", "PCM_16", 1)
    (tmp_path / "a.wav").write_bytes(content[:36] + bytes(50_000_000))
    began = time.monotonic()
    with pytest.raises(InputError):
        load_clip(tmp_path / "a.wav", STORE_RATE)
    assert time.monotonic() - began < 1
