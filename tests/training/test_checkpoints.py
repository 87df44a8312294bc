"""Broken checkpoints, full disks, losses that are no numbers: the last good one stays."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.training.made import Case, Crash, Recorder, assert_equal, weights

from polytask.errors import InputError, RunError
from polytask.files import MANIFEST
from polytask.training import checkpoint as checkpoint_module
from polytask.training.checkpoint import Checkpoint, Checkpoints
from polytask.training.weights import read_tensors, write_tensors

CASE = Case(options={"checkpoint_every": 2, "log_every": 1, "keep": 3})


def truncate(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


BREAKS: dict[str, Callable[[Path], None]] = {
    "truncated": truncate,
    "altered": alter,
    "empty": lambda file: file.write_bytes(b""),
    "absent": lambda file: file.unlink(),
}

FILES = ("model.safetensors", "optimizer.safetensors", "best.safetensors", "state.json", MANIFEST)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that crashed behind its checkpoints at steps 4, 6 and 8."""
    with pytest.raises(Crash):
        CASE.trainer(tmp_path, observers=[Recorder(fail_after=9)]).fit()
    assert Checkpoints(tmp_path / "checkpoints", keep=3).steps() == [4, 6, 8]
    return tmp_path


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", BREAKS)
def test_the_checkpoint_before_a_broken_one_is_used(
    stopped: Path, kind: str, file: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    BREAKS[kind](stopped / "checkpoints" / "step-00000008" / file)
    trainer = CASE.trainer(stopped)
    with caplog.at_level(logging.WARNING):
        assert trainer.resume()
    assert trainer.state.step == 6
    assert "step-00000008" in caplog.text
    trainer.fit()
    assert_equal(weights(trainer.model), CASE.trained(tmp_path / "whole"))


def test_when_all_are_broken_the_newest_is_named(stopped: Path) -> None:
    for step in (4, 6, 8):
        truncate(stopped / "checkpoints" / f"step-{step:08d}" / "model.safetensors")
    with pytest.raises(InputError, match=r"step-00000008/model\.safetensors: truncated"):
        CASE.trainer(stopped).resume()


def test_a_file_that_was_added_is_refused(stopped: Path) -> None:
    folder = stopped / "checkpoints" / "step-00000008"
    (folder / "more.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="not listed"):
        Checkpoints(stopped / "checkpoints", keep=3).load(8)


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"model.safetensors": 3}'])
def test_a_manifest_that_is_none_is_refused(stopped: Path, text: str) -> None:
    (stopped / "checkpoints" / "step-00000008" / MANIFEST).write_text(text)
    with pytest.raises(InputError, match="step-00000008"):
        Checkpoints(stopped / "checkpoints", keep=3).load(8)


def test_a_folder_that_was_half_written_is_no_checkpoint(stopped: Path) -> None:
    (stopped / "checkpoints" / ".step-00000010.partial").mkdir()
    (stopped / "checkpoints" / "step-of-somebody").mkdir()
    trainer = CASE.trainer(stopped)
    trainer.resume()
    assert trainer.fit().finished


def test_checkpoints_of_later_steps_go_when_a_run_goes_back(stopped: Path) -> None:
    truncate(stopped / "checkpoints" / "step-00000008" / "model.safetensors")
    checkpoints = Checkpoints(stopped / "checkpoints", keep=3)
    checkpoints.save(Checkpoint(7, {}, {}))
    assert checkpoints.steps() == [4, 6, 7]


@pytest.mark.parametrize("broken", ["write_tensors", "replace"])
def test_a_full_disk_leaves_the_last_checkpoint(
    stopped: Path, broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*args: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    trainer = CASE.trainer(stopped)
    trainer.resume()
    with monkeypatch.context() as patch:
        if broken == "replace":
            patch.setattr(Path, "replace", full)
        else:
            patch.setattr(checkpoint_module, "write_tensors", full)
        with pytest.raises(RunError, match="No space left on device"):
            trainer.save() if broken == "write_tensors" else trainer.fit()
    assert Checkpoints(stopped / "checkpoints", keep=3).steps() == [4, 6, 8]
    again = CASE.trainer(stopped)
    assert again.resume()
    again.fit()
    assert_equal(weights(again.model), CASE.trained(tmp_path / "whole"))


def test_a_full_disk_while_the_log_is_written(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = CASE.trainer(stopped)
    trainer.resume()
    opened = Path.open

    def full(self: Path, mode: str = "r", **keywords: object) -> object:
        if mode == "a":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, mode, **keywords)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RunError, match=r"metrics\.jsonl: No space left"):
        trainer.fit()


class Breaker(Recorder):
    """Puts a NaN into a head after some steps, as an update that went wrong would."""

    def __init__(self, model: torch.nn.Module, name: str, at: int) -> None:
        super().__init__()
        self.parameter, self.at = dict(model.named_parameters())[name], at

    def step(self, step: int, total: int, losses: object) -> None:
        if step == self.at:
            with torch.no_grad():
                self.parameter.fill_(float("nan"))


@pytest.mark.parametrize("at", [5, 6])
def test_a_loss_that_is_no_number_names_task_and_step(tmp_path: Path, at: int) -> None:
    trainer = CASE.trainer(tmp_path)
    trainer.observers = [Breaker(trainer.model, "heads.a_value_head.bias", at)]
    named = "'a_value' is nan at step 6" if at == 5 else "a_value_head.bias is NaN"
    with pytest.raises(RunError, match=named):
        trainer.fit()
    again = CASE.trainer(tmp_path)
    assert again.resume()
    assert again.state.step == 4
    again.fit()
    assert_equal(weights(again.model), CASE.trained(tmp_path / "whole"))


def test_the_state_holds_plain_json_only(stopped: Path) -> None:
    text = (stopped / "checkpoints" / "step-00000008" / "state.json").read_text()
    assert json.loads(text)["run"]["step"] == 8


def test_tied_weights_are_written_and_read(tmp_path: Path) -> None:
    tied = torch.arange(6.0)
    write_tensors({"a": tied, "b": tied, "c": tied[:3]}, tmp_path / "x.safetensors")
    found = read_tensors(tmp_path / "x.safetensors")
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["c"], tied[:3])


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_text("hello")
    with pytest.raises(InputError, match=r"x\.safetensors"):
        read_tensors(tmp_path / "x.safetensors")
