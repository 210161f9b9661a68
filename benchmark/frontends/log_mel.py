"""Log-mel spectrograms on the module's device: nnAudio's Fourier kernels, or `torch.stft`, with one tail for both.

Two things are this project's, because nnAudio leaves them open: precision (float32 whatever the precision of training)
and padding (a clip's features do not depend on the clips it shares a batch with).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.frontends.transforms import frame_mask

Engine = Literal["auto", "nnaudio", "torch"]
CHOICES: dict[str, tuple[str | None, ...]] = {
    "mel_scale": ("slaney", "htk"),
    "mel_norm": ("slaney", None),
    "pad_mode": ("reflect", "constant"),
    "scaling": ("none", "density"),
    "log": ("ln", "log10", "db", None),
    "engine": ("auto", "nnaudio", "torch"),
}

CPU_CHUNK = 2**20  # samples transformed at once on a CPU: larger spectra are fresh memory each time, at twice the time


@contextmanager
def exact_float32(device_type: str) -> Iterator[None]:
    """Float32 arithmetic inside: autocast off, and no TF32 or bfloat16 in matrix products and convolutions.

    Args:
        device_type: `cpu`, `cuda` ...
    """
    backends: Any = torch.backends  # its switches are made at run time, where type checkers do not see them
    products = (backends.cuda.matmul, backends.mkldnn.matmul, backends.cudnn.conv, backends.mkldnn.conv)
    saved = [product.fp32_precision for product in products]
    try:
        legacy = torch.get_float32_matmul_precision()
    except RuntimeError:  # set through the per-backend switches alone: the older switch cannot express it
        legacy = None
    # The older switch has to be turned too: PyTorch refuses to answer while both generations disagree.
    torch.set_float32_matmul_precision("highest")
    for product in products:
        product.fp32_precision = "ieee"
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        for product, precision in zip(products, saved, strict=True):
            product.fp32_precision = precision


class LogMel(nn.Module):
    """Log-mel spectrogram, time before frequency.

    Windowing, Fourier transform, magnitude to `power`, mel bands, logarithm. Always computed in float32. Its constants
    follow the module to a device, never change their type, and are in no checkpoint.

    Each clip is treated as if it were alone: its samples beyond its length count as zeros, it is reflected at its own
    end, and it gets the frames that it would have alone, less those without any of its samples. A clip shorter
    than `n_fft` is zero-padded to it first.

    Args:
        sample_rate: Hz.
        n_fft: Length of the Fourier transform in samples.
        hop_length: Distance of two frames in samples.
        n_mels: Mel bands.
        f_min: Lower edge of the lowest band in Hz.
        f_max: Upper edge of the highest band in Hz; null: half the sample rate.
        win_length: Length of the window in samples, centred in `n_fft`; null: `n_fft`.
        window: A window of `scipy.signal.get_window`.
        symmetric: The symmetric window of filter design (`numpy.hamming`), not the periodic one of spectral analysis.
        power: 1 for magnitudes, 2 for powers, before the mel bands.
        mel_scale: `slaney` (linear below 1 kHz; librosa's default) or `htk`.
        mel_norm: `slaney`: bands of equal area; null: bands of height 1.
        center: Frame `t` is centred on sample `t * hop_length`; otherwise it starts there.
        pad_mode: What lies beyond the ends when `center` is true: `reflect` or `constant` (zeros).
        scaling: `density`: magnitudes times `sqrt(1 / (sample_rate * sum(window ** 2)))`, as of
            `scipy.signal.spectrogram(mode="magnitude")`; powers get the square of it. It matters because `log_offset`
            is absolute.
        log: `ln`, `log10`, `db` (decibels, right for any `power`) or null for none.
        log_offset: Added inside the logarithm.
        log_floor: Smallest value that enters the logarithm, before the offset.
        top_db: With `db`: nothing lies further than this below the clip's maximum.
        engine: `nnaudio` (convolution with Fourier kernels), `torch` (`torch.stft`), or `auto`: nnAudio on an
            accelerator and `torch.stft` on a CPU, where it is faster (`perf/frontend.py`).

    Raises:
        InputError: A setting is impossible; the message names it.
    """

    taper: Tensor
    mel: Tensor

    def __init__(
        self,
        sample_rate: int = 32000,
        n_fft: int = 1024,
        hop_length: int = 320,
        n_mels: int = 64,
        f_min: float = 50.0,
        f_max: float | None = None,
        win_length: int | None = None,
        window: str = "hann",
        symmetric: bool = False,
        power: float = 2.0,
        mel_scale: Literal["slaney", "htk"] = "slaney",
        mel_norm: Literal["slaney"] | None = "slaney",
        center: bool = True,
        pad_mode: Literal["reflect", "constant"] = "reflect",
        scaling: Literal["none", "density"] = "none",
        log: Literal["ln", "log10", "db"] | None = "ln",
        log_offset: float = 1e-8,
        log_floor: float = 0.0,
        top_db: float | None = None,
        engine: Engine = "auto",
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop_length, self.n_mels = sample_rate, n_fft, hop_length, n_mels
        self.f_min, self.f_max = f_min, sample_rate / 2 if f_max is None else f_max
        self.win_length = n_fft if win_length is None else win_length
        self.power, self.mel_scale, self.mel_norm, self.scaling = power, mel_scale, mel_norm, scaling
        self.center, self.pad_mode, self.engine = center, pad_mode, engine
        self.log, self.log_offset, self.log_floor, self.top_db = log, log_offset, log_floor, top_db
        self._check_settings()
        self.margin = n_fft // 2 if center else 0

        taper = _taper(window, self.win_length, n_fft, symmetric)
        if scaling == "density":
            taper /= (sample_rate * taper.square().sum()).sqrt()
        self.register_buffer("taper", taper.float(), persistent=False)
        mel = self._mel_matrix()
        used = mel.any(1).nonzero()
        # Bins outside all bands need neither kernels nor products.
        self.bins = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        self.register_buffer("mel", mel[self.bins].contiguous(), persistent=False)
        self.stft: Callable[[Tensor], Tensor] | None = None
        if engine == "nnaudio":
            self.stft = self._build_nnaudio()

    def _check_settings(self) -> None:
        nyquist = self.sample_rate / 2
        _require(self.sample_rate > 0, "sample_rate", "must be positive", self.sample_rate)
        _require(self.n_fft >= 2, "n_fft", "must be at least 2", self.n_fft)
        _require(
            1 <= self.win_length <= self.n_fft, "win_length", f"must be 1 to n_fft ({self.n_fft})", self.win_length
        )
        _require(self.hop_length >= 1, "hop_length", "must be at least 1", self.hop_length)
        _require(self.n_mels >= 1, "n_mels", "must be at least 1", self.n_mels)
        _require(0 <= self.f_min < nyquist, "f_min", f"must be 0 to below {nyquist:g} Hz (Nyquist)", self.f_min)
        rule = f"must be above f_min ({self.f_min:g} Hz) and at most {nyquist:g} Hz (Nyquist)"
        _require(self.f_min < self.f_max <= nyquist, "f_max", rule, self.f_max)
        _require(self.power > 0, "power", "must be positive", self.power)
        _require(self.log_floor >= 0, "log_floor", "must not be negative", self.log_floor)
        defined = self.log is None or max(self.log_offset, self.log_floor) > 0
        rule = "must not be negative, and positive if log_floor is 0 (silence would have no logarithm)"
        _require(self.log_offset >= 0 and defined, "log_offset", rule, self.log_offset)
        in_db = self.top_db is None or (self.log == "db" and self.top_db > 0)
        _require(in_db, "top_db", "must be positive and needs log: db", self.top_db)
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            _require(value in choices, name, f"must be one of {', '.join(map(str, choices))}", value)

    def _mel_matrix(self) -> Tensor:
        """Weights float32 `(n_fft // 2 + 1, n_mels)`."""
        from nnAudio.librosa_functions import get_mel

        htk, norm = self.mel_scale == "htk", 1 if self.mel_norm == "slaney" else None
        weights = get_mel(self.sample_rate, self.n_fft, self.n_mels, self.f_min, self.f_max, htk=htk, norm=norm)
        return torch.from_numpy(weights).float().T

    @property
    def frames_per_second(self) -> float:
        """Frame rate in Hz."""
        return self.sample_rate / self.hop_length

    def engine_on(self, device_type: str) -> str:
        """What computes the Fourier transform on a device: `nnaudio` or `torch`."""
        if self.engine == "auto":
            return "torch" if device_type == "cpu" else "nnaudio"
        return self.engine

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of clips that have so many samples, int64 `(batch,)`; at least 1."""
        samples = lengths.clamp(min=self.n_fft)
        alone = (samples + 2 * self.margin - self.n_fft) // self.hop_length + 1
        reach = lengths + self.margin - (self.n_fft - self.win_length) // 2
        with_audio = (reach + self.hop_length - 1) // self.hop_length
        return torch.minimum(alone, with_audio).clamp(min=1)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a batch of waveforms.

        Args:
            waveform: `(batch, channels, time)`, any floating type.
            lengths: Samples that are not padding, int64 `(batch,)`.

        Returns:
            Features, float32 `(batch, channels, frames, n_mels)`, 0 in padded frames; and the frames that are not
            padding, int64 `(batch,)`.

        Raises:
            InputError: The waveform is not of rank 3.
        """
        if waveform.ndim != 3:
            raise InputError(
                f"the waveform has shape {tuple(waveform.shape)}", "LogMel", "give it as (batch, channels, time)"
            )
        lengths = lengths.to(waveform.device).clamp(max=waveform.shape[-1])
        with exact_float32(waveform.device.type):
            rows = self._pad(waveform.float(), lengths).flatten(0, 1)
            at_once = max(1, CPU_CHUNK // rows.shape[-1]) if rows.device.type == "cpu" else len(rows)
            bands = torch.cat([self._power(part) @ self.mel for part in torch.split(rows, at_once)])
            features = torch.unflatten(bands, 0, waveform.shape[:2])
            frames = self.frame_lengths(lengths)
            padding = ~frame_mask(frames, features.shape[2])
            features = self._to_log(features, padding).masked_fill(padding, 0.0)
        return features, frames

    def _pad(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Each clip with what lies around it, `(batch, channels, time)`: frame `t` starts at `t * hop_length`."""
        time, margin = waveform.shape[-1], self.margin
        mode = self.pad_mode if margin else "constant"
        # On an accelerator the question would wait for the queue, and the general way costs next to nothing.
        if time >= self.n_fft and lengths.device.type == "cpu" and bool((lengths >= time).all()):
            return F.pad(waveform, (margin, margin), mode=mode) if margin else waveform
        total = max(time, self.n_fft)
        beyond = torch.arange(total, device=lengths.device) >= lengths[:, None]
        waveform = F.pad(waveform, (0, total - time)).masked_fill(beyond[:, None], 0.0)
        if mode == "constant":
            return F.pad(waveform, (margin, margin))
        last = lengths.clamp(min=self.n_fft)[:, None] - 1
        position = torch.arange(-margin, total + margin, device=lengths.device).abs()
        reflected = torch.minimum(position, 2 * last - position).clamp(min=0)
        return waveform.take_along_dim(reflected[:, None], dim=2)

    def _power(self, waveform: Tensor) -> Tensor:
        """Magnitudes to `power`, `(batch, frames, bins)`, of padded waveforms `(batch, time)`."""
        if self.engine_on(waveform.device.type) == "torch":
            spectrum = torch.stft(
                waveform,
                self.n_fft,
                self.hop_length,
                window=self.taper,
                center=False,
                onesided=True,
                return_complex=True,
            )[:, self.bins]
        else:
            if self.stft is None:
                self.stft = self._build_nnaudio().to(waveform.device)
            spectrum = torch.view_as_complex(self.stft(waveform))
        spectrum = spectrum.transpose(1, 2)
        if self.power == 2:
            return spectrum.real.square() + spectrum.imag.square()
        magnitude = spectrum.abs()  # its gradient at 0 is 0, that of a root of squares would be NaN
        return magnitude if self.power == 1 else magnitude**self.power

    def _to_log(self, features: Tensor, padding: Tensor) -> Tensor:
        if self.log is None:
            return features
        features = features.clamp(min=self.log_floor) + self.log_offset
        if self.log == "ln":
            return features.log()
        if self.log == "log10":
            return features.log10()
        decibels = features.log10() * (20 / self.power)
        if self.top_db is None:
            return decibels
        peak = decibels.masked_fill(padding, -torch.inf).amax((1, 2, 3), keepdim=True)
        return torch.maximum(decibels, peak - self.top_db)

    def _build_nnaudio(self) -> nn.Module:
        from nnAudio.features.stft import STFT

        # The first pass may be a validation in inference mode, and its tensors could not be trained through later.
        with torch.inference_mode(False):
            stft: nn.Module = STFT(
                n_fft=self.n_fft,
                hop_length=self.hop_length,
                window="boxcar",
                center=False,
                sr=self.sample_rate,
                verbose=False,
            )
            taper = self.taper.cpu()
            for name in ("wsin", "wcos"):
                stft.register_buffer(name, stft.get_buffer(name)[self.bins] * taper, persistent=False)
            stft.register_buffer("window_mask", stft.get_buffer("window_mask"), persistent=False)
        return stft

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow to another device, but stay in float32 (`Trainer(precision="bf16-true")` converts the whole model)."""

        def move(constant: Tensor) -> Tensor:
            moved = fn(constant)
            return moved if moved.dtype == constant.dtype else constant.to(moved.device)

        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        return self


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise InputError(f"{name} {rule}, not {value}", f"LogMel.{name}")


def _taper(window: str, win_length: int, n_fft: int, symmetric: bool) -> Tensor:
    """The window in float64, centred in `n_fft` samples."""
    from scipy.signal import get_window

    try:
        taper = torch.from_numpy(get_window(window, win_length, fftbins=not symmetric))
    except ValueError as error:
        raise InputError(
            f"window {window!r} is unknown or needs parameters", "LogMel.window", "take one of scipy.signal.get_window"
        ) from error
    before = (n_fft - win_length) // 2
    return F.pad(taper, (before, n_fft - win_length - before))
