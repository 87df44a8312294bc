"""One vocabulary of several: which tokens it has, and which row of which model each gets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.cli.conftest import Command
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from polytask.errors import InputError
from polytask.merging import TokenRow, merge, run_plan
from polytask.merging.plans.file import read_plan
from polytask.merging.tokens.tokenizer_file import extended, tokens_of

Rows = dict[str, float]


def tokenizer(words: Sequence[str], added: Sequence[str] = ()) -> Tokenizer:
    """A tokenizer that knows words, and has special tokens added to them."""
    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token=words[0]))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_tokens([AddedToken(token, special=True) for token in added])
    return made


def save(folder: Path, rows: Rows, added: Sequence[str] = (), more: Sequence[float] = ()) -> None:
    """A model whose embedding of a token is a number, twice; those in `more` belong to no token."""
    folder.mkdir()
    values = torch.tensor([*rows.values(), *more])
    table = values[:, None].repeat(1, 2)
    tensors = {
        "embed_tokens.weight": table,
        "lm_head.bias": values,
        "layer.weight": table[:1].clone(),
    }
    save_file(tensors, folder / "model.safetensors")
    made = tokenizer([token for token in rows if token not in added], added)
    made.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"vocab_size": len(values)}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "of": folder.name})
    )
    (folder / "vocab.txt").write_text("\n".join(rows))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base with a row more than tokens, and two models with other tokens."""
    monkeypatch.chdir(tmp_path)
    save(Path("base"), {"[U]": 1.0, "x": 2.0, "y": 3.0, "<s>": 4.0}, ["<s>"], more=[5.0])
    save(Path("a"), {"[U]": 10.0, "y": 30.0, "q": 40.0, "<a>": 50.0}, ["<a>"])
    save(
        Path("b"),
        {"[U]": 100.0, "q": 200.0, "r": 300.0, "<a>": 400.0, "<s>": 500.0},
        ["<a>", "<s>"],
    )


UNION = ["[U]", "x", "y", "<s>", "q", "r", "<a>"]
"""Tokens of the first, words of the others in their order, then what they added."""


def found(folder: str) -> Rows:
    """Token -> its row, after a look that all tables and the configuration agree."""
    tensors = load_file(f"{folder}/model.safetensors")
    table = tensors["embed_tokens.weight"]
    assert torch.equal(table, tensors["lm_head.bias"][:, None].expand(-1, 2))
    known = Tokenizer.from_file(f"{folder}/tokenizer.json").get_vocab()
    assert json.loads(Path(folder, "config.json").read_text())["vocab_size"] == len(table)
    assert len(known) == len(table)
    return {token: float(table[known[token], 0]) for token in sorted(known, key=known.__getitem__)}


@pytest.mark.usefixtures("folders")
def test_a_union_without_a_base(polytask: Command) -> None:
    done = polytask("merge", "average", "base", "a", "b", "--out", "out", "--tokenizer", "union")
    assert done.code == 0, done.err
    rows = found("out")
    assert list(rows) == UNION
    assert rows == {
        "[U]": 37.0,
        "x": 2.0,  # of the only one that has it
        "y": (3 + 30 + 16.5) / 3,  # b gets the mean of the others
        "<s>": (4 + 252 + 500) / 3,
        "q": (120 + 40 + 200) / 3,
        "r": 300.0,
        "<a>": (225 + 50 + 400) / 3,
    }
    made = Tokenizer.from_file("out/tokenizer.json")
    assert made.encode("y<a>r q xq").tokens == ["y", "<a>", "r", "q", "[U]"]  # q is a word here
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "config.json",
        "merge.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    report = json.loads(Path("out/merge.json").read_text())
    assert report["plan"]["tokenizer"] == "union"
    assert [note.partition(":")[0] for note in report["notes"][:3]] == ["base", "a", "b"]


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_union_with_a_base(threads: int) -> None:
    both = {"base": "base", "models": ["a", "b"], "tokenizer": "union", "threads": threads}
    report = merge("task_arithmetic", out="out", weights=0.5, **both)
    # What the base has counts for models that lack it; 0 changes there.
    assert found("out") == {
        "[U]": 1 + 0.5 * (9 + 99),
        "x": 2.0,
        "y": 3 + 0.5 * 27,
        "<s>": 4 + 0.5 * 496,
        "q": 120.0 + 0.5 * (40 - 120 + 200 - 120),  # the base gets the mean of the others
        "r": 300.0,
        "<a>": 225.0 + 0.5 * (50 - 225 + 400 - 225),
    }
    assert report.notes[0] == (
        "base: rows of embed_tokens.weight, lm_head.bias are matched by token; "
        "3 tokens that it lacks get rows of others, 0 of its own are left out"
    )
    alone = merge("average", models=["a"], out="alone")
    assert report.inputs[1]["content"] == alone.inputs[0]["content"]


