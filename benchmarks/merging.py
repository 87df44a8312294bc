"""Merging checkpoints on disk: against the speed of the disk, and against mergekit.

    python benchmarks/merging.py [--mergekit PYTHON] [--millions 271] [--rounds 3]

PYTHON is an interpreter that has mergekit, whose dependencies are not ours; without it ours alone
is measured. Every merge runs in a process of its own; rounds are interleaved, and medians count.
Imports, for ours with the compiled code if numba is installed, are measured by themselves; commands
are measured with theirs.

The limit is the time that one thread takes to read all inputs from a warm cache and to write the
result, whatever the method. A case is met if wall time says so, or processor time divided by the
number of processors (of ours) against that of the limit: others may use the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from _checkpoints import make_checkpoints
from _merge_runs import Took, commands, evict, merge, run, sync, touch, transfer

PROCESSORS = len(os.sched_getaffinity(0))
MODELS = 4
MEMORY = 256
"""MB of anonymous memory beyond imports that a merge may take."""

COLD = 1.5
"""Times the disk's own time that a merge may take from a cold cache."""

START_UP = 0.3
"""Seconds over ``import torch`` that the command may take before it works."""


@dataclass(frozen=True)
class Case:
    """What a method has to reach.

    Args:
        method: its name.
        most: times the limit.
        least: times faster than mergekit.
        passes: over the inputs.
    """

    method: str
    most: float
    least: float
    passes: int = 1

    def inputs(self, base: Path, models: Sequence[Path]) -> list[Path]:
        """What is read."""
        return {"slerp": [base, models[0]], "linear": [*models]}.get(self.method, [base, *models])


CASES = (
    Case("linear", 2, 2.5),
    Case("task_arithmetic", 2, 2.5),
    Case("slerp", 2, 2.5, passes=2),
    Case("dare_linear", 3, 6),
    Case("dare_ties", 3, 6),
    Case("ties", 6, 6, passes=2),
    Case("breadcrumbs", 6, 6, passes=2),
)

COMMANDS = {"linear": 2.5, "ties": 15.0}
"""Times faster than the command line of mergekit."""


