"""Global max pooling whose classifier starts from a narrow normal distribution."""

from torch import nn

from benchmark.errors import InputError
from benchmark.heads.pooling import GlobalMaxPool


class NormalInitMaxPool(GlobalMaxPool):
    """Maximum over valid time and all frequencies, then a linear layer with small initial weights.

    They start from a normal distribution that is cut at two deviations, the bias at 0 (card
    `task2-fsdkaggle2018-baseline`, model table).

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.
        weight_std: Deviation of the normal distribution.

    Raises:
        InputError: `weight_std` is not positive.
    """

    def __init__(self, dim: int, n_classes: int, weight_std: float = 1e-3) -> None:
        super().__init__(dim, n_classes)
        if weight_std <= 0:
            raise InputError(f"weight_std must be positive, not {weight_std}", "NormalInitMaxPool.weight_std")
        nn.init.trunc_normal_(self.classifier.weight, std=weight_std, a=-2 * weight_std, b=2 * weight_std)
