"""The study of merging runs from texts to its page, in seconds, on a tiny encoder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "recipes/mergetext"
WORDS = ["good", "bad", "film", "tea", "who", "where", "is", "it", "the", "not"]

WITH_TEXTS = (
    "adamerging",
    "adamerging++",
    "adamerging_task",
    "concrete",
    "fisher",
    "regmean",
    "regmean++",
    "atlas",
    "self_positioning",
    "tinting",
    "surgery",
)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The modules of the recipe, as when its script is run."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("study", "adaptation", "encoder", "page", "size", "tasks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import study

    found: ModuleType = study
    return found


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """A folder with a BERT of one layer and its tokenizer."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["?", *WORDS])}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path / "tiny")
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "tiny")
    return str(tmp_path / "tiny")


def test_the_study(study: ModuleType, tiny: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    examples = {}
    for task, key in (("film", "good"), ("tea", "who"), ("rest", "not")):
        texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(60)]
        labels = np.array([int(key in text.split()) for text in texts])
        labels[:2] = 0, 1
        each = study.Examples(texts, labels)
        examples[task] = dict.fromkeys(("train", "validation", "test"), each)
    size = study.Size(
        steps=2,
        heads=40,
        validation=20,
        test=30,
        batches=2,
        rows=4,
        adaptation=2,
        fisher=4,
    )
    folder = tmp_path / "out/seed-0"
    for _ in range(2):  # the second time all is there
        study.Study(folder, 0, size, examples, study.Encoder(tiny)).run()
    results = json.loads((folder / "results.json").read_text())
    methods = {*study.SCALED, *study.PLAIN, *study.COMPRESSED}
    assert {*results} == {"base", "individual", "joint", "cosines", *methods, *WITH_TEXTS}
    assert all(0 <= r["mean"] <= 1 for name, r in results.items() if name != "cosines")
    np.testing.assert_allclose(np.diag(results["cosines"]["cosines"]), 1, atol=1e-5)
    rounded, individual = results["rounded"]["scores"], results["individual"]["scores"]
    assert rounded == individual  # 16 bits of a change lose nothing that shows
    study.write_page(tmp_path / "out", tmp_path / "page.md", size)
    page = (tmp_path / "page.md").read_text()
    assert "(2 steps of 32 texts," in page
    assert "at most 30 test texts" in page
    best = max(
        (m for m in results if results[m].get("kind") == "weights"),
        key=lambda m: results[m]["mean"],
    )
    assert f"The best single model from weights alone below, `{best}`, has" in page
    assert "`joint`" in page
    assert "on 20 validation texts" in page
    assert all(f"`{name}`" in page for name in methods)
    assert "<svg" in (tmp_path / "out/report.html").read_text()
    # A seed that is not finished: what all seeds have is on the page.
    del results["ties"]
    (tmp_path / "out/seed-1").mkdir()
    (tmp_path / "out/seed-1/results.json").write_text(json.dumps(results))
    study.write_page(tmp_path / "out", tmp_path / "page.md", size)
    page = (tmp_path / "page.md").read_text()
    assert "`ties`" not in page
    assert "`wudi`" in page
    assert "± 0.0" in page


def test_the_tasks(study: ModuleType, shared_data: Path) -> None:
    import tasks

    found = tasks.read_tasks(shared_data)
    assert len(found) == 8
    for splits in found.values():
        classes = {*splits["train"].labels}
        assert classes == {*range(len(classes))}
        assert {*splits["test"].labels} <= classes
        assert not {*splits["train"].texts} & {*splits["test"].texts}
