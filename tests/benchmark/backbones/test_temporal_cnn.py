import pytest
import torch
from torch.nn import functional as F

from benchmark.backbones import TemporalCNN
from benchmark.errors import InputError


def test_frames_of_the_source():
    """501 frames: a kernel of 5 leaves 497, pooling by 5 leaves 99, a kernel of 3 leaves 97."""
    assert TemporalCNN().eval()(torch.randn(2, 1, 501, 40)).shape == (2, 64, 97, 1)


def test_parameters_of_the_two_convolutions():
    """40 x 5 x 32 weights and 32 x 3 x 64, with biases, gains and offsets."""
    expected = (40 * 5 * 32 + 32) + 2 * 32 + (32 * 3 * 64 + 64) + 2 * 64
    assert sum(p.numel() for p in TemporalCNN().parameters()) == expected


def test_it_computes_what_the_source_describes():
    torch.manual_seed(0)
    network = TemporalCNN(n_mels=4, widths=(3, 2), kernels=(2, 2), pool=3).eval()
    first, second = (layer for layer in network.layers if isinstance(layer, torch.nn.Conv2d))
    x = torch.randn(1, 1, 11, 4)
    bands = torch.einsum("tkm,okm->ot", x[0, 0].unfold(0, 2, 1).transpose(1, 2), first.weight[:, 0])
    hidden = F.relu((bands + first.bias[:, None]) / (1 + 1e-3) ** 0.5)
    pooled = torch.stack([hidden[:, i : i + 3].amax(1) for i in (0, 3, 6)], dim=1)
    output = torch.stack([(second.weight[..., 0] * pooled[:, i : i + 2]).sum((1, 2)) + second.bias for i in (0, 1)], 1)
    assert torch.allclose(network(x)[0, :, :, 0], F.relu(output / (1 + 1e-3) ** 0.5), atol=1e-5)


def test_kernels_start_after_he():
    first = TemporalCNN(widths=(2000, 1)).layers[0]
    # The deviation of a normal distribution cut at two deviations is 0.8796 of the whole one's.
    assert first.weight.std().item() == pytest.approx(0.8796 * (2 / 200) ** 0.5, rel=0.01)
    assert not first.bias.any()


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 4, 501, 40), "every channel a window"), ((1, 1, 501, 64), "n_mels"), ((1, 1, 18, 40), "at least 19 frames")],
)
def test_wrong_features(shape, message):
    with pytest.raises(InputError, match=message):
        TemporalCNN()(torch.zeros(shape))


def test_the_fewest_frames():
    assert TemporalCNN().eval()(torch.zeros(1, 1, 19, 40)).shape == (1, 64, 1, 1)


@pytest.mark.parametrize("settings", [{"n_mels": 0}, {"widths": (0, 1)}, {"kernels": (5, 0)}, {"pool": 0}])
def test_wrong_numbers(settings):
    with pytest.raises(InputError, match="must be positive"):
        TemporalCNN(**settings)


def test_wrong_dropout():
    with pytest.raises(InputError, match="dropout"):
        TemporalCNN(dropout=1)
