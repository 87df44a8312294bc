"""Evidence on disk: the same after reading, whole or not there, and never read once altered."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.runs import sentences, tagging, three_runs, three_tasks, write_run

from polytask.errors import InputError, RunError
from polytask.evaluation import compare_folder, compare_runs, load_evidence, save_evidence
from polytask.files import MANIFEST, whole_folder
from polytask.tasks.metrics import Evidence

LEVELS = {"left": 0.75, "right": 0.86, "total": 0.5}


def truncate(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


BREAKS: dict[str, Callable[[Path], None]] = {
    "truncated": truncate,
    "altered": alter,
    "empty": lambda file: file.write_bytes(b""),
    "absent": lambda file: file.unlink(),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = [three_runs(LEVELS, noise=noise, seeds=(0, 1)) for noise in (1, 2)]
    return write_run(tmp_path_factory.mktemp("runs") / "first", three_tasks(), *runs)


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "run")


def same(one: Evidence, other: Evidence) -> bool:
    parts = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(
        len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in parts
    )


def test_rows_and_words_are_read_as_they_were(tmp_path: Path) -> None:
    found = {**three_runs(LEVELS)[0], "pos": sentences([3, 1, 5], 0.9, np.random.default_rng(0))}
    save_evidence(found, tmp_path / "test")
    again = load_evidence(tmp_path / "test")
    assert again.keys() == found.keys()
    assert all(same(again[name], found[name]) for name in found)
    assert [len(row) for row in again["pos"].mask] == [3, 1, 5]


@pytest.mark.parametrize("file", ["left.npz", MANIFEST])
@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("place", ["multi", "single/left"])
def test_a_broken_file_is_named(kind: str, file: str, place: str, run: Path) -> None:
    BREAKS[kind](run / place / "seed-1" / "test" / file)
    with pytest.raises(InputError, match=f"{place}/seed-1/test"):
        compare_folder(run, three_tasks())


def test_the_evidence_of_another_task_is_not_taken_for_it(run: Path) -> None:
    folder = run / "multi/seed-1/test"
    shutil.copy(folder / "right.npz", folder / "left.npz")
    with pytest.raises(InputError, match=r"left\.npz: truncated or altered"):
        compare_folder(run, three_tasks())


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("multi/seed-1/test", r"multi/seed-1/test: no manifest\.json"),
        ("single/total/seed-0/test", r"single/total/seed-0/test: no manifest\.json"),
        ("multi/seed-1/run.json", r"multi/seed-1: holds no run\.json: the run is not finished"),
        ("single/right", r"single/right: is absent: the run is not finished"),
        ("single/right/seed-1", r"'right' was evaluated with seeds \[0\], not with \[1\]"),
        ("multi", "no evaluated model"),
    ],
)
def test_what_is_absent_is_named(gone: str, expected: str, run: Path) -> None:
    path = run / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=expected):
        compare_folder(run, three_tasks())


def test_a_comparison_of_runs_reads_multi_task_models_alone(run: Path, written: Path) -> None:
    alter(run / "single/left/seed-0/test/left.npz")
    assert list(compare_runs([written, run], three_tasks(), resamples=50).others) == ["run"]
    alter(run / "multi/seed-0/test/left.npz")
    with pytest.raises(InputError, match=r"run/multi/seed-0/test/left\.npz: truncated or altered"):
        compare_runs([written, run], three_tasks())


@pytest.mark.parametrize("content", [b"hello", b"", None])
def test_a_file_that_is_no_evidence_is_named(content: bytes | None, tmp_path: Path) -> None:
    """The checksums are right: somebody wrote them for another file."""
    with whole_folder(tmp_path / "test") as partial:
        if content is None:
            np.savez(partial / "left.npz", ids=np.arange(3))
        else:
            (partial / "left.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"left\.npz: cannot be read as evidence"):
        load_evidence(tmp_path / "test")


def test_a_full_disk_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    write = np.savez_compressed

    def full(file: Path, **arrays: object) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(file)
        write(file, **arrays)  # type: ignore[arg-type]

    before = three_runs(LEVELS, noise=1)[0]
    save_evidence(before, tmp_path / "test")
    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(RunError, match=r"test: No space left"):
        save_evidence(three_runs(LEVELS, noise=2)[0], tmp_path / "test")
    assert [path.name for path in tmp_path.iterdir()] == ["test"]
    assert same(load_evidence(tmp_path / "test")["left"], before["left"])


def test_models_with_other_outputs_are_not_compared(tmp_path: Path) -> None:
    """One model knows a class more; the classes of the test examples are the same."""
    rng = np.random.default_rng(0)
    found = {"pos": sentences([4] * 20, 0.9, rng)}
    wider = Evidence(
        found["pos"].ids,
        [np.pad(row, ((0, 0), (0, 1))) for row in found["pos"].scores],
        found["pos"].targets,
        found["pos"].mask,
    )
    runs = [
        write_run(tmp_path / name, tagging(), {0: {"pos": rows}}, None)
        for name, rows in (("one", found["pos"]), ("other", wider))
    ]
    with pytest.raises(InputError, match="'pos': the models have different outputs"):
        compare_runs(runs, tagging())
