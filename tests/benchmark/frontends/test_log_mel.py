"""LogMel against torchaudio and scipy, between its engines, under reduced precision, and alone or in a batch."""

import copy

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio

from benchmark.errors import InputError
from benchmark.frontends import LogMel

SURREY = {"window": "hamming", "symmetric": True, "power": 1.0, "center": False, "scaling": "density", "f_min": 50.0}
PRESETS = {
    "surrey": dict(SURREY, sample_rate=32000, n_fft=2048, hop_length=1328, n_mels=64),
    "bulbul": {"sample_rate": 22050, "n_fft": 1024, "hop_length": 315, "n_mels": 80, "f_max": 8000.0, "power": 1.0},
    "tut": {
        "sample_rate": 48000,
        "n_fft": 2048,
        "win_length": 1920,
        "hop_length": 960,
        "n_mels": 40,
        "f_min": 0.0,
        "window": "hamming",
        "mel_scale": "htk",
        "mel_norm": None,
        "pad_mode": "constant",
        "log": "log10",
        "log_offset": 1e-6,
    },
    "odd": {"sample_rate": 16000, "n_fft": 133, "win_length": 100, "hop_length": 133, "n_mels": 20, "f_min": 0.0},
    "decibel": {"sample_rate": 16000, "n_fft": 512, "hop_length": 256, "log": "db", "top_db": 80.0, "power": 1.5},
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def audio(sample_rate, batch=2, channels=1, seconds=1.0):
    """A tone in noise, so that the spectrum has a wide range."""
    time = torch.arange(int(seconds * sample_rate)) / sample_rate
    return 0.3 * torch.sin(2 * torch.pi * 440 * time) + 0.01 * torch.randn(batch, channels, len(time))


def full(waveform):
    return torch.full((len(waveform),), waveform.shape[-1])


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_engines_agree(preset):
    waveform = audio(preset["sample_rate"], channels=2)
    one, frames = LogMel(engine="torch", **preset)(waveform, full(waveform))
    two, frames_too = LogMel(engine="nnaudio", **preset)(waveform, full(waveform))
    assert one.shape[:2] == (2, 2)
    assert torch.equal(frames, frames_too)
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("engine", ["torch", "nnaudio", "auto"])
@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_cuda_agrees_with_cpu_while_tf32_is_allowed(preset, engine):
    waveform = audio(preset["sample_rate"], channels=2)
    expected, frames = LogMel(engine="torch", **preset)(waveform, full(waveform))
    torch.set_float32_matmul_precision("high")
    try:
        frontend = LogMel(engine=engine, **preset).cuda()
        features, on_cuda = frontend(waveform.cuda(), full(waveform).cuda())
    finally:
        torch.set_float32_matmul_precision("highest")
    assert (frontend.stft is None) == (engine == "torch")
    assert on_cuda.tolist() == frames.tolist()
    torch.testing.assert_close(features.cpu(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("engine", ["torch", "nnaudio"])
@pytest.mark.parametrize(("scale", "norm"), [("slaney", "slaney"), ("htk", "slaney"), ("htk", None), ("slaney", None)])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_agrees_with_torchaudio(engine, scale, norm, power):
    waveform = audio(32000)
    ours = LogMel(
        sample_rate=32000,
        n_fft=1024,
        win_length=800,
        hop_length=500,
        n_mels=64,
        f_max=14000.0,
        mel_scale=scale,
        mel_norm=norm,
        power=power,
        log=None,
        engine=engine,
    )
    theirs = torchaudio.transforms.MelSpectrogram(
        32000, 1024, 800, 500, 50.0, 14000.0, n_mels=64, power=power, norm=norm, mel_scale=scale
    )
    features, _ = ours(waveform, full(waveform))
    torch.testing.assert_close(features, theirs(waveform).transpose(2, 3), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_density_scaling_is_scipys(power):
    waveform = audio(32000, batch=1)
    ours = LogMel(**(PRESETS["surrey"] | {"log": None, "power": power}))
    _, _, magnitude = scipy.signal.spectrogram(
        waveform[0, 0].double().numpy(),
        fs=32000,
        window=np.hamming(2048),
        noverlap=2048 - 1328,
        detrend=False,
        scaling="density",
        mode="magnitude",
    )
    bands = torchaudio.functional.melscale_fbanks(1025, 50.0, 16000.0, 64, 32000, norm="slaney", mel_scale="slaney")
    expected = torch.from_numpy(magnitude.T**power).float() @ bands
    features, _ = ours(waveform, full(waveform))
    torch.testing.assert_close(features[0, 0], expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "hop", "frames", "rate"),
    [(44100, 2048, 1376, 320, 32.0), (32000, 2048, 1328, 240, 24.1), (16000, 1024, 664, 240, 24.1)],
)
def test_surrey_frames_of_ten_seconds(sample_rate, n_fft, hop, frames, rate):
    frontend = LogMel(**SURREY, sample_rate=sample_rate, n_fft=n_fft, hop_length=hop)
    waveform = torch.zeros(1, 1, 10 * sample_rate)
    features, lengths = frontend(waveform, full(waveform))
    assert features.shape == (1, 1, frames, 64)
    assert lengths.tolist() == [frames]
    assert frontend.frames_per_second == pytest.approx(rate, abs=0.06)


def test_logarithm_of_silence_and_of_decibels():
    silence = torch.zeros(1, 1, 4000)
    for settings, expected in [
        ({"log": "ln", "log_offset": 1e-8}, np.log(1e-8)),
        ({"log": "log10", "log_offset": 0.0, "log_floor": 1e-7}, -7.0),
        ({"log": "db", "log_offset": 1e-10, "power": 2.0}, -100.0),
        ({"log": "db", "log_offset": 1e-5, "power": 1.0}, -100.0),
    ]:
        features, _ = LogMel(**settings)(silence, full(silence))
        torch.testing.assert_close(features, torch.full_like(features, expected), rtol=1e-5, atol=0)


def test_top_db_is_relative_to_each_clip():
    waveform = audio(32000)
    waveform[1] *= 1e-3
    waveform[:, :, 16000:] = 0
    features, _ = LogMel(log="db", log_offset=1e-20, top_db=60.0)(waveform, full(waveform))
    peak = features.amax((1, 2, 3))
    torch.testing.assert_close(features.amin((1, 2, 3)), peak - 60, rtol=0, atol=1e-4)
    assert peak[0] - peak[1] == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize("engine", ["torch", "nnaudio"])
def test_stays_float32_under_autocast_and_reduced_products(engine):
    waveform = audio(32000, channels=2)
    frontend = LogMel(engine=engine, **PRESETS["surrey"])
    plain, _ = frontend(waveform, full(waveform))
    torch.set_float32_matmul_precision("medium")
    allowed = torch.backends.cudnn.allow_tf32
    try:
        with torch.autocast("cpu", torch.bfloat16):
            features, _ = frontend(waveform, full(waveform))
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.allow_tf32 == allowed
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.set_float32_matmul_precision("highest")
    assert features.dtype == torch.float32
    assert torch.equal(features, plain)


def test_switches_are_off_inside_and_restored_from_both_generations(monkeypatch):
    frontend = LogMel()
    products = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul, torch.backends.cudnn.conv)
    before = [product.fp32_precision for product in products]
    inside = []

    def look(waveform):
        inside.extend(product.fp32_precision for product in products)
        inside.append(torch.backends.cuda.matmul.allow_tf32)
        return torch.zeros(len(waveform), 1, frontend.mel.shape[0])

    monkeypatch.setattr(frontend, "_power", look)
    try:
        torch.backends.cuda.matmul.fp32_precision = "tf32"  # leaves the older switch at "highest"
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        torch.backends.cudnn.conv.fp32_precision = "tf32"
        frontend(torch.zeros(1, 1, 1024), torch.tensor([1024]))
        assert [product.fp32_precision for product in products] == ["tf32", "bf16", "tf32"]
    finally:
        for product, precision in zip(products, before, strict=True):
            product.fp32_precision = precision
    assert inside == ["ieee", "ieee", "ieee", False]


@pytest.mark.parametrize("engine", ["torch", "nnaudio"])
def test_constants_are_in_no_checkpoint_and_keep_their_type(engine):
    frontend = LogMel(engine=engine)
    waveform = audio(32000)
    plain, _ = frontend(waveform, full(waveform))
    assert frontend.state_dict() == {}
    assert all(buffer.device.type == "meta" for buffer in copy.deepcopy(frontend).to("meta").buffers())
    features, _ = frontend.bfloat16()(waveform, full(waveform))
    assert torch.equal(features, plain)


def test_only_the_chosen_engine_is_built(capsys):
    assert LogMel(engine="torch").stft is None
    assert LogMel(engine="auto").stft is None
    nnaudio = LogMel(engine="nnaudio")
    assert nnaudio.stft is not None
    assert dict(nnaudio.named_buffers())["stft.wsin"].shape[0] == nnaudio.mel.shape[0] <= 513
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("engine", ["torch", "nnaudio"])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_alone_or_in_a_batch(engine, center, pad_mode):
    frontend = LogMel(
        n_fft=512, win_length=400, hop_length=160, center=center, pad_mode=pad_mode, engine=engine, log="db", top_db=70
    )
    samples = [1, 100, 255, 256, 300, 511, 512, 513, 1000, 4000]
    waveform = torch.randn(len(samples), 2, max(samples))  # padding is noise, which must not matter
    features, frames = frontend(waveform, torch.tensor(samples))
    for index, length in enumerate(samples):
        alone, own = frontend(waveform[index : index + 1, :, :length], torch.tensor([length]))
        assert own[0] == frames[index]
        torch.testing.assert_close(features[index, :, : own[0]], alone[0, :, : own[0]], rtol=0, atol=1e-5)
        assert not features[index, :, own[0] :].any()
        assert not alone[0, :, own[0] :].any()


def test_frames_of_padding_are_not_counted():
    lengths = torch.tensor([1, 600, 2047, 2048, 2560])
    # Alone: (max(n, 2048) - 2048) // 512 + 1 uncentred. Centred, frame t sees samples from t * 512 - 1024 on.
    assert LogMel(n_fft=2048, hop_length=512, center=False).frame_lengths(lengths).tolist() == [1, 1, 1, 1, 2]
    assert LogMel(n_fft=2048, hop_length=512).frame_lengths(lengths).tolist() == [3, 4, 5, 5, 6]
    assert LogMel(n_fft=2048, win_length=1024, hop_length=512).frame_lengths(lengths).tolist() == [2, 3, 5, 5, 6]


@pytest.mark.parametrize("engine", ["torch", "nnaudio"])
def test_one_sample_does_not_crash(engine):
    features, frames = LogMel(engine=engine)(torch.ones(1, 1, 1), torch.tensor([1]))
    assert frames.tolist() == [2]  # centred on samples 0 and 320; the window reaches 512 to the left
    assert features.isfinite().all()


@pytest.mark.parametrize("engine", ["torch", "nnaudio"])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_gradient_of_silence_is_finite(engine, power):
    waveform = torch.zeros(1, 1, 4000, requires_grad=True)
    features, _ = LogMel(engine=engine, power=power)(waveform, torch.tensor([4000]))
    features.sum().backward()
    assert waveform.grad.isfinite().all()


def test_large_batches_are_transformed_in_parts():
    frontend = LogMel(engine="torch")
    waveform = torch.randn(80, 1, 32000)
    features, _ = frontend(waveform, full(waveform))
    last, _ = frontend(waveform[-1:], full(waveform[-1:]))
    torch.testing.assert_close(features[-1:], last, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("f_max", {"f_max": 16001.0}),
        ("f_max", {"f_min": 500.0, "f_max": 400.0}),
        ("f_min", {"f_min": -1.0}),
        ("f_min", {"f_min": 16000.0}),
        ("win_length", {"n_fft": 512, "win_length": 1024}),
        ("n_fft", {"n_fft": 1}),
        ("hop_length", {"hop_length": 0}),
        ("n_mels", {"n_mels": 0}),
        ("sample_rate", {"sample_rate": 0}),
        ("power", {"power": 0.0}),
        ("window", {"window": "hammering"}),
        ("log_offset", {"log_offset": 0.0}),
        ("log_floor", {"log_floor": -1.0}),
        ("top_db", {"top_db": 80.0}),
        ("mel_scale", {"mel_scale": "bark"}),
        ("mel_norm", {"mel_norm": "htk"}),
        ("pad_mode", {"pad_mode": "edge"}),
        ("scaling", {"scaling": "spectrum"}),
        ("log", {"log": "log2"}),
        ("engine", {"engine": "librosa"}),
    ],
)
def test_impossible_settings_are_named(name, settings):
    with pytest.raises(InputError, match=rf"(?s){name}.*where: LogMel\.{name}"):
        LogMel(**settings)


def test_rank_is_checked():
    with pytest.raises(InputError, match=r"batch, channels, time"):
        LogMel()(torch.zeros(2, 4000), torch.tensor([4000, 4000]))
