"""Schedules that follow validation scores, by hand and against PyTorch's."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.training.restarts import PlateauRestarts, ReduceOnPlateau


def optimizer_at(*rates):
    return torch.optim.Adam([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates])


def rate_of(optimizer):
    return optimizer.param_groups[0]["lr"]


def rates_over(schedule, optimizer, values):
    rates = []
    for value in values:
        schedule.validated(value)
        rates.append(rate_of(optimizer))
    return rates


@pytest.mark.parametrize(("factor", "patience"), [(0.1, 5), (0.2, 6)])
def test_reduce_is_that_of_torch(factor, patience):
    torch.manual_seed(0)
    losses = (torch.rand(200) + torch.linspace(1, 0.5, 200)).tolist()
    mine, theirs = optimizer_at(0.01), optimizer_at(0.01)
    schedule = ReduceOnPlateau(mine, factor=factor, patience=patience)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, factor=factor, patience=patience, threshold=0.0, eps=0.0
    )
    for loss in losses:
        schedule.validated(loss)
        reference.step(loss)
        assert rate_of(mine) == pytest.approx(rate_of(theirs))
    assert rate_of(mine) < 1e-4


def test_optimiser_steps_change_nothing():
    optimizer = optimizer_at(0.01)
    schedule = ReduceOnPlateau(optimizer, patience=0)
    schedule.validated(1.0)
    schedule.validated(1.0)
    for _ in range(5):
        optimizer.step()
        schedule.step()
    assert rate_of(optimizer) == pytest.approx(0.001)
    assert schedule.get_last_lr() == [pytest.approx(0.001)]


def test_a_plateau_lasts_longer_than_the_patience():
    optimizer = optimizer_at(1.0)
    schedule = ReduceOnPlateau(optimizer, "coarse/micro_auprc", "max", factor=0.5, patience=2)
    assert rates_over(schedule, optimizer, [0.5, 0.4, 0.5, 0.3]) == [1.0, 1.0, 1.0, 0.5]
    assert rates_over(schedule, optimizer, [0.4, 0.6, 0.6, 0.6, 0.6]) == [0.5, 0.5, 0.5, 0.5, 0.25]
    assert rates_over(schedule, optimizer, [float("nan")] * 3) == [0.25, 0.25, 0.125]


def test_restarts_begin_again_and_lower_less():
    """0.001 in tenths to 1e-6, then again in fifths, whose last step stops at 1e-6, then with factor 0.3."""
    optimizer = optimizer_at(1e-3)
    schedule = PlateauRestarts(optimizer, "coarse/micro_auprc", "max", patience=0)
    rates = rates_over(schedule, optimizer, [0.5] + [0.1] * 12)
    tenths, fifths = [1e-3, 1e-4, 1e-5, 1e-6], [1e-3, 2e-4, 4e-5, 8e-6, 1.6e-6, 1e-6]
    assert rates == pytest.approx([*tenths, *fifths, 1e-3, 3e-4, 9e-5])
    assert schedule.restarts == 2
    assert schedule.best == 0.5


def test_the_factor_has_a_limit():
    optimizer = optimizer_at(1e-3)
    schedule = PlateauRestarts(optimizer, patience=0, factor=0.5, factor_step=0.3, max_factor=0.9, min_lr=5e-4)
    for _ in range(30):
        schedule.validated(1.0)
    assert schedule.restarts > 2
    assert schedule.factor == 0.9


def test_the_optimiser_forgets_with_every_change():
    optimizer = optimizer_at(1e-3)
    schedule = PlateauRestarts(optimizer, patience=1)
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    schedule.validated(1.0)
    schedule.validated(1.0)
    assert optimizer.state
    schedule.validated(1.0)
    assert not optimizer.state
    optimizer.step()


def test_every_group_keeps_its_share():
    optimizer = optimizer_at(1e-2, 1e-3)
    schedule = ReduceOnPlateau(optimizer, factor=0.5, patience=0, min_lr=4e-4)
    for _ in range(3):
        schedule.validated(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([2.5e-3, 4e-4])


@pytest.mark.parametrize("kind", [ReduceOnPlateau, PlateauRestarts])
def test_a_resumed_schedule_goes_on(kind, tmp_path):
    """As an undisturbed one, whenever it is stopped."""
    values = [0.5, 0.4, 0.6, *[0.2] * 40]
    whole = optimizer_at(1e-3)
    expected = rates_over(kind(whole, "score", "max", patience=2), whole, values)
    for stop in range(len(values)):
        optimizer = optimizer_at(1e-3)
        schedule = kind(optimizer, "score", "max", patience=2)
        rates = rates_over(schedule, optimizer, values[:stop])
        torch.save([optimizer.state_dict(), schedule.state_dict()], tmp_path / "saved")
        states = torch.load(tmp_path / "saved", weights_only=True)
        optimizer = optimizer_at(1e-3)
        schedule = kind(optimizer, "score", "max", patience=2)
        optimizer.load_state_dict(states[0])
        schedule.load_state_dict(states[1])
        assert rates + rates_over(schedule, optimizer, values[stop:]) == expected


@pytest.mark.parametrize(
    ("kind", "settings", "where"),
    [
        (ReduceOnPlateau, {"factor": 1.0}, "ReduceOnPlateau.factor"),
        (ReduceOnPlateau, {"patience": -1}, "patience of -1"),
        (ReduceOnPlateau, {"mode": "max"}, "ReduceOnPlateau.mode"),
        (PlateauRestarts, {"min_lr": 0.0}, "PlateauRestarts.min_lr"),
        (PlateauRestarts, {"factor": 0.95}, "PlateauRestarts.factor_step"),
    ],
)
def test_impossible_settings_are_named(kind, settings, where):
    with pytest.raises(InputError, match=where):
        kind(optimizer_at(1e-3), **settings)
