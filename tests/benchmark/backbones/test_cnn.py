"""CNN4 and CNN8: printed parameter counts and costs, shapes, initial weights."""

import pytest
import torch
from torch import nn

from benchmark.backbones import CNN4, CNN8
from benchmark.errors import InputError
from benchmark.heads import GlobalMaxPool
from benchmark.training.counting import count_flops, count_macs, count_parameters


@pytest.mark.parametrize(
    ("backbone", "classes", "expected"),
    [
        (CNN4, 10, 4_309_450),
        (CNN4, 41, 4_325_353),
        (CNN4, 9, 4_308_937),
        (CNN8, 10, 4_691_274),
        (CNN8, 41, 4_707_177),
        (CNN8, 9, 4_690_761),
    ],
)
def test_printed_parameters(backbone, classes, expected):
    assert count_parameters(nn.Sequential(backbone(), GlobalMaxPool(512, classes))) == expected


def test_downsampling_does_not_change_the_parameters():
    assert count_parameters(CNN4("pool")) == count_parameters(CNN4("stride"))


@pytest.mark.parametrize(
    ("backbone", "gigaflops", "digits"), [(CNN4(), 1.59, 2), (CNN4("pool"), 6.4, 1), (CNN8(), 8.33, 2)]
)
def test_printed_cost_of_ten_seconds(backbone, gigaflops, digits):
    features = torch.zeros(1, 1, 320, 64)
    flops = count_flops(backbone, features)
    assert round(flops / 1e9, digits) == gigaflops
    assert count_macs(backbone, features) * 2 == flops


@pytest.mark.parametrize("backbone", [CNN4(), CNN4("pool"), CNN8()])
@pytest.mark.parametrize("frames", [32, 48])
def test_a_sixteenth_of_time_and_frequency(backbone, frames):
    assert backbone(torch.zeros(2, 1, frames, 64)).shape == (2, 512, frames // 16, 4)
    assert backbone.input == "features"


def test_pooling_of_frequency_alone_keeps_the_frames():
    assert CNN8(in_channels=2, factors=(1, 2))(torch.zeros(1, 2, 5, 64)).shape == (1, 512, 5, 4)


@pytest.mark.parametrize("backbone", [CNN4, CNN8])
@pytest.mark.parametrize("factors", [(1, 2), (2, 1), (1, 1), (2, 2), [1, 2]])
def test_factors_say_by_how_much_time_and_frequency_shrink(backbone, factors):
    time, frequency = factors
    model = backbone(factors=factors).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 1, 16, 32)).shape == (1, 512, 16 // time**4, 32 // frequency**4)
    assert count_parameters(model) == count_parameters(backbone())


@pytest.mark.parametrize(
    ("model", "frames"), [(CNN4(factors=(1, 2)), 3), (CNN4("pool", factors=(1, 2)), 2), (CNN8(factors=(1, 2)), 2)]
)
def test_odd_sizes_round_as_documented(model, frames):
    """47 bins: strides give 24, 12, 6, 3; poolings 23, 11, 5, 2. Every frame stays."""
    with torch.no_grad():
        assert model.eval()(torch.zeros(1, 1, 7, 47)).shape == (1, 512, 7, frames)


def test_a_frame_rate_that_is_kept_has_no_shortest_clip():
    with torch.no_grad():
        assert CNN8(factors=(1, 2)).eval()(torch.zeros(1, 1, 1, 16)).shape == (1, 512, 1, 1)
    with pytest.raises(InputError, match="at least 16 bins"):
        CNN8(factors=(1, 2))(torch.zeros(1, 1, 100, 15))


@pytest.mark.parametrize("backbone", [CNN4, CNN8])
@pytest.mark.parametrize("factors", [(1,), (1, 2, 3), (0, 2), (2, -1)])
def test_impossible_factors_are_named(backbone, factors):
    with pytest.raises(InputError, match="factors must be two numbers") as caught:
        backbone(factors=factors)
    assert f"{backbone.__name__}.factors" in str(caught.value)


def test_weights_start_he_uniform_and_without_bias():
    torch.manual_seed(0)
    convolutions = [layer for layer in CNN8().modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 8
    for convolution in convolutions:
        bound = (6 / (9 * convolution.in_channels)) ** 0.5
        assert convolution.bias is None
        assert 0.98 * bound < convolution.weight.abs().max() <= bound
        assert convolution.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_too_short_and_wrong_settings_are_named():
    with pytest.raises(InputError, match="15 frames"):
        CNN8()(torch.zeros(1, 1, 15, 64))
    with pytest.raises(InputError, match="at least 16 bins"):
        CNN4("pool")(torch.zeros(1, 1, 16, 8))
    with pytest.raises(InputError, match="downsample"):
        CNN4("average")
    with pytest.raises(InputError, match="factors"):
        CNN8(factors=(0, 2))
