"""The CRNN against the table of its card."""

import pytest
import torch

from benchmark.backbones import CRNN
from benchmark.errors import InputError
from benchmark.heads import MeanProbability
from benchmark.training.counting import count_parameters


def test_parameters_of_the_card():
    """126,090 with the dense layer: PyTorch's second GRU bias makes up for the running statistics of the card."""
    network = torch.nn.Sequential(CRNN(), MeanProbability(128, 10))
    assert count_parameters(network) == 126_090
    assert [count_parameters(layer) for layer in network[0].blocks] == [640 + 128, 36_928 + 128, 36_928 + 128]
    assert count_parameters(network[0].recurrent) == 49_536 + 2 * 3 * 64
    assert count_parameters(network[1]) == 1_290


def test_every_frame_is_kept():
    assert CRNN()(torch.zeros(2, 1, 500, 64)).shape == (2, 500, 128)
    assert CRNN(n_mels=40, channels=(8, 16), pools=(2, 5), hidden=3)(torch.zeros(1, 1, 7, 40)).shape == (1, 7, 6)


def test_normalisation_has_the_constants_of_the_framework_of_the_source():
    torch.manual_seed(0)
    network = CRNN()
    convolution, norm = network.blocks[0][:2]
    x = torch.randn(4, 1, 20, 64)
    network(x)
    torch.testing.assert_close(norm.running_mean, 0.01 * convolution(x).mean((0, 2, 3)))
    norm.running_mean.zero_()
    norm.running_var.fill_(0.003)
    ones = torch.ones(1, 64, 1, 1)
    torch.testing.assert_close(norm.eval()(ones), ones * 0.004**-0.5)
    assert CRNN(momentum=0.1).blocks[2][1].momentum == 0.1


def test_weights_of_the_three_gates_start_as_one_matrix():
    """The kernels of the source's framework are (64, 192), with bounds and orthogonal rows of that shape."""
    torch.manual_seed(0)
    gru = CRNN().recurrent
    for direction in ("l0", "l0_reverse"):
        recurrent = getattr(gru, f"weight_hh_{direction}")
        torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(64), rtol=0, atol=1e-5)
        bound = (6 / (64 + 192)) ** 0.5
        assert 0.95 * bound < getattr(gru, f"weight_ih_{direction}").abs().max() <= bound


def test_it_hears_both_directions():
    torch.manual_seed(0)
    network = CRNN().eval()
    x = torch.randn(1, 1, 60, 64)
    changed = x.clone()
    changed[:, :, 30] += 5
    difference = (network(x) - network(changed)).abs().amax(0)
    assert difference[10, 64:].max() > 0  # backward half: an earlier frame knows of frame 30
    assert difference[10, :64].max() == 0
    assert difference[50, :64].max() > 0
    assert difference[50, 64:].max() == 0


def test_the_input_dropout_of_the_gru_is_one_mask_for_all_frames():
    torch.manual_seed(0)
    seen = []
    network = CRNN()
    network.recurrent.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.blocks = torch.nn.Sequential()
    network(torch.ones(2, 1, 9, 64))
    (dropped,) = seen
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert 0 < (dropped == 0).float().mean() < 1


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="2 channels but 3 pools"):
        CRNN(channels=(64, 64))
    with pytest.raises(InputError, match="16 bins are too few"):
        CRNN(n_mels=16)
    with pytest.raises(InputError, match="dropout"):
        CRNN(dropout=1.0)
    with pytest.raises(InputError, match="40 bins, not 64"):
        CRNN()(torch.zeros(1, 1, 5, 40))
