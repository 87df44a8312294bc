"""Models with other tokens: rows of embeddings are matched, never mixed up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.merging.test_invariants import same

from polytask.errors import InputError
from polytask.merging import TaskVector, merge
from polytask.merging.engine import group

Tensors = dict[str, torch.Tensor]


def save(
    folder: Path, tokens: str, rows: list[float], *, bias: bool = False, **config: Any
) -> Tensors:
    """A model whose embedding of a token is a number, three times."""
    model = {
        "embed_tokens.weight": torch.tensor(rows)[:, None].repeat(1, 3),
        "position_embeddings.weight": torch.ones(4, 2),
        "layer.weight": torch.full((2, 2), rows[0]),
    }
    if bias:
        model["lm_head.bias"] = torch.tensor(rows)
    folder.mkdir()
    save_file(model, folder / "model.safetensors")
    words = {token: index for index, token in enumerate(tokens)}
    (folder / "tokenizer.json").write_text(
        json.dumps({"model": {"type": "WordLevel", "vocab": words}})
    )
    (folder / "config.json").write_text(json.dumps({"vocab_size": len(rows), **config}))
    return model


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base has a row more than tokens; model b has other tokens in another order."""
    monkeypatch.chdir(tmp_path)
    save(Path("base"), "xyz", [1.0, 2.0, 3.0, 4.0], bias=True)
    save(Path("a"), "xyz", [1.5, 2.5, 3.5, 4.5], bias=True)
    save(Path("b"), "qzx", [9.0, 30.0, 10.0], bias=True)


def rows(folder: str) -> tuple[list[float], list[float]]:
    found = load_file(f"{folder}/model.safetensors")
    table = found["embed_tokens.weight"]
    assert torch.equal(table, table[:, :1].expand(-1, 3))
    return table[:, 0].tolist(), found["lm_head.bias"].tolist()


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("chunk", [2, 1 << 17])
def test_rows_are_matched_by_token(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "CHUNK", chunk)
    monkeypatch.setattr(group, "PIECE", chunk)
    report = merge("task_arithmetic", base="base", models=["a", "b"], out="out", tokenizer="base")
    # x: 1 + 0.5 + 9; y is not known to b; z: 3 + 0.5 + 27; a row without a token.
    assert rows("out") == ([10.5, 2.5, 30.5, 4.5],) * 2
    assert Path("out/tokenizer.json").read_bytes() == Path("base/tokenizer.json").read_bytes()
    assert report.notes == [
        "b: rows of embed_tokens.weight, lm_head.bias are matched by token; "
        "1 tokens that it lacks stay as they are, 1 of its own are left out",
        "config.json of b differs at vocab_size; that of base is kept",
    ]
    hashes = {entry["path"]: entry["content"] for entry in report.inputs}
    alone = merge("average", models=["b"], out="alone")
    assert hashes["b"] == alone.inputs[0]["content"]


@pytest.mark.usefixtures("folders")
def test_the_first_model_counts_where_there_is_no_base() -> None:
    merge("average", models=["b", "a"], out="out", tokenizer="base")
    assert rows("out") == ([9.0, (30 + 3.5) / 2, (10 + 1.5) / 2],) * 2
    vector = TaskVector.from_models("b", "a")  # of tokens that b has
    vector.apply("base", out="moved", tokenizer="base")
    # x: 1 + (1.5 - 10), y: 2 + (2.5 - 2), z: 3 + (3.5 - 30), a row without a token: 4 + (4.5 - 4).
    assert rows("moved") == ([-7.5, 2.5, -23.5, 4.5],) * 2


@pytest.mark.usefixtures("folders")
def test_other_tokens_are_refused_unless_they_may_be_matched() -> None:
    with pytest.raises(InputError, match=r"b: its tokenizer is not that of base: 4 tokens differ"):
        merge("average", models=["base", "b"], out="out")
    save(Path("c"), "zyx", [1.0, 2.0, 3.0, 4.0], bias=True, vocab_size=5)
    with pytest.raises(InputError, match=r"c: its tokens are not those of base, and no tensor has"):
        merge("average", models=["base", "c"], out="out", tokenizer="base")
    Path("b/tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"'embed_tokens.weight' differs in shape.*if both models"):
        merge("average", models=["base", "b"], out="out", tokenizer="base")


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ("pqr", [1.5, 2.5, 3.5, 4.5]),
        ("pqrx", [1.5, 2.5, 3.5, 4.5]),
        ("rzpx", [1.5, 2.5, 16.5, 4.5]),
    ],
)
def test_tokens_without_a_row_are_those_that_a_model_lacks(
    tokens: str, expected: list[float]
) -> None:
    save(Path("c"), tokens, [7.0, 16.0, 9.0], bias=True)  # a fourth token has no row
    merge("task_arithmetic", base="base", models=["a", "c"], out="out", tokenizer="base")
    assert rows("out") == (expected,) * 2


