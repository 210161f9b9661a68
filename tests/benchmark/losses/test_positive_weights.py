"""Binary cross-entropy with positive weights, by hand and against PyTorch's."""

import math

import pytest
import torch
from torch.nn import functional as F

from benchmark.errors import BenchmarkError, InputError
from benchmark.losses.positive_weights import PositiveWeightBCE

NAN = math.nan


def test_weights_are_roots_of_negatives_per_positive():
    """Engines of card `task-ust-cnn-vggish`: 548 of 2351 clips, a published weight of 3.29014598540146."""
    target = torch.zeros(2351, 2)
    target[:548, 0] = 1
    target[:106, 1] = 1
    loss = PositiveWeightBCE(exponent=1.0)
    loss.fit(target)
    assert loss.positive_weight.tolist() == pytest.approx([3.29014598540146, 21.17924528301887])
    smooth = PositiveWeightBCE(exponent=0.1)
    smooth.fit(target)
    assert smooth.positive_weight.tolist() == pytest.approx([3.29014598540146**0.1, 21.17924528301887**0.1])


def test_classes_with_one_kind_of_label_and_unknown_labels():
    target = torch.tensor([[0.0, 1.0, NAN, NAN], [0.0, 1.0, 1.0, NAN], [0.0, 1.0, 0.0, NAN], [0.0, 1.0, 0.0, NAN]])
    loss = PositiveWeightBCE(exponent=1.0)
    loss.fit(target)
    assert loss.positive_weight.tolist() == [1.0, 1.0, 2.0, 1.0]


def test_shares_of_annotators_count_as_parts_of_labels():
    loss = PositiveWeightBCE(exponent=1.0)
    loss.fit(torch.tensor([[0.5], [0.25], [0.0], [0.25]]))
    assert loss.positive_weight.tolist() == [3.0]


def test_loss_by_hand():
    """At logits of 0 each label costs ln 2, a positive one of a class with three negatives for it three times that."""
    loss = PositiveWeightBCE(exponent=1.0, ratios=[3.0, 1.0])
    target = torch.tensor([[1.0, 0.0], [0.0, NAN]])
    assert loss(torch.zeros(2, 2), target).item() == pytest.approx((3 + 1 + 1) * math.log(2) / 3, rel=1e-6)


def test_equals_torch_where_all_is_known():
    torch.manual_seed(0)
    logits, target = torch.randn(6, 3), torch.randint(2, (6, 3)).float()
    loss = PositiveWeightBCE(exponent=0.5, ratios=[4.0, 9.0, 16.0])
    expected = F.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor([2.0, 3.0, 4.0]))
    assert loss(logits, target).item() == pytest.approx(expected.item())


def test_exponent_0_is_the_plain_loss():
    logits, target = torch.randn(5, 2), torch.tensor([[1.0, 0.0]] * 4 + [[0.0, 1.0]])
    loss = PositiveWeightBCE(exponent=0.0)
    loss.fit(target)
    assert loss(logits, target).item() == pytest.approx(F.binary_cross_entropy_with_logits(logits, target).item())


def test_unknown_labels_have_no_gradient():
    logits = torch.zeros(1, 2, requires_grad=True)
    PositiveWeightBCE(ratios=[2.0, 2.0])(logits, torch.tensor([[NAN, 1.0]])).backward()
    assert logits.grad[0, 0] == 0
    assert logits.grad[0, 1] < 0
    assert PositiveWeightBCE(ratios=[2.0])(torch.zeros(1, 1), torch.tensor([[NAN]])) == 0


def test_given_ratios_stay_and_nothing_is_in_checkpoints():
    loss = PositiveWeightBCE(exponent=1.0, ratios=[5.0])
    loss.fit(torch.tensor([[1.0], [0.0]]))
    assert loss.positive_weight.tolist() == [5.0]
    assert not loss.state_dict()


def test_impossible_settings_are_named():
    with pytest.raises(InputError, match="exponent must not be negative"):
        PositiveWeightBCE(-0.1)
    with pytest.raises(InputError, match=r"ratio 0.0 is not positive"):
        PositiveWeightBCE(ratios=[1.0, 0.0])
    with pytest.raises(BenchmarkError, match="weights of 0 classes, but 2 logits"):
        PositiveWeightBCE()(torch.zeros(1, 2), torch.zeros(1, 2))