class Benchmark:
    """Checkpoints, and everything that is measured on them."""

    def __init__(self, folder: Path, mergekit: str | None, rounds: int, millions: int) -> None:
        self.folder, self.mergekit, self.rounds = folder, mergekit, rounds
        touch()
        self.base, self.models = make_checkpoints(folder, millions, MODELS)
        self.took: dict[tuple[str, str], list[Took]] = defaultdict(list)
        evict([self.base, *self.models])
        transfer([self.base, *self.models], None)  # what was read is cached in larger pieces

    def warm(self, cases: Sequence[Case]) -> None:
        """Merge in processes of their own, from a warm cache."""
        for _ in range(self.rounds):
            for case in cases:
                inputs = case.inputs(self.base, self.models)
                self._note(case, "limit", self.limit(inputs))
                self._note(case, "ours", self._merge(sys.executable, "polytask", case, inputs))
                if self.mergekit is not None:
                    self._note(case, "theirs", self._merge(self.mergekit, "mergekit", case, inputs))

    def table(self, cases: Sequence[Case]) -> None:
        """Print what was measured."""
        print(
            "method            limit    ours wall/cpu  memory  times the limit    mergekit wall/cpu"
            "  memory  times faster"
        )
        for case in cases:
            limit = self._limit_of(len(case.inputs(self.base, self.models)))
            ours, theirs = (self._median(case, who) for who in ("ours", "theirs"))
            wall, cpu = ours.wall / limit.wall, ours.cpu / PROCESSORS / limit.cpu
            line = (
                f"{case.method:16s} {limit.wall:5.2f} s  {ours.wall:6.2f} {ours.cpu:6.2f} s "
                f"{ours.memory:4.0f} MB  {wall:5.2f} {cpu:5.2f} {met(min(wall, cpu) <= case.most)}"
            )
            line += f" (<= {case.most:g})  "
            if self.mergekit is not None:
                wall, cpu = theirs.wall / ours.wall, theirs.cpu / ours.cpu
                line += (
                    f"{theirs.wall:7.2f} {theirs.cpu:7.2f} s {theirs.memory:5.0f} MB  "
                    f"{wall:5.1f} {cpu:5.1f} {met(max(wall, cpu) >= case.least)} "
                    f"(>= {case.least:g})"
                )
            print(line + ("" if ours.memory <= MEMORY else f"  memory not met (<= {MEMORY} MB)"))
        self._imports(cases)

    def limit(self, inputs: Sequence[Path]) -> Took:
        """Read and write with system calls alone."""
        out = self.folder / "copy"
        took = transfer(inputs, out)
        out.unlink()
        return took

    def durable(self) -> None:
        """What it costs to have the result on the disk, not in the cache: ours has that in it."""
        out = self.folder / "copy"
        transfer([self.base], out)
        print(f"fsync of a result, part of ours, not of the limit or mergekit: {sync(out):.2f} s")
        out.unlink()

    def cold(self, cases: Sequence[Case]) -> None:
        """Merge with nothing in the cache."""
        for case in cases:
            inputs = case.inputs(self.base, self.models)
            evict(inputs)
            disk = transfer(inputs, None).wall * case.passes
            evict(inputs)
            ours = self._merge(sys.executable, "polytask", case, inputs).wall
            print(
                f"cold cache, {case.method}: {ours:.2f} s, {ours / disk:.2f} times reading "
                f"{case.passes} x {met(ours <= COLD * disk)} (<= {COLD})"
            )

    def command_lines(self) -> None:
        """One command against the other, imports included; and how long ours takes to start."""
        for method, least in COMMANDS.items() if self.mergekit is not None else ():
            case = next(case for case in CASES if case.method == method)
            pair = commands(self.mergekit, method, case.inputs(self.base, self.models), self.folder)
            for one in pair:
                self._run(one)  # not counted: writes the bytecode of what is imported
            ours, theirs = (median([self._run(one) for _ in range(self.rounds)]) for one in pair)
            wall, cpu = theirs.wall / ours.wall, theirs.cpu / ours.cpu
            print(
                f"command line, {method}: {ours.wall:.2f} s against {theirs.wall:.2f} s, "
                f"{wall:.1f} times faster ({cpu:.1f} in processor time) "
                f"{met(max(wall, cpu) >= least)} (>= {least:g})"
            )
        torch = [sys.executable, "-c", "import torch"]
        ours = [
            sys.executable,
            "-m",
            "polytask",
            "merge",
            "linear",
            "/absent",
            "--out",
            "/absent/o",
        ]
        pairs = [(run(ours, check=False), run(torch)) for _ in range(2 * self.rounds + 1)]
        wall, cpu = (
            statistics.median(getattr(a, name) - getattr(b, name) for a, b in pairs)
            for name in ("wall", "cpu")
        )
        print(
            f"start-up over import torch: {wall:.2f} s ({cpu:.2f} s of processor time) "
            f"{met(min(wall, cpu) <= START_UP)} (<= {START_UP})"
        )

    def _merge(self, python: str, tool: str, case: Case, inputs: Sequence[Path]) -> Took:
        return merge(python, tool, case.method, inputs, self.folder / "out")

    def _run(self, command: Sequence[str]) -> Took:
        took = run(command)
        for out in ("a", "b"):
            shutil.rmtree(self.folder / out, ignore_errors=True)
        return took

    def _note(self, case: Case, who: str, took: Took) -> None:
        self.took[case.method, who].append(took)
        print(f"{case.method}, {who}: {took}", file=sys.stderr, flush=True)

    def _limit_of(self, inputs: int) -> Took:
        """The median over all cases that read as much: it does not depend on the method."""
        same = [c for c in CASES if len(c.inputs(self.base, self.models)) == inputs]
        return median([took for case in same for took in self.took[case.method, "limit"]])

    def _median(self, case: Case, who: str) -> Took:
        return median(self.took[case.method, who])

    def _imports(self, cases: Sequence[Case]) -> None:
        for who in ("ours", "theirs"):
            took = [one.imports for case in cases for one in self.took[case.method, who]]
            if took:
                wall, cpu = (statistics.median(values) for values in zip(*took, strict=True))
                print(f"imports before that, {who}: {wall:.2f} s ({cpu:.2f} s of processor time)")


def median(took: Sequence[Took]) -> Took:
    """The median of each number."""

    def of(get: Callable[[Took], float]) -> float:
        return statistics.median(map(get, took)) if took else 0.0

    return Took(of(lambda one: one.wall), of(lambda one: one.cpu), of(lambda one: one.memory))


def met(is_met: bool) -> str:
    return "met" if is_met else "NOT met"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mergekit", help="an interpreter that has mergekit")
    parser.add_argument("--millions", type=int, default=271, help="parameters of a model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=[case.method for case in CASES])
    parser.add_argument("--folder", help="where the checkpoints go for the time being")
    options = parser.parse_args()
    cases = [case for case in CASES if case.method in options.methods]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        benchmark = Benchmark(Path(folder), options.mergekit, options.rounds, options.millions)
        benchmark.warm(cases)
        benchmark.table(cases)
        benchmark.durable()
        benchmark.cold([case for case in cases if case.method in ("linear", "ties")])
        benchmark.command_lines()


if __name__ == "__main__":
    main()
