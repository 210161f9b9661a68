"""The base module: statistics, precision, checkpoints, what a backbone may be."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers import mini_data

from benchmark.errors import InputError
from benchmark.recipe import load_recipe
from benchmark.registry import get_task

BAD = get_task("bad")


def build(system="cnn4", *overrides, model=None):
    pl.seed_everything(0, verbose=False)
    recipe = load_recipe(BAD, system, mini=True, model=model, overrides=overrides).build()
    data = mini_data(BAD, recipe.data, "leave-one-dataset-out", "warblrb10k")
    return BAD.load("module")(recipe, BAD.classes), data


def fit(module, data, steps=1, precision="32-true"):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(max_steps=steps, accelerator="cpu", precision=precision, **quiet)
    trainer.fit(module, datamodule=data)
    return trainer


def test_standardisation_is_fitted_on_the_valid_frames_of_the_training_windows_only():
    module, data = build("cnn4", "--data.batch_size", "4")
    fit(module, data)
    data.setup()
    frames = []
    for batch in data.in_order(data.train):
        waveform = batch["waveform"].float() * batch["gain"][:, None, None]
        features, lengths = module.frontend(waveform, batch["length"])
        frames += [features[i, 0, :length].numpy() for i, length in enumerate(lengths)]
    assert len(frames) == len(data.train)
    assert {data.examples[clip].group for clip in data.train.clip} == {"ff1010bird", "BirdVox-DCASE-20k"}
    np.testing.assert_allclose(module.transforms[0].mean.numpy(), np.concatenate(frames).mean(0), rtol=1e-4)
    np.testing.assert_allclose(module.transforms[0].std.numpy(), np.concatenate(frames).std(0), rtol=1e-4)


def test_features_and_loss_stay_in_float32_under_bfloat16(monkeypatch):
    module, data = build("cnn4", "--data.batch_size", "4")
    seen = []
    compute_loss = module.compute_loss

    def watched(*args):
        outputs, loss = args[0], compute_loss(*args)
        seen.append((outputs.clips.dtype, loss.dtype))
        return loss

    monkeypatch.setattr(module, "compute_loss", watched)
    module.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    fit(module, data, precision="bf16-mixed")
    assert seen == [torch.float32, (torch.float32, torch.float32)]


def test_a_checkpoint_holds_no_kernels(tmp_path):
    module, data = build("cnn4", "--data.batch_size", "4", "--frontend.init_args.engine", "nnaudio")
    trainer = fit(module, data)
    trainer.save_checkpoint(tmp_path / "x.ckpt", weights_only=True)
    state = torch.load(tmp_path / "x.ckpt", weights_only=True)["state_dict"]
    assert not [name for name in state if name.startswith("frontend")]
    trainable = sum(p.numel() for p in module.parameters())
    # 4 bytes a weight; running statistics, counters and the archive's own structure are small beside it.
    assert (tmp_path / "x.ckpt").stat().st_size < 4 * trainable * 1.02


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class M(torch.nn.Module):\n    pass\n", "does not say what it wants"),
        (
            "class M(torch.nn.Module):\n    input = 'features'\n    def forward(self, x):\n        return x.sum()\n",
            "gave shape",
        ),
        (
            "class M(torch.nn.Module):\n    input = 'features'\n    def forward(self, x):\n        return [x]\n",
            "gave list",
        ),
    ],
)
def test_a_backbone_that_breaks_the_contract_is_explained(tmp_path, monkeypatch, source, message):
    name = f"broken_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text("import torch\n" + source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=message):
        build(model=f"{name}.M")


@pytest.mark.parametrize("output", ["(batch, dim)", "(batch, time, dim)"])
def test_a_users_network_may_give_a_vector_or_a_sequence(tmp_path, monkeypatch, output):
    name = "sequence_net" if "time" in output else "vector_net"
    body = "x[:, 0, :, :7]" if "time" in output else "x[:, 0, :, :7].mean(1)"
    head = "import torch\nclass M(torch.nn.Module):\n    input = 'features'\n    def forward(self, x):\n"
    (tmp_path / f"{name}.py").write_text(f"{head}        return {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    module, _ = build(model=f"{name}.M")
    assert module.count()[0] == 7 + 1
