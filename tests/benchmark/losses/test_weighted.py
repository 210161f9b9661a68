import math

import pytest
import torch

from benchmark.losses.weighted import WeightedCrossEntropy


def entropy(logits, target):
    """Cross-entropy of one example by its definition."""
    total = sum(math.exp(z) for z in logits)
    return -sum(y * math.log(math.exp(z) / total) for z, y in zip(logits, target, strict=True))


LOGITS, TARGET = [[0.3, -2.0, 1.0], [1.5, 0.0, 0.5]], [[1.0, 0.0, 0.0], [0.25, 0.0, 0.75]]


def test_each_example_counts_with_its_weight():
    """Equation 1 of card task2-noisy-labels-iqbal: the weight times the loss, and the mean over examples."""
    losses = [entropy(z, y) for z, y in zip(LOGITS, TARGET, strict=True)]
    loss = WeightedCrossEntropy()(torch.tensor(LOGITS), torch.tensor(TARGET), torch.tensor([0.7, 1.0]))
    assert loss.item() == pytest.approx((0.7 * losses[0] + losses[1]) / 2, abs=1e-6)


def test_a_batch_of_doubtful_labels_moves_the_network_less():
    logits = torch.tensor(LOGITS, requires_grad=True)
    loss = WeightedCrossEntropy()
    (full,) = torch.autograd.grad(loss(logits, torch.tensor(TARGET), torch.ones(2)), logits)
    (less,) = torch.autograd.grad(loss(logits, torch.tensor(TARGET), torch.full((2,), 0.9)), logits)
    torch.testing.assert_close(less, 0.9 * full)


def test_weights_of_one_give_the_plain_cross_entropy():
    loss = WeightedCrossEntropy()
    assert loss.weighted is True
    plain = torch.nn.CrossEntropyLoss()(torch.tensor(LOGITS), torch.tensor(TARGET))
    torch.testing.assert_close(loss(torch.tensor(LOGITS), torch.tensor(TARGET), torch.ones(2)), plain)
