"""Models of the transformers library, from their folders through the command line and back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from tests.cli.conftest import Command
from tests.merging.conftest import Save, random_model
from tests.merging.test_invariants import same
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor

from polytask.merging import merge, merge_state_dicts

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}


def bert() -> Any:
    config = transformers.BertConfig(vocab_size=30, max_position_embeddings=20, **SMALL)
    return transformers.BertForMaskedLM(config)


def llama() -> Any:
    config = transformers.LlamaConfig(
        vocab_size=30, num_key_value_heads=1, tie_word_embeddings=True, **SMALL
    )
    return transformers.LlamaForCausalLM(config)


def t5() -> Any:
    config = transformers.T5Config(
        vocab_size=30, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2
    )
    return transformers.T5ForConditionalGeneration(config)


def vit() -> Any:
    config = transformers.ViTConfig(image_size=8, patch_size=4, **SMALL)
    return transformers.ViTForImageClassification(config)


def resnet() -> Any:
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    )
    return transformers.ResNetForImageClassification(config)


KINDS: dict[str, Callable[[], Any]] = {
    "bert": bert,
    "llama": llama,
    "t5": t5,
    "vit": vit,
    "resnet": resnet,
}
TIED = {
    "bert": ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
    "llama": ("lm_head.weight", "model.embed_tokens.weight"),
    "t5": ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"),
}


def answer(model: Any) -> Tensor:
    """What a model says about a fixed input."""
    pixels = torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8)
    tokens = torch.arange(14).view(2, 7)
    with torch.no_grad():
        if model.main_input_name == "pixel_values":
            return model(pixel_values=pixels.to(model.dtype)).logits
        more = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
        return model(input_ids=tokens, **more).logits


def made(kind: str, dtype: torch.dtype) -> list[Any]:
    """A base model and two that were trained from it."""
    torch.manual_seed(0)
    found = [KINDS[kind]() for _ in range(3)]
    for index, model in enumerate(found):
        model.load_state_dict(found[0].state_dict())
        with torch.no_grad():
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    value.add_(0.05 * index * torch.rand(value.shape))
                elif name.endswith("num_batches_tracked"):
                    value.add_(index)
        model.tie_weights()
        model.to(dtype).eval()
    return found


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Writes a base and two models into the folders base, a and b, in many files."""
    monkeypatch.chdir(tmp_path)

    def save(kind: str, dtype: torch.dtype = torch.float32) -> list[Any]:
        found = made(kind, dtype)
        for name, model in zip(("base", "a", "b"), found, strict=True):
            model.save_pretrained(name, max_shard_size="4KB")
        assert Path("base/model.safetensors.index.json").is_file()
        return found

    return save


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("method", "shard_size"), [("task_arithmetic", "4KB"), ("ties", "5GB"), ("linear", "4KB")]
)
def test_from_folders_and_back(
    kind: str, method: str, shard_size: str, saved: Callable[..., list[Any]], polytask: Command
) -> None:
    base, *both = saved(kind)
    start = () if method == "linear" else ("--base", "base")
    done = polytask("merge", method, *start, "a", "b", "--out", "out", "--shard-size", shard_size)
    assert done.code == 0, done.err
    merged, loading = type(base).from_pretrained("out", output_loading_info=True)
    assert not any(loading.values()), loading
    assert Path("out/model.safetensors.index.json").is_file() == (shard_size == "4KB")
    expected = merge_state_dicts(
        method,
        base=base.state_dict() if start else None,
        models=[model.state_dict() for model in both],
    )
    assert same(merged.state_dict(), expected)
    assert answer(merged).isfinite().all()
    assert not torch.equal(answer(merged), answer(base))
    if kind in TIED:
        one, other = (merged.get_parameter(name) for name in TIED[kind])
        assert one is other


@pytest.mark.parametrize("kind", list(KINDS))
def test_one_model_at_scale_1_says_what_it_said(
    kind: str, saved: Callable[..., list[Any]], polytask: Command
) -> None:
    base, *_ = saved(kind, torch.bfloat16)
    done = polytask("merge", "task_arithmetic", "--base", "base", "a", "--out", "out")
    assert done.code == 0, done.err
    merged, model = (type(base).from_pretrained(name).eval() for name in ("out", "a"))
    assert merged.dtype == torch.bfloat16
    assert torch.equal(answer(merged), answer(model))
    assert (
        polytask("merge", "ties", "--base", "base", "a", "--out", "zero", "--scale", "0").code == 0
    )
    zero = type(base).from_pretrained("zero")
    assert same(zero.state_dict(), base.state_dict())


