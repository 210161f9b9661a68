"""Classifiers with hidden layers: printed weight counts, where dropout is, means of probabilities."""

import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.heads.hidden import MLP, MeanSoftmax
from benchmark.training.counting import count_parameters


@pytest.mark.parametrize(("dim", "hidden", "count"), [(1536, [256, 256], 461_834), (128, [100], 13_910)])
def test_printed_parameters_of_the_label_classifiers(dim, hidden, count):
    assert count_parameters(MLP(dim, 10, hidden)) == count


@pytest.mark.parametrize("branches", [1, 2])
def test_parameters_of_the_hidden_layer_after_branches(branches):
    assert count_parameters(MeanSoftmax(256 * branches, 10)) == 256 * branches * 512 + 512 + 5130


def test_no_hidden_layer_is_a_linear_classifier():
    head, x = MLP(3, 2, []), torch.randn(4, 3)
    torch.testing.assert_close(head(x), x @ head.classifier.weight.T)


def test_every_hidden_layer_has_an_activation_and_dropout():
    layers = list(MLP(8, 2, [6, 5], dropout=0.25, activation="elu").hidden)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ELU, nn.Dropout] * 2
    assert {layer.p for layer in layers[2::3]} == {0.25}


def test_initial_weights():
    torch.manual_seed(0)
    glorot, torchs = MLP(200, 10, [300]), MLP(200, 10, [300], init="torch")
    for head, bound in ((glorot, (6 / 500) ** 0.5), (torchs, 200**-0.5)):
        assert 0.98 * bound < head.hidden[0].weight.abs().max() <= bound
    assert not glorot.hidden[0].bias.any()
    assert torchs.hidden[0].bias.any()


def test_a_clips_probability_is_the_mean_of_its_elements():
    torch.manual_seed(0)
    head = MeanSoftmax(5, 3, [4], dropout=0.5).eval()
    x = torch.randn(2, 7, 5)
    expected = head.classifier(head.hidden(x)).softmax(2)
    logits = head(x, torch.tensor([1.0, 3 / 7]))
    torch.testing.assert_close(logits.softmax(1)[0], expected[0].mean(0))
    torch.testing.assert_close(logits.softmax(1)[1], expected[1, :3].mean(0))
    torch.testing.assert_close(logits.exp(), logits.softmax(1))
    torch.testing.assert_close(head(x)[0], logits[0])


def test_certain_elements_give_finite_logits():
    head = MeanSoftmax(2, 2, [])
    head.classifier.weight.data = torch.tensor([[1e4, 0.0], [0.0, 1e4]])
    x = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    logits = head(x)
    torch.testing.assert_close(logits, torch.full((1, 2), 0.5).log())
    logits.sum().backward()
    assert x.grad.isfinite().all()


def test_wrong_shapes_and_settings_are_named():
    with pytest.raises(InputError, match=r"MLP got shape \(1, 2, 3\)"):
        MLP(3, 2)(torch.zeros(1, 2, 3))
    with pytest.raises(InputError, match=r"MeanSoftmax got shape \(2, 3\)"):
        MeanSoftmax(3, 2)(torch.zeros(2, 3))
    with pytest.raises(InputError, match="dropout must be"):
        MLP(3, 2, dropout=1.0)
    with pytest.raises(InputError, match="activation must be one of relu"):
        MLP(3, 2, activation="relly")
    with pytest.raises(InputError, match=r"hidden layers of \[4, 0\] units"):
        MLP(3, 2, [4, 0])
    with pytest.raises(InputError, match="init must be one of"):
        MLP(3, 2, init="zero")
