import pytest
import torch

from benchmark.errors import InputError
from benchmark.training.schedules import HoldThenLinear


def optimizer():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.001, 0.01)]
    return torch.optim.SGD(groups)


def rates(optimizer, schedule, steps):
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_rate_is_held_and_falls_to_zero():
    """Card task2-cp-jku-self-verification: 500 epochs, from the 100th on; here an epoch is one step."""
    sgd = optimizer()
    found = rates(sgd, HoldThenLinear(sgd, hold_steps=100, total_steps=500), 510)
    assert found[:101] == [0.001] * 101
    assert found[300] == pytest.approx(0.0005)
    assert found[200] == pytest.approx(0.00075)
    assert found[499] == pytest.approx(0.001 / 400)
    assert found[500:] == [0] * 10


def test_every_group_keeps_its_own_rate():
    sgd = optimizer()
    schedule = HoldThenLinear(sgd, 0, 4)
    rates(sgd, schedule, 1)
    assert [group["lr"] for group in sgd.param_groups] == pytest.approx([0.00075, 0.0075])
    assert schedule.get_last_lr() == pytest.approx([0.00075, 0.0075])


def test_it_goes_on_from_a_saved_state():
    sgd = optimizer()
    whole = rates(sgd, HoldThenLinear(sgd, 3, 9), 10)
    sgd = optimizer()
    schedule = HoldThenLinear(sgd, 3, 9)
    begin = rates(sgd, schedule, 5)
    saved = (sgd.state_dict(), schedule.state_dict())
    other = optimizer()
    again = HoldThenLinear(other, 3, 9)
    other.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    assert begin + rates(other, again, 5) == pytest.approx(whole)


@pytest.mark.parametrize(("hold", "total"), [(-1, 3), (3, 3), (4, 3)])
def test_wrong_use_is_named(hold, total):
    with pytest.raises(InputError, match="hold_steps"):
        HoldThenLinear(optimizer(), hold, total)
