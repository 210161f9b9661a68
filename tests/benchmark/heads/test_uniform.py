import pytest
import torch

from benchmark.errors import InputError
from benchmark.heads import UniformDense


def test_weights_start_within_a_twentieth_and_bias_at_zero():
    torch.manual_seed(0)
    layer = UniformDense(400, 10).classifier
    assert 0.049 < layer.weight.abs().max() <= 0.05
    assert layer.weight.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.05)
    assert not layer.bias.any()


def test_dropout_in_training_only():
    head, x = UniformDense(1000, 2, dropout=0.3), torch.ones(1, 1000)
    assert torch.equal(head.eval()(x), head.classifier(x))
    assert not torch.equal(head.train()(x), head.classifier(x))
    with pytest.raises(InputError, match="dropout"):
        UniformDense(4, 2, dropout=1.0)
