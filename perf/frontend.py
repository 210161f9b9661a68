"""Speed of every spectrogram of the recipes: both engines of ours, torchaudio, and librosa on one core."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchaudio
from scipy.signal import get_window
from torch import Tensor

from benchmark.frontends import LogMel
from benchmark.frontends.log_mel import Engine
from perf.isolated import Child, start_librosa
from perf.measuring import Options, Table, measure, median, number, timed
from perf.recipes import Preset, presets

SECONDS = 10
OURS: dict[str, Engine] = {"torch.stft": "torch", "nnAudio": "nnaudio"}
TORCHAUDIO, LIBROSA, GRADIENT = "torchaudio", "librosa, one core", ", with gradient"


def torchaudio_log_mel(settings: dict[str, Any], device: torch.device) -> Callable[[Tensor], Tensor]:
    """Torchaudio's spectrogram with the settings of a `LogMel`: `(batch, 1, time)` to `(batch, 1, frames, n_mels)`."""
    taper = get_window(settings["window"], settings["win_length"], fftbins=not settings["symmetric"])
    if settings["scaling"] == "density":
        taper = taper / (settings["sample_rate"] * (taper**2).sum()) ** 0.5
    window = torch.from_numpy(taper).float()
    mel = torchaudio.transforms.MelSpectrogram(
        settings["sample_rate"],
        settings["n_fft"],
        settings["win_length"],
        settings["hop_length"],
        settings["f_min"],
        settings["f_max"],
        n_mels=settings["n_mels"],
        window_fn=lambda _: window,
        power=settings["power"],
        center=settings["center"],
        pad_mode=settings["pad_mode"],
        norm=settings["mel_norm"],
        mel_scale=settings["mel_scale"],
    ).to(device)
    log, top_db = settings["log"], settings["top_db"]

    def log_mel(waveform: Tensor) -> Tensor:
        bands: Tensor = mel(waveform).transpose(2, 3)
        if log is None:
            return bands
        bands = bands.clamp(min=settings["log_floor"]) + settings["log_offset"]
        if log == "ln":
            return bands.log()
        levels: Tensor = bands.log10() * (20 / settings["power"] if log == "db" else 1)
        return levels if top_db is None else torch.maximum(levels, levels.amax((1, 2, 3), keepdim=True) - top_db)

    return log_mel


def _features(frontend: LogMel, lengths: Tensor, waveform: Tensor) -> Tensor:
    features: Tensor = frontend(waveform, lengths)[0]
    return features


def measure_preset(preset: Preset, librosa: Child | str, options: Options) -> dict[str, Any]:
    """Clips per second of one spectrogram by everything that can make it."""
    device, clips = options.torch_device, 1 if options.quick else 64 if options.device == "cuda" else 4
    torch.manual_seed(0)
    built = {name: preset.build(engine).to(device) for name, engine in OURS.items()}
    rate = built["torch.stft"].sample_rate
    waveform = torch.randn(clips, 1, SECONDS * rate, device=device)
    learning = waveform.clone().requires_grad_()
    lengths = torch.full((clips,), waveform.shape[-1], device=device)
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        name: partial(_features, module, lengths) for name, module in built.items()
    }
    plain = preset.kind is LogMel
    if plain:
        calls[TORCHAUDIO] = torchaudio_log_mel(preset.all_settings, device)

    def forward(call: Callable[[Tensor], Tensor]) -> None:
        with torch.no_grad():
            call(waveform)

    def backward(call: Callable[[Tensor], Tensor]) -> None:
        call(learning).sum().backward()  # type: ignore[no-untyped-call, unused-ignore]

    with torch.no_grad():
        reference = calls["torch.stft"](waveform)
        differences = {name: (call(waveform) - reference).abs().max().item() for name, call in calls.items()}
    variants = {name: timed(partial(forward, call), device) for name, call in calls.items()}
    variants |= {name + GRADIENT: timed(partial(backward, call), device) for name, call in calls.items()}
    if plain and isinstance(librosa, Child):
        question = {"log_mel": {"clips": clips, "seconds": SECONDS, **preset.all_settings}}
        variants[LIBROSA] = lambda: librosa.ask(question)
    rates = measure(variants, clips, options.repeats)
    return {"systems": preset.systems, "clips": clips, "rates": rates, "differences": differences}


def run(options: Options) -> dict[str, Any]:
    """Measure all spectrograms of the recipes; in a quick run the first two."""
    librosa = start_librosa()
    found: dict[str, Any] = {"librosa": librosa if isinstance(librosa, str) else librosa.ready, "presets": {}}
    chosen = presets()[: 2 if options.quick else None]
    try:
        for place, preset in enumerate(chosen, 1):
            name = preset.name if preset.name not in found["presets"] else f"{preset.name} ({preset.systems[0]})"
            print(f"  {place}/{len(chosen)} {name}", flush=True)
            found["presets"][name] = measure_preset(preset, librosa, options)
    finally:
        if isinstance(librosa, Child):
            librosa.close()
    return found


def tables(found: dict[str, Any]) -> list[Table]:
    """One row a spectrogram: forward, and forward and backward."""
    there = isinstance(found["librosa"], dict)
    note = "" if there else f"librosa is not there: {found['librosa']}. "
    note += f"Clips of {SECONDS} s. A dash: it has no such spectrogram. Difference: the largest to torch.stft."
    forward, backward = [], []
    for name, one in found["presets"].items():
        rates = {variant: number(median(values)) for variant, values in one["rates"].items()}
        rivals = (*OURS, TORCHAUDIO)
        librosa = rates.get(LIBROSA, "-" if there else "not there")
        apart = [f"{one['differences'][rival]:.0e}" if rival in one["differences"] else "-" for rival in rivals[1:]]
        users = f"{one['systems'][0]} and {len(one['systems']) - 1} more" if one["systems"][1:] else one["systems"][0]
        forward.append([name, users, *(rates.get(rival, "-") for rival in rivals), librosa, *apart])
        backward.append([name, *(rates.get(rival + GRADIENT, "-") for rival in rivals)])
    header = ["spectrogram: rate, transform / hop", "used by", *OURS, TORCHAUDIO, LIBROSA]
    header += [f"difference of {rival}" for rival in ("nnAudio", TORCHAUDIO)]
    return [
        Table("front end, forward: clips/s", header, forward, note),
        Table("front end, forward and backward to the waveform: clips/s", [header[0], *OURS, TORCHAUDIO], backward),
    ]
