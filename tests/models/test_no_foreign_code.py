"""A folder of an encoder may bring code along; it is never run, nor asked about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polytask.errors import InputError
from polytask.models.backbones.transformer import TransformerOptions


@pytest.mark.parametrize("pretrained", [True, False])
def test_code_in_a_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretrained: bool
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    classes = {"AutoConfig": "conf.Conf", "AutoModel": "conf.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": classes}))
    (tmp_path / "conf.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(InputError, match="no encoder"):
        TransformerOptions(path=str(tmp_path), pretrained=pretrained).build({"text": True})
    assert not (tmp_path / "ran").exists()
