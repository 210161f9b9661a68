"""Shares of the peak, and settings that cannot run."""

import pytest
import torch

from perf import backbones
from perf.arithmetic import adam, inference, products_in, training
from perf.backbones import measure_backbone, square, tables
from perf.measuring import Options
from perf.recipes import used_backbones

PEAKS = {"product, float32": [2e11], "product, TF32": [8e11], "product, bf16": [16e11], "copy": [2e10]}


def found(rates, missing):
    one = {"name": "CNN4", "recipe": "asc/cnn4", "shape": [1, 320, 64], "batch": 4, "flops": 1e9, "learns": True}
    return {"peaks": PEAKS, "unused": ["Other"], "backbones": [one | {"rates": rates, "missing": missing}]}


def test_the_share_of_the_peak_is_that_of_the_precision_and_training_counts_three_times():
    rates = {
        "training: float32, channels first, eager": [20.0],
        "training: bf16, channels first, eager": [40.0, 80.0, 60.0],
        "inference: TF32, channels first, eager": [200.0],
    }
    device, best, every = tables(found(rates, {}))
    assert device.rows[3] == ["copy", "20.0", "GB/s"]
    assert best.rows[0][-3:] == ["bf16, channels first, eager", "60.0", "11%"]  # 60 * 3e9 / 16e11
    assert best.rows[1][-3:] == ["TF32, channels first, eager", "200", "25%"]
    assert every.rows[0][-3:] == ["20.0", "1.00", "30%"] and every.rows[1][-2] == "3.00"
    assert "No recipe uses Other." in best.note


def test_what_cannot_be_compiled_is_said_in_words(monkeypatch):
    def broken(network, dynamic):
        def call(x):
            raise RuntimeError("no working C++\n compiler")

        module = torch.nn.Module()
        module.forward = call
        return module

    monkeypatch.setattr(torch, "compile", broken)
    monkeypatch.setattr(backbones, "FLOPS_ON_CPU", 1)
    (used,) = [one for one in used_backbones()[0] if one.name == "Frames"]
    measured = measure_backbone(used, Options("cpu", quick=True, everything=True))
    assert set(measured["missing"].values()) == {"RuntimeError: no working C++ compiler"}
    assert len(measured["missing"]) == 4 and len(measured["rates"]) == 8
    rows = tables({"peaks": PEAKS, "unused": [], "backbones": [measured]})[-1].rows
    assert rows[0] == ["Frames", "float32, channels first, compiled", "RuntimeError: no working C++ compiler"]


def test_training_moves_the_weights_and_inference_does_not():
    torch.manual_seed(0)
    network, x = torch.nn.Linear(3, 2), torch.randn(4, 3)
    before = network.weight.clone()
    inference(network, x, "bf16")()
    assert torch.equal(network.weight, before) and not network.training
    training(network, adam(network), x, square, "float32", steps=2)()
    assert network.training and not torch.equal(network.weight, before)
    assert 1e-3 < (network.weight - before).abs().max() < 2.1e-3  # two steps of Adam at 1e-3


@pytest.mark.parametrize(("precision", "inside"), [("TF32", "tf32"), ("float32", "ieee"), ("bf16", "ieee")])
def test_precision_of_products_holds_inside_alone(precision, inside):
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [switch.fp32_precision for switch in switches]
    with products_in(precision):
        assert [switch.fp32_precision for switch in switches] == [inside] * 2
    assert [switch.fp32_precision for switch in switches] == before
