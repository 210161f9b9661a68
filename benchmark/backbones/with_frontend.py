"""A network behind a front end of its own, for systems whose networks see a clip in different ways."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torchaudio.transforms import Resample

from benchmark.errors import InputError
from benchmark.frontends.log_mel import exact_float32


class WithFrontend(nn.Module):
    """A network of features as one of waveforms: front end, transforms and network in one.

    The network of a recipe shares the recipe's front end with its augmentations; a branch of `TwoBranch` needs one that
    only it has, and perhaps a sample rate that only it has. A window counts as a whole: where a clip is padded, the
    branch sees the silence that follows it.

    Args:
        frontend: Waveform and lengths to features and lengths.
        backbone: Network of these features.
        transforms: What happens to the features between the two; nothing that is fitted on training data.
        sample_rate: Rate of the waveform in Hz, where the front end wants another one: the waveform is brought to its
            `sample_rate` first, on the same device; null: it has the right one.

    Raises:
        InputError: The network takes waveforms, a transform would have to be fitted, or the front end has no rate.
    """

    input: ClassVar[str] = "waveform"

    def __init__(
        self,
        frontend: nn.Module,
        backbone: nn.Module,
        transforms: Sequence[nn.Module] = (),
        sample_rate: int | None = None,
    ) -> None:
        super().__init__()
        name = type(backbone).__name__
        if getattr(backbone, "input", None) != "features":
            raise InputError(f"{name} takes no features", "WithFrontend.backbone", "give it to the recipe as it is")
        for transform in transforms:
            if hasattr(transform, "fit"):
                what = f"{type(transform).__name__} is fitted on training data, which a branch does not see"
                raise InputError(what, "WithFrontend.transforms", "take it out")
        self.frontend, self.backbone = frontend, backbone
        self.transforms = nn.ModuleList(transforms)
        self.resample: Resample | None = None
        rate = getattr(frontend, "sample_rate", None)
        if sample_rate is not None and rate != sample_rate:
            if rate is None:
                what = f"{type(frontend).__name__} does not say which rate it wants"
                raise InputError(what, "WithFrontend.sample_rate", "take it out, or wrap another front end")
            self.resample = Resample(sample_rate, rate)
            kernel = self.resample.get_buffer("kernel")
            self.resample.register_buffer("kernel", kernel, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """What the network gives.

        Args:
            waveform: `(batch, channels, time)`.

        Returns:
            What the network gives for its features.
        """
        if self.resample is not None:
            with exact_float32(waveform.device.type):
                waveform = self.resample(waveform)
        lengths = waveform.new_full((len(waveform),), waveform.shape[-1]).long()
        features, lengths = self.frontend(waveform, lengths)
        for transform in self.transforms:
            features, lengths = transform(features, lengths)
        return self.backbone(features)  # type: ignore[no-any-return]
