import math

import pytest
import torch

from benchmark.errors import InputError
from benchmark.losses import MaskedBCE

NAN = float("nan")


def entropy(logit, target):
    probability = 1 / (1 + math.exp(-logit))
    return -target * math.log(probability) - (1 - target) * math.log(1 - probability)


def test_without_masks_it_is_the_mean():
    logits, target = [[0.3, -2.0], [1.5, 0.0]], [[1, 0], [0.25, 1]]
    expected = [
        entropy(z, y) for row, labels in zip(logits, target, strict=True) for z, y in zip(row, labels, strict=True)
    ]
    assert MaskedBCE()(torch.tensor(logits), torch.tensor(target)).item() == pytest.approx(sum(expected) / 4, abs=1e-6)


def test_unknown_labels_do_not_count():
    logits = torch.tensor([[0.3, -2.0, 5.0]], requires_grad=True)
    loss = MaskedBCE()(logits, torch.tensor([[1.0, NAN, 0.0]]))
    assert loss.item() == pytest.approx((entropy(0.3, 1) + entropy(5.0, 0)) / 2, abs=1e-6)
    loss.backward()
    assert logits.grad[0, 1] == 0
    assert logits.grad.isfinite().all()
    assert MaskedBCE()(logits, torch.full((1, 3), NAN)).item() == 0


def test_complete_tags_do_not_count_where_the_incomplete_one_is_present():
    """Columns: coarse, complete, complete, incomplete, complete tag of a group without an incomplete one."""
    logits = [0.1, 0.2, 0.3, 0.4, 0.5]
    masked = MaskedBCE([[1, 2, 3]])
    present = masked(torch.tensor([logits]), torch.tensor([[1.0, 1, 0, 1, 0]])).item()
    assert present == pytest.approx((entropy(0.1, 1) + entropy(0.4, 1) + entropy(0.5, 0)) / 3, abs=1e-6)
    absent = masked(torch.tensor([logits]), torch.tensor([[1.0, 1, 0, 0, 0]])).item()
    assert absent == pytest.approx(sum(map(entropy, logits, [1, 1, 0, 0, 0])) / 5, abs=1e-6)
    unknown = masked(torch.tensor([logits]), torch.tensor([[1.0, 1, 0, NAN, 0]])).item()
    assert unknown == pytest.approx(
        sum(entropy(logits[i], y) for i, y in [(0, 1), (1, 1), (2, 0), (4, 0)]) / 4, abs=1e-6
    )


def test_shares_weigh():
    logits = [0.1, 0.2, 0.3, 0.4, 0.5]
    loss = MaskedBCE([[1, 2, 3]])(torch.tensor([logits]), torch.tensor([[1.0, 0.5, 0, 0.25, 0]])).item()
    terms = [entropy(0.1, 1), 0.75 * entropy(0.2, 0.5), 0.75 * entropy(0.3, 0), entropy(0.4, 0.25), entropy(0.5, 0)]
    assert loss == pytest.approx(sum(terms) / (3 + 2 * 0.75), abs=1e-6)


@pytest.mark.parametrize("groups", [[[3]], [[1, 2], [2, 3]], [[1, 1]], [[-1, 2]]])
def test_bad_groups(groups):
    with pytest.raises(InputError, match="no groups of tags"):
        MaskedBCE(groups)
