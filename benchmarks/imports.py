"""What ``import polytask`` adds to ``import torch``: at most 0.3 s, and nothing optional."""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 7

OPTIONAL = ("tensorboard", "mlflow", "rdkit", "sklearn", "matplotlib", "transformers", "datasets")

MEASURE = """
import sys, time
import torch
start = time.perf_counter()
import polytask
print(time.perf_counter() - start)
print([name for name in {optional!r} if name in sys.modules])
"""

USED = """
import sys, time
import torch
start = time.perf_counter()
from polytask import load, train
print(time.perf_counter() - start)
print([name for name in {optional!r} if name in sys.modules])
"""


def measure(program: str) -> tuple[float, str]:
    """Seconds and the optional packages that were imported, in a new process."""
    text = program.format(optional=OPTIONAL)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    seconds, found = done.stdout.splitlines()
    return float(seconds), found


def main() -> None:
    for title, program in (("import polytask", MEASURE), ("its functions as well", USED)):
        found = [measure(program) for _ in range(ROUNDS)]
        median = statistics.median(seconds for seconds, _ in found)
        worst = max(seconds for seconds, _ in found)
        print(f"{title}: {median:.3f} s beyond torch (worst {worst:.3f}), optional: {found[0][1]}")
    median = statistics.median(measure(MEASURE)[0] for _ in range(ROUNDS))
    print(f"import polytask beyond import torch: {median:.3f} s (<= 0.3)")


if __name__ == "__main__":
    main()
