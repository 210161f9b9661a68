"""A classifier of which domain an embedding comes from."""

from collections.abc import Sequence

from torch import Tensor, nn

from benchmark.errors import InputError


class ConvDiscriminator(nn.Module):
    """3x3 convolutions, each with ReLU and batch normalisation, on an embedding that was a feature map; a linear layer.

    Source: card `task1-audasc-adversarial-da`, model (discriminator of the Kaggle variant). For that of the other
    variant take `torch.nn.Linear` with 2 outputs.

    Args:
        dim: Size of the embedding.
        channels: Channels of the map.
        bins: Its frequency bins; its frames follow.
        widths: Channels of each convolution.

    Raises:
        InputError: The embedding is no such map.
    """

    def __init__(self, dim: int, channels: int = 128, bins: int = 3, widths: Sequence[int] = (64, 32, 16)) -> None:
        super().__init__()
        if min(channels, bins, *widths) < 1 or dim % (channels * bins):
            what = f"an embedding of {dim} is no map of {channels} channels and {bins} bins for {list(widths)} filters"
            raise InputError(what, "ConvDiscriminator.channels, ConvDiscriminator.bins", "set them to the backbone's")
        layers: list[nn.Module] = [nn.Unflatten(1, (channels, -1, bins))]
        area = dim // channels
        for width in widths:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(width)]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * area, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, 2)` of target and source, of embeddings `(batch, dim)`."""
        logits: Tensor = self.layers(x)
        return logits
