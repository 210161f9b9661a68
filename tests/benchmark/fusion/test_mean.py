import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.fusion.mean import Mean

TABLES = np.array([[[0.9, 0.1], [0.5, 0.5]], [[0.4, 0.6], [0.5, 0.5]]])


def test_arithmetic_and_geometric_mean():
    np.testing.assert_allclose(Mean()(TABLES), [[0.65, 0.35], [0.5, 0.5]])
    np.testing.assert_allclose(Mean("geometric")(TABLES), [[0.6, 0.06**0.5], [0.5, 0.5]], atol=1e-7)


def test_a_zero_of_one_member_is_no_veto_for_the_order_of_classes():
    fused = Mean("geometric")(np.array([[[0.0, 0.0, 1.0]], [[0.6, 0.3, 0.1]]]))
    assert fused.argsort(axis=1).tolist() == [[1, 0, 2]]


def test_nothing_is_learnt_and_one_member_stays_as_it_is():
    for kind in ("arithmetic", "geometric"):
        fusion = Mean(kind)
        fusion.fit(TABLES, np.eye(2), np.ones(2))
        np.testing.assert_allclose(fusion(TABLES[:1]), TABLES[0], atol=1e-7)


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="kind must be"):
        Mean("harmonic")
