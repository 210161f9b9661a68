"""One part of the report, in a process of its own.

    python -m perf.part NAME OPTIONS FILE

OPTIONS are those of `perf.measuring.Options` as JSON. Writes to FILE what the part found, and its peak memory.
"""

import importlib
import json
import sys
import time
from pathlib import Path

import torch

from perf.measuring import Options
from perf.memory import peak_memory


def main() -> None:
    """Measure and write."""
    name, options, path = sys.argv[1], Options(**json.loads(sys.argv[2])), Path(sys.argv[3])
    begin = time.monotonic()
    found = importlib.import_module(f"perf.{name}").run(options)
    left = {"found": found, "seconds": time.monotonic() - begin, "megabytes": peak_memory()}
    if options.device == "cuda":
        left["gpu megabytes"] = torch.cuda.max_memory_allocated() / 2**20
    path.write_text(json.dumps(left))


if __name__ == "__main__":
    main()
