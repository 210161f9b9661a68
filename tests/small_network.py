"""A network of a few weights for tests of training."""

from torch import nn


class ConvNet(nn.Module):
    """What large networks have: convolutions and batch normalisation."""

    input = "features"

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential()
        for inputs, outputs in ((1, 8), (8, 16)):
            self.layers.extend([nn.Conv2d(inputs, outputs, 3, stride=2), nn.BatchNorm2d(outputs), nn.ReLU()])

    def forward(self, x):
        return self.layers(x)