def test_the_configuration_says_what_is_stored(saved: Callable[..., list[Any]]) -> None:
    saved("bert", torch.bfloat16)
    merge("linear", models=["a", "b"], out="wide", dtype="float32")
    assert json.loads(Path("wide/config.json").read_text())["dtype"] == "float32"
    assert transformers.AutoModelForMaskedLM.from_pretrained("wide").dtype == torch.float32
    merge("linear", models=["a", "b"], out="same")
    assert Path("same/config.json").read_bytes() == Path("a/config.json").read_bytes()


def test_a_tokenizer_comes_along(saved: Callable[..., list[Any]], polytask: Command) -> None:
    saved("llama")
    words = Tokenizer(models.WordLevel({"<unk>": 0, "one": 1, "two": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    for folder in ("base", "a", "b"):
        if folder == "b":
            words.add_tokens(["three"])
        transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    arguments = ("merge", "ties", "--base", "base", "a", "b", "--out", "out")
    refused = polytask(*arguments)
    assert refused.code == 2
    assert "1 tokens differ ('three'), with 3 and 4 tokens in all" in refused.err
    assert polytask(*arguments, "--tokenizer", "base").code == 0
    tokenizer = transformers.AutoTokenizer.from_pretrained("out")
    assert tokenizer("two three one")["input_ids"] == [2, 0, 1]


def test_what_is_not_merged_is_named(saved: Callable[..., list[Any]]) -> None:
    base, *both = saved("resnet")
    report = merge("task_arithmetic", base="base", models=["a", "b"], out="out", scale=3.0)
    names = set(base.state_dict())
    counts = {name for name in names if name.endswith("num_batches_tracked")}
    statistics = {name for name in names if name.endswith(("running_mean", "running_var"))}
    assert counts
    assert set(report.from_reference) == counts
    assert set(report.statistics) == statistics
    assert report.merged == len(names - counts - statistics)
    first, second = report.warnings
    assert first.startswith("statistics of BatchNorm are between those of the models")
    assert second.startswith("integers that are not the same in all models are not merged")
    merged = type(base).from_pretrained("out").state_dict()
    for name in statistics:  # the mean of the models, not three times as far
        mean = torch.stack([model.state_dict()[name] for model in both]).mean(0)
        torch.testing.assert_close(merged[name], mean)
    for name in counts:
        assert int(merged[name]) == 0
    shutil.copytree("a", "copy")
    same_counts = merge("linear", models=["a", "copy"], out="again")
    assert set(same_counts.copied) == counts
    assert not same_counts.from_reference


def test_what_lies_behind_an_encoder_is_copied(save: Save, tmp_path: Path) -> None:
    """As the sentence-transformers library writes it; weights there are not those of the model."""
    base = save("base", random_model(0))
    parts = [
        {"path": ""},
        {"path": "1_Pooling"},
        {"path": "2_Dense"},
        {"path": "../other"},
        {"path": ".."},
    ]
    (base / "modules.json").write_text(json.dumps(parts))
    for name in ("1_Pooling", "2_Dense", "additional_chat_templates", "checkpoint-1"):
        (base / name).mkdir()
        (base / name / "config.json").write_text(json.dumps({"of": name}))
    (base / "trainer_state.json").write_text("{}")  # of the training, not of the model
    (tmp_path / "beside.json").write_text("{}")
    (base / "additional_chat_templates/tools.jinja").write_text("{{ tools }}")
    save_file({"linear.weight": torch.ones(2, 2)}, base / "2_Dense/model.safetensors")
    report = merge("average", models=[base, save("a", random_model(1))], out=tmp_path / "out")
    found = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.j*")}
    assert {name for name in found if "/" not in name} == {
        "config.json",
        "merge.json",
        "modules.json",
    }
    assert {name for name in found if "/" in name} == {
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "additional_chat_templates/config.json",
        "additional_chat_templates/tools.jinja",
    }
    assert report.warnings == [f"{base}/2_Dense: its weights are not merged and are left out"]
