"""Image networks of timm, which several systems start from their ImageNet weights."""

import difflib
import re
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.weights import load_weights

Stem = Literal["adapt", "repeat", "new"]

RGB = 3
AUXILIARY = "AuxLogits."  # a second classifier, only for training, in files of Inception
COUNTERS = ".num_batches_tracked"  # absent from older files, and without use


class ImageNetBackbone(nn.Module):
    """A convolutional image network without its classifier, all of it trained on.

    The spectrogram is the image, frequency its vertical axis (lowest bins first) and time its horizontal one. Nothing
    is fetched: pretrained weights are a file below the data root.

    Source: cards `task2-meta-learning-xu` (resnet50, resnext101_32x4d, seresnext101_32x4d, dpn68, dpn98, dpn107,
    legacy_xception), `task2-cnn-stacking-pantic` (inception_v3, mobilenetv1_100), `task3-dcnn-lasseck` (inception_v3,
    resnet152), `task1-vision-ensemble-mariotti` (resnet18, resnet34, resnet50 from scratch).

    Args:
        name: timm's name of the network, which may name the training of its weights too (`resnet18.a1_in1k`).
        weights: File below `<data root>/weights/`, with timm's names of tensors; empty: `<name>.safetensors`; null:
            train from scratch. Its classifier is left out, all else must be the network's.
        in_channels: Channels of the features.
        stem: How the first convolution, made for three channels, takes others: `adapt`: filters summed for one channel,
            repeated and scaled for several (timm's way); `repeat`: one channel copied to three, the convolution stays;
            `new`: it starts from random weights.
        normalise: Take features as pixels from 0 to 1, and bring their three channels to the mean and deviation that
            the network was pretrained with.

    Raises:
        InputError: timm has no such network or it gives no feature map, the options do not go together, or the file
            is not there (and random weights are not allowed) or is another network's.
    """

    input: ClassVar[str] = "features"
    network: Any
    random_weights: Tensor

    def __init__(
        self,
        name: str,
        weights: str | None = "",
        in_channels: int = 1,
        stem: Stem = "adapt",
        normalise: bool = False,
    ) -> None:
        super().__init__()
        self.name, self.in_channels, self.repeats, self.normalise = name, in_channels, stem == "repeat", normalise
        channels = RGB if self.repeats else in_channels
        if stem not in get_args(Stem):
            raise InputError(f"stem must be one of {', '.join(get_args(Stem))}, not {stem!r}", "ImageNetBackbone.stem")
        if in_channels < 1 or (self.repeats and in_channels != 1) or (normalise and channels != RGB):
            raise InputError(
                f"in_channels {in_channels}, stem {stem} and normalise {normalise} do not go together",
                "ImageNetBackbone",
                "repeat takes one channel; normalise takes three, or one that is repeated",
            )
        self.network = _headless(name, channels)
        state = None if weights is None else _pretrained(self.network, weights or f"{name}.safetensors", channels, stem)
        if state:
            self.network.load_state_dict(state, strict=False)  # all but the counters, and a new stem
        random = weights is not None and state is None
        self.register_buffer("random_weights", torch.tensor(random))  # a checkpoint keeps what it was trained with
        if normalise:
            for statistic in ("mean", "std"):
                values = torch.tensor(_facts(self.network)[statistic])[:, None, None]
                self.register_buffer(statistic, values, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, dim, frames', bins')`; most networks shrink both axes 32 times and have 512 to 2688 channels.

        Raises:
            InputError: The features have another number of channels, or too few frames or bins for the network.
        """
        if features.ndim != 4 or features.shape[1] != self.in_channels:
            raise InputError(
                f"{self.name} got features {tuple(features.shape)}, expected (batch, {self.in_channels}, frames, bins)",
                "ImageNetBackbone.in_channels",
                "set it to the channels of the front end",
            )
        image = features.transpose(2, 3)
        if self.repeats:
            image = image.expand(-1, RGB, -1, -1)
        if self.normalise:
            image = (image - self.get_buffer("mean")) / self.get_buffer("std")
        try:
            output: Tensor = self.network.forward_features(image)
        except RuntimeError as error:
            if not re.search("(Kernel|[Oo]utput) size", str(error)):
                raise
            what = f"{features.shape[2]} frames of {features.shape[3]} bins are too few for {self.name}"
            raise InputError(what, "backbone", "give longer clips or more bins, or resize the features") from error
        return output.transpose(2, 3)


def _headless(name: str, channels: int) -> Any:
    """The network without its classifier, weights random."""
    import timm  # takes seconds

    if not timm.is_model(name):  # names that it would fetch are none either
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        remedy = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them"
        raise InputError(f"timm has no network {name!r}", "ImageNetBackbone.name", remedy)
    try:
        network = timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels)
    except RuntimeError as error:  # of the part after the dot
        raise InputError(" ".join(str(error).split()), "ImageNetBackbone.name", "leave it out") from error
    if not _is_plain(network):
        what = f"{name} is not one stack of convolutions that ends in a pooling and a classifier"
        raise InputError(what, "ImageNetBackbone.name", "take a network such as resnet50 or densenet121")
    return network


def _is_plain(network: Any) -> bool:
    """Whether nothing but the pooling follows the features, and images of all sizes will do."""
    facts = _facts(network)
    first, last = facts["first_conv"], facts["classifier"]
    if not (isinstance(first, str) and isinstance(last, str) and facts["pool_size"]) or facts["fixed_input_size"]:
        return False
    head = f"{last.partition('.')[0]}."  # in some networks a normalisation or a layer is left of it
    follows = any(name.startswith(head) for name in network.state_dict())
    return not follows and network.num_features == network.head_hidden_size


def _pretrained(network: Any, file: str, channels: int, stem: Stem) -> dict[str, Tensor] | None:
    """The file's tensors, the first convolution's made for so many channels."""
    from timm.models import adapt_input_conv

    facts = _facts(network)
    first, counters = f"{facts['first_conv']}.weight", []
    shapes = {}
    for name, tensor in network.state_dict().items():
        if name.endswith(COUNTERS):
            counters.append(name)
        else:
            shapes[name] = tuple(tensor.shape)
    shapes[first] = (shapes[first][0], RGB, *shapes[first][2:])
    state = load_weights(file, shapes, (f"{facts['classifier']}.", AUXILIARY, *counters))
    if state is None:
        return None
    filters = state.pop(first)
    if stem != "new":
        state[first] = adapt_input_conv(channels, filters)
    return state


def _facts(network: Any) -> dict[str, Any]:
    """What timm knows of a network: names of its first and last layers, statistics of its pictures."""
    return dict(network.pretrained_cfg)