@pytest.mark.usefixtures("folders")
def test_the_tokenizer_of_another_folder() -> None:
    Path("own").mkdir()
    tokenizer(["[U]", "r", "new", "y"]).save("own/tokenizer.json")
    Path("own/tokenizer_config.json").write_text('{"of": "own"}')
    report = merge("average", models=["base", "a", "b"], out="out", tokenizer="own")
    assert found("out") == {
        "[U]": 37.0,
        "r": 300.0,
        "new": 0.0,
        "y": 16.5,
    }
    assert json.loads(Path("out/tokenizer_config.json").read_text()) == {"of": "own"}
    assert report.plan["tokenizer"] == "own"
    assert report.notes[0].endswith(
        "2 tokens that it lacks get rows of others, 2 of its own are left out"
    )


@pytest.mark.usefixtures("folders")
def test_rows_that_a_plan_chooses() -> None:
    Path("plan.yaml").write_text(
        """
merge_method: linear
models: [{model: base}, {model: a}, {model: b}]
tokenizer:
  source: base
  tokens:
    x: {source: {kind: zero}}
    y: {source: a, force: true}
    <new>: {source: {kind: model_token, model: b, token: r}}
    <other>: {source: {kind: model_token, model: a, token_id: 0}}
"""
    )
    plan = read_plan(Path("plan.yaml"))
    assert plan.tokens["y"] == TokenRow(Path("a"), force=True)
    report = run_plan(plan, out=Path("out"))
    assert found("out") == {
        "[U]": 37.0,
        "x": pytest.approx(2 / 3),
        "y": 30.0,
        "<s>": (4 + 252 + 500) / 3,
        "<new>": 300.0,
        "<other>": 10.0,
    }
    assert report.plan["tokens"]["x"] == {"model": None, "token": None, "force": False}
    assert Tokenizer.from_file("out/tokenizer.json").encode("x<new>").tokens == ["x", "<new>"]


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer": "unoin"}, "unknown tokenizer 'unoin'; did you mean 'union'"),
        ({"tokenizer": "empty"}, "tokenizer: empty holds no tokenizer.json"),
        ({"tokens": {"x": TokenRow("a")}}, "tokens: need tokenizer 'base', 'union' or"),
        ({"tokenizer": "base", "tokens": {"x": TokenRow("c")}}, "tokens: unknown model 'c'"),
        ({"tokenizer": "base", "tokens": {"x": TokenRow("a")}}, "a: unknown token 'x'"),
        ({"tokenizer": "base", "tokens": ["x"]}, "tokens: expected token -> TokenRow, got list"),
        ({"tokenizer": "base", "tokens": {"x": "a"}}, "tokens: 'x': expected a TokenRow, got str"),
        ({"tokenizer": "base", "tokens": {3: TokenRow("a")}}, "tokens: 3 is no token"),
        ({"tokenizer": "base", "tokens": {"": TokenRow("a")}}, "tokens: '' is no token"),
        ({"tokenizer": "base", "tokens": {"x": TokenRow(3)}}, "tokens: expected a path, got int"),
        ({"tokenizer": "base", "tokens": {"x": TokenRow("a", 4)}}, "a: has 4 rows for tokens"),
    ],
)
def test_wrong_choices(options: dict[str, Any], message: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(InputError, match=message):
        merge("average", models=["base", "a"], out="out", **options)
    assert not Path("out").exists()


@pytest.mark.usefixtures("folders")
def test_models_that_cannot_be_matched() -> None:
    both = {"models": ["base", "a"], "out": "out", "tokenizer": "union"}
    content = json.loads(Path("base/tokenizer.json").read_text())
    for changed, message in (
        ({"added_tokens": [{**content["added_tokens"][0], "id": 7}]}, "without gaps"),
        (
            {"model": {**content["model"], "type": "Other"}},
            "of type 'Other'; known are",
        ),
        ({"model": {}}, "is no tokenizer that can be compared"),
    ):
        Path("base/tokenizer.json").write_text(json.dumps({**content, **changed}))
        with pytest.raises(InputError, match=message):
            merge("average", **both)
    Path("base/tokenizer.json").write_text(json.dumps(content))
    Path("a/config.json").write_text("{}")
    with pytest.raises(InputError, match="a: no tensor has a row for each token"):
        merge("average", **both)
    Path("a/tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"a/tokenizer.json: cannot be read"):
        merge("average", **both)
    with pytest.raises(InputError, match=r"tokens: 'x' of which model\?"):
        TokenRow(None, "x")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abcdef"), min_size=1, unique=True),
            st.lists(st.sampled_from(["<1>", "<2>", "<3>", "a"]), unique=True),
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.sampled_from(["<2>", "<9>", "b"]), unique=True),
)
def test_the_library_numbers_tokens_as_we_do(
    made: list[tuple[list[str], list[str]]], more: list[str]
) -> None:
    first, *others = (json.loads(tokenizer(words, added).to_str()) for words, added in made)
    new = extended(first, others, more, "first")
    tokens = tokens_of(new)
    assert Tokenizer.from_str(json.dumps(new)).get_vocab() == tokens
    assert sorted(tokens.values()) == list(range(len(tokens)))
    assert tokens.items() >= tokens_of(first).items()
    assert set(tokens) == {*more, *(token for one in made for part in one for token in part)}


