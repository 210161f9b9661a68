"""A network and a command for tests of one training on several processes."""

import torch
from torch import nn

from benchmark.cli import main
from benchmark.data.datamodule import ClipDataModule


class Net(nn.Module):
    """A layer a frame: no statistics of a batch, no dropout."""

    input = "features"

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(64, 16)

    def forward(self, x):
        return self.layer(x.mean(1)).tanh()


def run(words, clips):
    """Train and score, of the test part so many clips alone; the exit code."""
    split = ClipDataModule.split
    if clips:
        ClipDataModule.split = lambda self, examples: (split(self, examples)[0], split(self, examples)[1][:clips])
    try:
        return main(["run", "--model", "several_processes.Net", *words])
    finally:
        ClipDataModule.split = split
