from collections import Counter

import numpy as np
import pytest
import soundfile
from minis import contents

from benchmark.errors import InputError
from tasks.asc.official import read_fold, read_meta, read_tested_set
from tasks.asc_mobile.mini import write_mini
from tasks.asc_mobile.official import MOBILE


@pytest.fixture(scope="module")
def clips(root):
    return read_meta(root / MOBILE.folder("development") / "meta.csv")


def test_devices_b_and_c_are_rare_in_training_and_whole_in_the_test(root, clips):
    train, test = read_fold(root / MOBILE.folder("development"), clips)
    found = Counter((clip.device, clip.clip_id in test) for clip in clips)
    assert found == {("a", False): 80, ("b", False): 20, ("c", False): 20, **{(d, True): 40 for d in "abc"}}
    assert len(train) + len(test) == len(clips)


def test_devices_b_and_c_hear_what_device_a_hears(clips):
    segments = {device: {c.clip_id[:-2] for c in clips if c.device == device} for device in "abc"}
    assert segments["b"] == segments["c"] < segments["a"]


def test_devices_colour_the_sound(root, clips):
    """Between 1 to 4 kHz and what is above 14 kHz, device B changes the balance by some decibels."""
    folder, loss = root / MOBILE.folder("development") / "audio", []
    for clip in (clip for clip in clips if clip.device == "b"):
        a, b = (soundfile.read(folder / f"{clip.clip_id[:-1]}{device}.wav")[0] for device in "ab")
        power = [np.abs(np.fft.rfft(signal)) ** 2 for signal in (a, b)]
        frequency = np.fft.rfftfreq(len(a), 1 / 44_100)
        low, high = (frequency > 1_000) & (frequency < 4_000), (frequency > 14_000)
        ratio = [10 * np.log10(p[high].sum() / p[low].sum()) for p in power]
        loss.append(ratio[0] - ratio[1])
    assert abs(np.mean(loss)) > 2


def test_audio_format_and_size(root):
    paths = list(root.glob("*/audio/*.wav"))
    infos = [soundfile.info(path) for path in paths]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(44_100, 1, "PCM_24")}
    assert sum(path.stat().st_size for path in paths) < 30e6


def test_the_tested_sets_tell_their_devices_in_the_table_only(root):
    clips = read_tested_set(root, MOBILE, "evaluation")
    assert Counter(clip.device for clip in clips) == dict.fromkeys("abcd", 10)
    assert clips[1].path.name == "1.wav"


def test_a_tested_set_needs_devices_but_no_places(root, tmp_path):
    folder = tmp_path / MOBILE.folder("evaluation")
    (folder / "audio").mkdir(parents=True)
    rows = [line.split("\t") for line in (root / folder.name / "meta.csv").read_text().splitlines()]
    for columns, accepted in (([0, 1, 3], True), ([0, 1, 2], False)):
        lines = ("\t".join(row[place] for place in columns) for row in rows)
        (folder / "meta.csv").write_text("\n".join(lines))
        if accepted:
            assert {(c.location, c.device) for c in read_tested_set(tmp_path, MOBILE, "evaluation")} == {
                ("", device) for device in "abcd"
            }
            continue
        with pytest.raises(InputError, match=r"nothing says with which device 'audio/0\.wav' was recorded"):
            read_tested_set(tmp_path, MOBILE, "evaluation")


def test_a_seed_gives_the_same_bytes(root, tmp_path):
    write_mini(tmp_path)
    assert contents(tmp_path) == contents(root)