@pytest.mark.parametrize("kind", ["BPE", "WordPiece", "Unigram"])
def test_other_kinds_of_tokenizers(kind: str) -> None:
    trained = {
        "BPE": lambda: Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])),
        "WordPiece": lambda: Tokenizer(
            models.WordPiece({"a": 0, "##b": 1, "[UNK]": 2}, unk_token="[UNK]")
        ),
        "Unigram": lambda: Tokenizer(models.Unigram([("a", -1.0), ("b", -2.0), ("ab", -2.5)], 0)),
    }[kind]()
    other = json.loads(tokenizer(["new", "a"], ["<s>"]).to_str())
    made = Tokenizer.from_str(json.dumps(extended(json.loads(trained.to_str()), [other], [], "a")))
    assert made.get_vocab() == {**trained.get_vocab(), "new": 3, "<s>": 4}
    assert made.encode("ab").ids == trained.encode("ab").ids
    assert made.encode("ab new<s>").ids[-2:] == [3, 4]


def test_a_language_model_with_more_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, polytask: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, words in (("base", ["[U]", "one", "two"]), ("a", ["[U]", "two", "three", "four"])):
        torch.manual_seed(len(words))
        config = transformers.LlamaConfig(
            vocab_size=len(words),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=12,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
        transformers.LlamaForCausalLM(config).save_pretrained(name)
        transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer(words)).save_pretrained(
            name
        )
    done = polytask("merge", "linear", "base", "a", "--out", "out", "--tokenizer", "union")
    assert done.code == 0, done.err
    model, loading = transformers.LlamaForCausalLM.from_pretrained("out", output_loading_info=True)
    assert not any(loading.values()), loading
    known = transformers.AutoTokenizer.from_pretrained("out")
    assert known("two three one")["input_ids"] == [2, 3, 1]
    assert model(input_ids=torch.tensor([[2, 3, 4]])).logits.shape == (1, 3, 5)


@pytest.mark.usefixtures("folders")
def test_an_adapter_needs_the_tokens_of_its_base() -> None:
    Path("lora").mkdir()
    Path("lora/adapter_config.json").write_text("{}")
    both = {"base": "base", "models": ["lora", "a"], "out": "out", "tokenizer": "union"}
    with pytest.raises(InputError, match="lora: is an adapter: it needs the tokens of its base"):
        merge("task_arithmetic", **both)
