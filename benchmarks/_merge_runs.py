"""What merges are measured with: processes of their own, and the limit of reading and writing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from _merge_once import clocks, plan

__all__ = ["Took", "commands", "evict", "merge", "run", "sync", "touch", "transfer"]

BLOCK = 1 << 18
"""Bytes of one read or write of the limit."""

TOUCHED, PAGE = 1 << 28, 1 << 12
"""Bytes of memory that are written to at once, and of a page of it."""

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
} | {"HF_HUB_OFFLINE": "1"}
"""Of all processes: no hub, and bytecode is kept, as where tools are installed to be used."""


@dataclass(frozen=True)
class Took:
    """What one merge took: wall and processor seconds, and those of the imports before it.

    ``memory`` is anonymous memory beyond imports, in MB.
    """

    wall: float
    cpu: float
    memory: float = 0.0
    imports: tuple[float, float] = (0.0, 0.0)


def transfer(inputs: Sequence[Path], out: Path | None) -> Took:
    """Read all inputs, and write as much as one of them, with system calls alone."""
    files = [os.open(path / "model.safetensors", os.O_RDONLY) for path in inputs]
    size = os.fstat(files[0]).st_size
    written = None if out is None else os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    buffer = memoryview(bytearray(BLOCK))
    start = clocks()
    if written is not None:
        os.posix_fallocate(written, 0, size)
    for at in range(0, size, BLOCK):
        for file in files:
            os.preadv(file, [buffer], at)
        if written is not None:
            os.pwrite(written, buffer[: min(BLOCK, size - at)], at)
    end = clocks()
    for file in [*files, *([] if written is None else [written])]:
        os.close(file)
    return Took(end[0] - start[0], end[1] - start[1])


def merge(python: str, tool: str, method: str, inputs: Sequence[Path], out: Path) -> Took:
    """Merge in a new process, and watch its memory."""
    program = [python, str(Path(__file__).with_name("_merge_once.py")), tool, method, str(out)]
    process = subprocess.Popen(
        [*program, *map(str, inputs)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())["ready"]
    most = [ready]
    watcher = threading.Thread(target=watch, args=(process, most))
    watcher.start()
    printed, errors = process.communicate()
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{tool} {method}: {errors}")
    took = json.loads(printed.splitlines()[-1])
    shutil.rmtree(out)
    memory = (max(most) - ready) / 1e6
    return Took(
        took["wall"], took["cpu"], memory, (took["imports"]["wall"], took["imports"]["cpu"])
    )


def watch(process: subprocess.Popen[str], most: list[int]) -> None:
    """Note the anonymous memory of a process while it runs."""
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            return
        most += [int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")]
        time.sleep(0.02)


def commands(mergekit: str, method: str, inputs: Sequence[Path], folder: Path) -> list[list[str]]:
    """The command lines of polytask and of mergekit for the same merge."""
    written = folder / f"{method}.json"  # YAML reads JSON
    written.write_text(json.dumps(plan(method, list(map(str, inputs)))))
    binary = str(Path(mergekit).with_name("mergekit-yaml"))
    ours = [sys.executable, "-m", "polytask", "merge", str(written.rename(f"{written}.yaml"))]
    quiet = ["--no-copy-tokenizer", "--no-write-model-card", "--quiet"]
    return [[*ours, "--out", str(folder / "a")], [binary, ours[-1], str(folder / "b"), *quiet]]


def touch(share: float = 0.8) -> None:
    """Write to the memory that is free and give it back.

    A virtual machine is given memory when it first writes to it: the first of two same merges
    takes twice as long, and which one that is would be chance.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    blocks = [bytearray(TOUCHED) for _ in range(int(share * free) // TOUCHED)]
    for block in blocks:
        block[::PAGE] = b"\1" * (TOUCHED // PAGE)


def evict(inputs: Sequence[Path]) -> None:
    """Take the files of models out of the cache of the system."""
    for path in inputs:
        file = os.open(path / "model.safetensors", os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def sync(path: Path) -> float:
    """Seconds until a written file is on the disk."""
    start = time.perf_counter()
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.close(file)
    return time.perf_counter() - start


def run(command: Sequence[str], *, check: bool = True) -> Took:
    """Run a command to its end."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=check, capture_output=True, env=ENVIRONMENT)
    wall, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system
    return Took(wall, used - before.children_user - before.children_system)