@pytest.mark.usefixtures("folders")
def test_padded_rows_of_the_same_tokens_are_left_out() -> None:
    save(Path("padded"), "xyz", [5.0, 6.0, 7.0, 0.0, 0.0, 0.0], bias=True)
    report = merge("average", models=["base", "padded"], out="out", tokenizer="base")
    assert rows("out")[0] == [3.0, 4.0, 5.0, 4.0]
    assert any("rows of embed_tokens.weight" in note for note in report.warnings)


@pytest.mark.usefixtures("folders")
def test_the_same_tokens_change_nothing() -> None:
    for choice in ("same", "base"):
        merge("average", models=["base", "a"], out=f"out-{choice}", tokenizer=choice)
    one, other = (load_file(f"out-{choice}/model.safetensors") for choice in ("same", "base"))
    assert same(one, other)


@pytest.mark.usefixtures("folders")
def test_what_may_have_tokens_and_is_not_matched_is_named() -> None:
    for name, rows in (("base", [1.0, 2.0, 3.0, 4.0]), ("b", [9.0, 30.0, 10.0, 0.0])):
        shutil.rmtree(name)
        model = save(Path(name), "xyzw" if name == "base" else "wzyx", rows)
        more = {"answer.bias": torch.ones(4), "norm.weight": torch.ones(4)}
        save_file(model | more, f"{name}/model.safetensors")
    for choice in ("base", "union"):
        report = merge("average", models=["base", "b"], out=f"out-{choice}", tokenizer=choice)
        [note] = [note for note in report.notes if note.startswith("b: rows")]
        assert note.endswith("; as long as the vocabulary, but not matched: answer.bias")


def test_rows_without_a_tokenizer_file_are_not_matched_blindly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, tokens in (("base", "xyz"), ("a", "yxz"), ("b", "xyz")):
        save(Path(name), tokens, [1.0, 2.0, 3.0])
        Path(name, "vocab.txt").write_text("\n".join(tokens))
        if name != "base":
            Path(name, "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"a: its tokenizer is not .*by token if both have a tok"):
        merge("average", models=["base", "a"], out="out")
    with pytest.raises(InputError, match=r"a: has no tokenizer\.json: rows of its embeddings"):
        merge("average", models=["base", "a"], out="out", tokenizer="base")
    merge("average", models=["base", "b"], out="same", tokenizer="base")  # of the same vocab.txt
    Path("b/vocab.txt").rename("b/vocab.json")
    with pytest.raises(InputError, match=r"b: has no tokenizer\.json"):
        merge("average", models=["base", "b"], out="out", tokenizer="base")
    report = merge("average", models=["base", "b"], out="out")
    assert "b: its tokens are in another file than those of base: they were not compared" in (
        report.warnings
    )


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"vocab": {"x": "0"}}, "token 'x' has the number '0'"),
        ({"vocab": {"x": -1}}, "token 'x' has the number -1"),
        ({"vocab": {"x": True}}, "token 'x' has the number True"),
        ({"type": "WordLevel", "vocab": ["x", "y"]}, "a list of tokens"),
        ({"type": "Unigram", "vocab": [[3, 0.5]]}, "token 3 has the number 0"),
    ],
)
@pytest.mark.parametrize("choice", ["same", "base", "union"])
def test_broken_tokenizers(model: dict[str, Any], message: str, choice: str) -> None:
    Path("b/tokenizer.json").write_text(json.dumps({"model": model}))
    with pytest.raises(InputError, match=rf"b/tokenizer\.json: is no tokenizer.*{message}"):
        merge("average", models=["a", "b"], out="out", tokenizer=choice)
