"""Files of weights that are there whole or not at all, also when the disk is full or the process is killed."""

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from benchmark.records import unwritable


def save(path: Path, content: Any) -> None:
    """Replace `path` by what `torch.save` makes of the content; what was there before stays until then.

    Raises:
        BenchmarkError: The file cannot be written (full disk, read-only folder).
    """
    whole, fresh = BytesIO(), path.with_suffix(".part")
    torch.save(content, whole)  # not into the file: where the disk is full, torch does not say so
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(whole.getbuffer())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise unwritable(path, error) from error


class WholeCheckpoints(TorchCheckpointIO):
    """Saves Lightning's checkpoints in this way; Lightning alone would fill the disk of temporary files first."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write one."""
        save(Path(path), checkpoint)
