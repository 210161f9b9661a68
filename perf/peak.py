"""Run a module as Python does, then print the most MB that it took, as JSON, on a line of its own.

python -m perf.peak MODULE [WORDS]
"""

import json
import runpy
import sys
from contextlib import suppress

from perf.memory import peak_memory


def main() -> None:
    """Run and print."""
    del sys.argv[0]
    with suppress(SystemExit):
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    print(f"\n{json.dumps(peak_memory())}")


if __name__ == "__main__":
    main()
