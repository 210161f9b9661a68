"""Speed of every backbone, with the head of a recipe that uses it, and its share of what the device can do."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.training.counting import count_flops
from perf.arithmetic import adam, inference, peaks, precisions, training
from perf.measuring import Options, Rates, Table, measure, median, number, timed
from perf.recipes import Used, used_backbones

COMPILED_ON_CPU = ("CNN8",)  # to compile takes a CPU minutes
FLOPS_ON_CPU = 24e9  # of a batch, so that a step takes about half a second
LAYOUTS = ("channels first", "channels last")
EAGER, COMPILED = "eager", "compiled"


class Classifier(nn.Module):
    """Backbone and head: what a training step computes beside its features."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)`, by the head in float32."""
        output = self.backbone(x)
        with torch.autocast(x.device.type, enabled=False):
            logits: Tensor = self.head(output.float(), x.new_ones(len(x)))
        return logits


def in_layout(network: nn.Module, layout: str) -> nn.Module:
    """The network with its convolution weights in one of the layouts."""
    wanted = torch.channels_last if layout == LAYOUTS[1] else torch.contiguous_format
    return network.to(memory_format=wanted)  # type: ignore[call-overload, no-any-return]


def square(logits: Tensor) -> Tensor:
    """A loss that needs no labels and costs nothing."""
    return logits.square().mean()


def measure_backbone(used: Used, options: Options) -> dict[str, Any]:
    """Clips per second of one backbone, training and inference, in all settings."""
    device, cuda = options.torch_device, options.device == "cuda"
    torch.manual_seed(0)
    module = used.build()
    example = module.example_input()
    plain = in_layout(Classifier(module.backbone, module.head), LAYOUTS[0])
    flops = count_flops(plain, example)
    most = 2 if options.quick else module.recipe.data.batch_size
    # Batch normalisation of vectors needs two clips to learn.
    batch = most if cuda else max(2, min(most, round(FLOPS_ON_CPU / max(flops, 1))))
    x, steps = torch.randn(batch, *example.shape[1:], device=device), 10 if cuda else 1
    layouts = {LAYOUTS[0]: plain.to(device)}
    layouts[LAYOUTS[1]] = in_layout(deepcopy(plain), LAYOUTS[1])
    calls: dict[str, Callable[[], None]] = {}
    missing: dict[str, str] = {}
    for layout, network in layouts.items():
        optimizer = adam(network)  # one for all settings: its state is twice as large as the network
        for precision in precisions(options.device):
            for way, whole in _ways(network, used.name.split(" ")[0], layout, options).items():
                setting = f"{precision}, {layout}, {way}"
                try:
                    tried = {
                        f"training: {setting}": training(whole, optimizer, x, square, precision, steps),
                        f"inference: {setting}": inference(whole, x, precision, steps),
                    }
                    for call in tried.values():
                        call()
                except Exception as error:  # of whatever kind a compiler raises
                    missing[setting] = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
                else:
                    calls |= tried
    variants = {name: timed(call, device) for name, call in calls.items()}
    rates = measure(variants, batch * steps, 1 if options.quick else 3)
    found = {"name": used.name, "recipe": f"{used.task.name}/{used.system}", "shape": list(example.shape[1:])}
    learns = any(weight.requires_grad for weight in module.backbone.parameters())
    return found | {"batch": batch, "flops": flops, "learns": learns, "rates": rates, "missing": missing}


def _ways(network: nn.Module, name: str, layout: str, options: Options) -> dict[str, nn.Module]:
    """The network as it is and, where that is asked for, compiled."""
    wanted = options.device == "cuda" or name in COMPILED_ON_CPU
    if options.everything or (wanted and layout == LAYOUTS[1] and not options.quick):
        torch._dynamo.reset()
        compiled: nn.Module = torch.compile(network, dynamic=False)  # type: ignore[assignment]
        return {EAGER: network, COMPILED: compiled}
    return {EAGER: network}


def run(options: Options) -> dict[str, Any]:
    """Measure what the device can do, then all backbones; in a quick run the first two."""
    print("  the device's peaks", flush=True)
    found: dict[str, Any] = {"peaks": peaks(options), "backbones": []}
    chosen, found["unused"] = used_backbones()
    chosen = chosen[: 2 if options.quick else None]
    for place, used in enumerate(chosen, 1):
        print(f"  {place}/{len(chosen)} {used.name}", flush=True)
        found["backbones"].append(measure_backbone(used, options))
    return found


def tables(found: dict[str, Any]) -> list[Table]:
    """The peaks; the best setting of each backbone; and all settings."""
    most = found["peaks"]
    unit = {name: "GB/s" if name == "copy" else "GFLOP/s" for name in most}
    units = [[name, number(median(rates) / 1e9), unit[name]] for name, rates in most.items()]
    best, every, failed = [], [], []
    for one in found["backbones"]:
        for doing, times in (("training", 3 if one["learns"] else 1), ("inference", 1)):
            medians = {name: median(rates) for name, rates in one["rates"].items() if name.startswith(doing)}
            quickest = max(medians, key=medians.__getitem__)
            flops = times * one["flops"]
            share = _share(medians[quickest], quickest, flops, most)
            shape = " x ".join(map(str, one["shape"]))
            cells = [one["name"], one["recipe"], shape, str(one["batch"]), f"{one['flops'] / 1e9:.3g}", doing]
            best.append([*cells, quickest.partition(": ")[2], number(medians[quickest]), share])
            for name, rate in medians.items():
                to_first = rate / next(iter(medians.values()))
                cells = [one["name"], doing, name.partition(": ")[2], number(rate), f"{to_first:.2f}"]
                every.append([*cells, _share(rate, name, flops, most)])
        failed += [[one["name"], setting, reason] for setting, reason in one["missing"].items()]
    header = [
        "backbone",
        "recipe",
        "input",
        "batch",
        "GFLOP a clip",
        "",
        "quickest",
        "clips/s",
        "share of peak",
    ]
    note = (
        "Backbone and head. GFLOP a clip: forward. Training, forward, backward and Adam, counts three times as much, "
    )
    note += "of a frozen backbone once. The share is that of the matrix product in the same precision, measured in the "
    note += "same run; convolutions that need fewer products than they stand for go beyond it."
    if found["unused"]:
        note += f" No recipe uses {', '.join(found['unused'])}."
    made = [
        Table("what the device can do", ["", "measured", "unit"], units),
        Table("each backbone in its quickest setting", header, best, note),
        Table("each backbone in all settings", ["backbone", "", "setting", "clips/s", "to the first", "share"], every),
    ]
    return [*made, Table("settings that could not be run", ["backbone", "setting", "why"], failed)] if failed else made


def _share(rate: float, name: str, flops: float, most: Rates) -> str:
    precision = next(peak for peak in most if peak.removeprefix("product, ") in name)
    return f"{rate * flops / median(most[precision]):.0%}"
