"""Mixup against its formula, with shares that the targets give away."""

import pytest
import torch

from benchmark.augmentations.mixup import Mixup
from benchmark.errors import InputError
from benchmark.losses.weighted import WeightedCrossEntropy

COUNT = 6


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def batch(shape=(2, 7, 3)):
    """Random x, lengths, and targets that name each example, with its weight as a last column."""
    weight = torch.linspace(0.7, 1.0, COUNT)[:, None]
    return torch.randn(COUNT, *shape), torch.arange(1, COUNT + 1), torch.cat([torch.eye(COUNT), weight], dim=1)


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("partner", ["permuted", "reversed"])
@pytest.mark.parametrize(("domain", "shape"), [("features", (2, 7, 3)), ("waveform", (1, 40))])
def test_what_comes_out_is_what_the_mixed_targets_say(per, partner, domain, shape):
    x, lengths, target = batch(shape)
    augmentation = Mixup(0.5, per, partner, domain)
    assert augmentation.domain == domain
    mixed, longer, soft = augmentation(x, lengths, target)
    shares = soft[:, :COUNT]
    torch.testing.assert_close(shares.sum(1), torch.ones(COUNT))
    torch.testing.assert_close(mixed, torch.einsum("ij,j...->i...", shares, x), rtol=0, atol=1e-5)
    torch.testing.assert_close(soft[:, COUNT], shares @ target[:, COUNT])
    for row, length in zip(shares, longer, strict=True):
        assert length == lengths[row > 0].max()
    if partner == "reversed":
        assert all(set(row.nonzero().flatten().tolist()) <= {i, COUNT - 1 - i} for i, row in enumerate(shares))


def test_one_share_for_the_batch_or_one_for_each_example():
    x, lengths, target = batch()
    for per, distinct in (("batch", 1), ("example", COUNT)):
        _, _, soft = Mixup(1.0, per, "reversed")(x, lengths, target)
        own = soft[:, :COUNT].diagonal()
        assert len({round(value, 5) for value in own.tolist()}) == distinct


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_shares_have_the_moments_of_the_beta_distribution(alpha):
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)); uniform at alpha = 1."""
    n = 20_000
    target = torch.cat([torch.ones(n // 2, 1), torch.zeros(n // 2, 1)])
    _, _, soft = Mixup(alpha, "example", "reversed")(torch.zeros(n, 1, 1), torch.ones(n), target)
    shares = soft[: n // 2, 0]
    assert shares.mean().item() == pytest.approx(0.5, abs=0.01)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_permuted_partners_are_any_of_the_batch():
    x, lengths, target = batch()
    seen = set()
    for _ in range(300):
        _, _, soft = Mixup()(x, lengths, target)
        seen |= {(int(i), int(j)) for i, j in soft[:, :COUNT].nonzero()}
    assert seen == {(i, j) for i in range(COUNT) for j in range(COUNT)}


def test_a_weighted_loss_mixes_labels_and_weights():
    """w (share CE_1 + (1 - share) CE_2) with w = share w_1 + (1 - share) w_2."""
    logits = torch.randn(2, 3)
    target = torch.tensor([[1.0, 0, 0, 0.7], [0, 1, 0, 1.0]])
    _, _, soft = Mixup(partner="reversed")(torch.zeros(2, 1, 1), torch.ones(2), target)
    share = soft[0, 0]
    loss = WeightedCrossEntropy()(logits, soft[:, :3], soft[:, 3])
    entropies = -logits.log_softmax(1)
    first = (share * 0.7 + (1 - share)) * (share * entropies[0, 0] + (1 - share) * entropies[0, 1])
    second = (share + (1 - share) * 0.7) * (share * entropies[1, 1] + (1 - share) * entropies[1, 0])
    torch.testing.assert_close(loss, (first + second) / 2)


def test_repeatable_and_only_in_training():
    x, lengths, target = batch()
    augmentation = Mixup(0.3, "example")
    torch.manual_seed(1)
    first = augmentation(x, lengths, target)
    torch.manual_seed(1)
    assert all(torch.equal(a, b) for a, b in zip(first, augmentation(x, lengths, target), strict=True))
    assert augmentation.eval()(x, lengths, target)[0] is x


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="alpha must be positive"):
        Mixup(0)
    for name in ("per", "partner", "domain"):
        with pytest.raises(InputError, match=f"{name} must be"):
            Mixup(**{name: "other"})
