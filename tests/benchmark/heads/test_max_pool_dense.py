import pytest
import torch

from benchmark.errors import InputError
from benchmark.heads import MaxPoolDense


def test_parameters_of_the_source():
    """64 to 64 to 9: 4160 and 585."""
    assert sum(p.numel() for p in MaxPoolDense(64, 9).parameters()) == 64 * 64 + 64 + 64 * 9 + 9


def test_it_computes_what_the_source_describes():
    torch.manual_seed(0)
    head = MaxPoolDense(5, 3, hidden=4).eval()
    x = torch.randn(2, 5, 7, 1)
    layer = head.hidden[1]
    hidden = torch.relu(x.amax((2, 3)) @ layer.weight.T + layer.bias)
    assert torch.allclose(head(x), hidden @ head.classifier.weight.T + head.classifier.bias, atol=1e-6)


def test_padding_is_not_heard():
    head = MaxPoolDense(5, 3).eval()
    x = torch.randn(1, 5, 10, 1)
    x[:, :, 4:] = 100.0
    assert torch.allclose(head(x, torch.tensor([0.4])), head(x[:, :, :4]), atol=1e-6)


def test_activations_are_dropped_in_training_alone():
    torch.manual_seed(0)
    head, x = MaxPoolDense(50, 3, dropout=0.5), torch.rand(1, 50, 4, 1)
    assert not torch.equal(head(x), head(x))
    assert torch.equal(head.eval()(x), head(x))


def test_weights_start_small():
    head = MaxPoolDense(64, 9)
    for layer in (head.hidden[1], head.classifier):
        assert 0.045 < layer.weight.abs().max() <= 0.05
        assert not layer.bias.any()


@pytest.mark.parametrize("settings", [{"hidden": 0}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_wrong_settings(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        MaxPoolDense(4, 2, **settings)
