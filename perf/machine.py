"""What the figures were measured on."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import soundfile as sf
import torch

from benchmark.data.parallel import usable_cores
from benchmark.records import commit

PACKAGES = ("torch", "torchaudio", "pytorch-lightning", "nnAudio", "numpy", "soundfile", "soxr")
FAST_BF16 = ("amx_bf16", "avx512_bf16")  # instructions that multiply bfloat16


def machine(device: str) -> dict[str, str]:
    """Device, processor and versions, in words.

    Args:
        device: `cpu` or `cuda`.
    """
    gpu = {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda or ""} if device == "cuda" else {}
    return {
        **gpu,
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": str(usable_cores()),
        "threads of torch": str(torch.get_num_threads()),
        "bfloat16 instructions": " ".join(name for name in FAST_BF16 if name in _cpuinfo("flags").split()) or "none",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "libsndfile": sf.__libsndfile_version__,
        "commit": commit() or "unknown",
    }


def machine_name(found: dict[str, str]) -> str:
    """The name of the machine's report: `nvidia-h200`, `amd-epyc-2-cores`."""
    words = found.get("gpu") or f"{found['cpu']} {found['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm|c)\)", "", words.lower())).strip("-")


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
