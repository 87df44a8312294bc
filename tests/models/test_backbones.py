"""Backbones: shapes, blocks, one row apart from its batch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.encoders import KINDS, save_encoder
from torch import Tensor

from polytask.errors import InputError
from polytask.fields import Ragged
from polytask.models import BACKBONES, Backbone
from polytask.models.backbones.audio import mel_filters

IMAGE, SOUND = torch.rand(3, 1, 9, 7), torch.randn(3, 300)

BUILT: dict[str, tuple[Any, Mapping[str, Any], Mapping[str, Tensor]]] = {
    "linear": ("linear", {"numeric": 4, "categorical": []}, {"numeric": torch.randn(3, 4)}),
    "mlp": (
        {"type": "mlp", "hidden": [6, 5], "embedding": 2},
        {"numeric": 4, "categorical": [3, 2]},
        {"numeric": torch.randn(3, 4), "categorical": torch.tensor([[0, 1], [2, 0], [1, 1]])},
    ),
    "categories alone": (
        {"type": "mlp", "hidden": [6]},
        {"numeric": 0, "categorical": [3]},
        {"categorical": torch.tensor([[0], [2], [1]])},
    ),
    "resnet": ({"type": "resnet", "widths": [4, 6]}, {"image": (1, 9, 7)}, {"image": IMAGE}),
    "audio": (
        {"type": "audio", "widths": [4, 6], "mels": 8, "seconds": 0.04},
        {"waveform": 8000},
        {"waveform": SOUND, "waveform.length": torch.tensor([300, 20, 150])},
    ),
}


@pytest.fixture(params=[*BUILT, *KINDS])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Backbone, Mapping[str, Tensor]]:
    """A backbone with three rows for it."""
    if request.param in BUILT:
        spec, shapes, fields = BUILT[request.param]
        return BACKBONES.build(spec).build(shapes).eval(), fields
    save_encoder(request.param, tmp_path)
    spec = {"type": "transformer", "path": str(tmp_path), "pretrained": True}
    backbone = BACKBONES.build(spec).build({"text": True}).eval()
    assert backbone.text is not None
    encoded = backbone.text.texts(["a b c d", "b", "c a"])
    fields = {}
    for name, field in encoded.items():
        assert isinstance(field, Ragged)
        fields[name] = field.take(torch.arange(3))
        fields[f"{name}.length"] = field.lengths
    return backbone, fields


def test_features_have_the_width(made: tuple[Backbone, Mapping[str, Tensor]]) -> None:
    backbone, fields = made
    assert backbone(fields).example.shape == (3, backbone.width)


def test_a_row_does_not_depend_on_its_batch(made: tuple[Backbone, Mapping[str, Tensor]]) -> None:
    backbone, fields = made
    every = backbone(fields).example
    for row in range(3):
        one = backbone({name: field[row : row + 1] for name, field in fields.items()}).example
        torch.testing.assert_close(one[0], every[row], rtol=1e-4, atol=1e-5)


def test_blocks_hold_every_parameter_once(made: tuple[Backbone, Mapping[str, Tensor]]) -> None:
    backbone, _ = made
    inside = [id(p) for block in backbone.blocks() for p in block.parameters()]
    assert sorted(inside) == sorted(id(p) for p in backbone.parameters())


def test_every_parameter_gets_a_gradient(made: tuple[Backbone, Mapping[str, Tensor]]) -> None:
    backbone, fields = made
    if not list(backbone.parameters()):
        return
    features = backbone(fields).example
    (features * torch.randn_like(features)).sum().backward()
    assert [name for name, p in backbone.named_parameters() if p.grad is None] == []


def test_encoders_are_in_float32(tmp_path: Path) -> None:
    save_encoder("bert", tmp_path, dtype=torch.float16)
    for pretrained in (True, False):
        spec = {"type": "transformer", "path": str(tmp_path), "pretrained": pretrained}
        backbone = BACKBONES.build(spec).build({"text": True})
        assert {p.dtype for p in backbone.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_set(kind: str, tmp_path: Path) -> None:
    save_encoder(kind, tmp_path)
    spec = {"type": "transformer", "path": str(tmp_path), "dropout": 0.25}
    backbone = BACKBONES.build(spec).build({"text": True})
    rates = {m.p for m in backbone.modules() if isinstance(m, torch.nn.Dropout)}
    assert 0.25 in rates
    assert rates <= {0.25, 0.0}


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_input_can_be_read(kind: str, tmp_path: Path) -> None:
    save_encoder(kind, tmp_path)
    backbone = BACKBONES.build({"type": "transformer", "path": str(tmp_path)}).build({"text": 1})
    assert backbone.text is not None
    (field, *_) = backbone.text.texts(["a b " * 60]).values()
    assert isinstance(field, Ragged)
    fields = {"input_ids": field.take(torch.arange(1)), "input_ids.length": field.lengths}
    assert backbone(fields).example.isfinite().all()


def test_words_point_at_their_first_tokens(tmp_path: Path) -> None:
    save_encoder("bert", tmp_path)
    spec = {"type": "transformer", "path": str(tmp_path), "max_length": 5}
    backbone = BACKBONES.build(spec).build({"text": True})
    assert backbone.text is not None
    fields = backbone.text.words([["a", "bc", "d"], ["c"]])
    starts, tokens = fields["word_starts"], fields["input_ids"]
    assert isinstance(starts, Ragged)
    assert isinstance(tokens, Ragged)
    # [CLS] a b ##c [SEP]: the third word is cut away and points at token 0.
    assert [starts.row(row).tolist() for row in range(2)] == [[1, 2, 0], [1]]
    assert len(tokens.row(0)) == 5


@pytest.mark.parametrize(
    ("spec", "shapes", "named"),
    [
        ("mlp", {"image": (1, 8, 8)}, "use 'resnet'"),
        ("resnet", {"numeric": 3}, "reads 'image'"),
        ("audio", {"numeric": 3}, "reads 'waveform'"),
        ("transformer", {"numeric": 3}, "reads 'text'"),
        ({"type": "transformer", "path": "/nowhere"}, {"text": True}, "/nowhere"),
        ({"type": "mlp", "hidden": [0]}, {}, "mlp"),
        ({"type": "mlp", "dropout": 1.0}, {}, "dropout"),
        ({"type": "resnet", "widths": []}, {}, "resnet"),
        ({"type": "audio", "mels": 0}, {}, "audio"),
        ({"type": "transformer", "dropout": 2.0}, {}, "dropout"),
        ({"type": "transformer", "max_length": 0}, {}, "max_length"),
        ("python:a.b:C", {}, "--trust"),
    ],
)
def test_what_does_not_fit(spec: Any, shapes: Mapping[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        BACKBONES.build(spec).build(shapes)


def test_mel_filters_have_area_one() -> None:
    filters = mel_filters(8000, 512, 20)
    width = 8000 / 512
    torch.testing.assert_close(filters.sum(dim=1) * width, torch.ones(20), rtol=0.1, atol=0)
