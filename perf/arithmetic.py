"""Precisions, a network in each of them, and what the device can do at most."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from perf.measuring import Options, Rates, measure, timed

FLOAT32, TF32, BF16 = "float32", "TF32", "bf16"


def precisions(device: str) -> list[str]:
    """What a device can compute in; only CUDA has TF32."""
    return [FLOAT32, TF32, BF16] if device == "cuda" else [FLOAT32, BF16]


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Matrix products and convolutions of float32 numbers in TF32, or exactly."""
    backends: Any = torch.backends  # its switches are made at run time, where type checkers do not see them
    switches = (backends.cuda.matmul, backends.cudnn.conv)
    saved = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "tf32" if precision == TF32 else "ieee"
    try:
        yield
    finally:
        for switch, before in zip(switches, saved, strict=True):
            switch.fp32_precision = before


def cast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Autocast to bfloat16, where that is the precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == BF16)


def adam(network: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of all that learns."""
    return torch.optim.Adam([one for one in network.parameters() if one.requires_grad])


def training(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    loss: Callable[[Any], Tensor],
    precision: str,
    steps: int = 1,
) -> Callable[[], None]:
    """So many steps: forward, backward, update."""

    def train() -> None:
        network.train()
        for _ in range(steps):
            optimizer.zero_grad()
            with products_in(precision):
                with cast(x.device, precision):
                    output = network(x)
                loss(output).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    return train


def inference(network: nn.Module, x: Tensor, precision: str, steps: int = 1) -> Callable[[], None]:
    """So many forward passes."""

    def infer() -> None:
        network.eval()
        with torch.no_grad(), products_in(precision), cast(x.device, precision):
            for _ in range(steps):
                network(x)

    return infer


def peaks(options: Options) -> Rates:
    """FLOP/s of a matrix product in each precision, and bytes/s of a copy, which reads and writes."""
    device, cuda = options.torch_device, options.device == "cuda"
    size = 256 if options.quick else 8192 if cuda else 2048
    found: Rates = {}
    for precision in precisions(options.device):
        kind = torch.bfloat16 if precision == BF16 else torch.float32
        one = torch.randn(size, size, device=device, dtype=kind)

        def multiply(one: Tensor = one, precision: str = precision) -> None:
            with products_in(precision):
                one @ one

        found |= measure({f"product, {precision}": timed(multiply, device)}, 2 * size**3, options.repeats)
    source = torch.randn((2**20 if options.quick else 2**26), device=device)
    target = torch.empty_like(source)
    return found | measure({"copy": timed(lambda: target.copy_(source), device)}, 2 * source.nbytes, options.repeats)
