"""Does merging work? Eight finetuned encoders, merged in every way, beside joint training.

``python recipes/mergetext/study.py [--out runs/mergetext] [--seeds 0 1 2]`` finetunes one MiniLM
for each of eight tasks, writes them as folders of the transformers library, merges them, and
compares: single models that need nothing but the weights, or training texts too, models that are
rebuilt for each task from a compressed folder, or have a part for each task, the finetuned models
themselves, and one model trained on all tasks.
It goes on where it stopped. Factors are chosen on validation texts, never on those of the test.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adaptation import Adaptation
from encoder import Encoder
from page import write_page
from safetensors.torch import load_file
from size import Size
from torch import Tensor

from polytask import merging
from tasks import Examples, read_tasks

CHECKOUT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("POLYTASK_DATA") or CHECKOUT.parent / "shared" / "data")
SCALES = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.3, 3.0)
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6)
"""Of the masks, as in the paper."""

SCALED: Mapping[str, dict[str, Any]] = {
    name: {}
    for name in (
        "task_arithmetic",
        "ties",
        "dare_linear",
        "dare_ties",
        "breadcrumbs",
        "breadcrumbs_ties",
        "della",
        "della_linear",
        "magmax",
        "ram",
        "sce",
        "pcb",
        "consensus",
        "tsv_m",
        "iso_c",
        "iso_cts",
        "wudi",
    )
}
"""Methods that merge changes: their factor is chosen."""

PLAIN = ("average", "geometric_median", "karcher", "model_stock", "multislerp")
"""Methods that have nothing to choose."""

COMPRESSED = ("rounded", "int8", "bit_delta", "emr", "tall_mask", "tsv_c")


class Study:
    """All that one seed needs.

    Args:
        folder: for the models and the results of the seed.
        seed: of training, and of methods that draw random numbers.
        size: of the study.
        examples: task -> split -> texts and classes.
        encoder: where finetuning starts.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        size: Size,
        examples: Mapping[str, Mapping[str, Examples]],
        encoder: Encoder,
    ) -> None:
        self.folder, self.seed, self.size = folder, seed, size
        self.encoder, self.examples = encoder, examples
        self.heads = {
            name: self.encoder.head(splits["train"].first(size.heads))
            for name, splits in examples.items()
        }
        self.names = list(self.examples)
        self.states: dict[str, dict[str, Tensor]] = {}

    def run(self) -> None:
        """Train and measure what the folder does not hold yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.train(self.names)
        self._measure("base", lambda: self._single(self.encoder.base, "none"))
        self._measure("individual", self._individual)
        for name in PLAIN:
            self._measure(name, lambda name=name: self._plain(name))
        for name, options in SCALED.items():
            self._measure(name, lambda name=name, options=options: self._scaled(name, options))
        for name in COMPRESSED:
            self._measure(name, lambda name=name: self._compressed(name))
        self._measure("cosines", self._cosines)
        self.train(["joint"])
        self._measure("joint", lambda: self._single(self._state("joint"), "training"))
        self._adapt()

    def train(self, names: Sequence[str]) -> None:
        """Finetune what the folder does not hold yet.

        Args:
            names: of tasks, or ``joint`` for a model of all.
        """
        pairs = {n: (splits["train"], self.heads[n]) for n, splits in self.examples.items()}
        self._save("base", self.encoder.base)
        for name in names:
            tasks = pairs if name == "joint" else {name: pairs[name]}
            if not (self.folder / name).exists():
                steps = self.size.steps * len(tasks)
                self._save(name, self.encoder.finetune(tasks, steps, self.seed))
                print(f"seed {self.seed}: trained {name}", flush=True)

    def _save(self, name: str, state: Mapping[str, Tensor]) -> None:
        """A folder that the transformers library, or ``polytask merge``, reads."""
        folder = self.folder / name
        if not folder.exists():
            partial = self.folder / f".{name}"
            self.encoder.model.load_state_dict(state)
            self.encoder.model.save_pretrained(partial)
            self.encoder.tokenizer.save_pretrained(partial)
            partial.rename(folder)

    def _state(self, name: str) -> dict[str, Tensor]:
        if name not in self.states:
            self.states[name] = load_file(self.folder / name / "model.safetensors")
        return self.states[name]

    def _measure(self, name: str, find: Callable[[], dict[str, Any]]) -> None:
        file = self.folder / "results.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        if name not in found:
            found[name] = find()
            file.write_text(json.dumps(found, indent=1))
            print(f"seed {self.seed}: {name} {found[name].get('mean', '')}", flush=True)

    def _scores(self, state: Mapping[str, Tensor], split: str, count: int) -> dict[str, float]:
        """Task -> macro-recall of one model for all."""
        return {name: self._score(state, name, split, count) for name in self.names}

    def _score(self, state: Mapping[str, Tensor], name: str, split: str, count: int) -> float:
        examples: Examples = self.examples[name][split].first(count)
        return self.encoder.macro_recall(state, examples, self.heads[name])

    def _single(self, state: Mapping[str, Tensor], kind: str, **more: Any) -> dict[str, Any]:
        return _result(self._scores(state, "test", self.size.test), kind, **more)

    def _individual(self) -> dict[str, Any]:
        scores = {n: self._score(self._state(n), n, "test", self.size.test) for n in self.names}
        return _result(scores, "models", bits=32.0)

    def _adapt(self) -> None:
        """What methods make of training texts."""
        found = Adaptation(
            self.encoder,
            self.heads,
            {name: splits["train"] for name, splits in self.examples.items()},
            self._state("base"),
            {name: self._state(name) for name in self.names},
            self.size,
            self.seed,
        )
        for kind, methods in (("texts", found.single()), ("labels", found.labelled())):
            for name, find in methods.items():
                self._measure(name, lambda find=find, kind=kind: self._single(find(), kind))
        self._measure("tinting", lambda: self._tinted(found))
        self._measure("surgery", lambda: self._corrected(found))

    def _tinted(self, adaptation: Adaptation) -> dict[str, Any]:
        tinted = adaptation.tinting()
        count = self.size.test
        scores = {n: self._score(tinted.state(n), n, "test", count) for n in self.names}
        own = float(np.mean([*tinted.shares.values()]))
        return _result(scores, "parts", bits=32 * (1 / len(self.names) + own))

    def _corrected(self, adaptation: Adaptation) -> dict[str, Any]:
        """On task arithmetic at the scale that was chosen for it."""
        scale = json.loads((self.folder / "results.json").read_text())["task_arithmetic"]["scale"]
        merged = merging.merge_state_dicts(
            "task_arithmetic", base=self._state("base"), models=self._models(), scale=scale
        )
        surgery = adaptation.surgery(merged)
        scores = {}
        for name in self.names:
            examples, correction = self.examples[name]["test"], surgery.corrections[name]
            with torch.no_grad():
                scores[name] = self.encoder.macro_recall(
                    merged, examples.first(self.size.test), self.heads[name], correction
                )
        parameters = sum(value.numel() for value in merged.values())
        own = sum(p.numel() for p in surgery.corrections[self.names[0]].parameters()) / parameters
        return _result(scores, "parts", bits=32 * (1 / len(self.names) + own), scale=scale)

    def _models(self) -> list[dict[str, Tensor]]:
        return [self._state(name) for name in self.names]

    def _plain(self, name: str) -> dict[str, Any]:
        needs_base = merging.METHODS.get(name).contract.needs_base
        given = {"base": self._state("base")} if needs_base else {}
        merged = merging.merge_state_dicts(name, models=self._models(), **given)
        return self._single(merged, "weights")

    def _scaled(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        direction = merging.prepare_state_dicts(
            name, base=self._state("base"), models=self._models(), seed=self.seed, **options
        )
        found = merging.sweep(direction, self._validated, scales=SCALES)
        while found.best == max(found.scores):  # the best may lie beyond
            more = merging.sweep(direction, self._validated, scales=[round(1.3 * found.best, 1)])
            found = merging.Sweep({**found.scores, **more.scores})
        chosen = {"scale": found.best, "curve": dict(found.scores)}
        return self._single(direction.apply(found.best), "weights", **chosen)

    def _validated(self, state: Mapping[str, Tensor]) -> float:
        return float(np.mean([*self._scores(state, "validation", self.size.validation).values()]))

    def _compressed(self, name: str) -> dict[str, Any]:
        """Every model rebuilt from one folder; masks with the threshold that suits each best."""
        scores: dict[str, float] = {}
        best: dict[str, float] = {}
        for options in [{"thresholds": t} for t in THRESHOLDS] if name == "tall_mask" else [{}]:
            report = self._compress(name, options)
            for task in self.names:
                base = self._state("base")
                state = merging.restore_state_dict(report.out, task, base=base)
                count = self.size.validation
                value = self._score(state, task, "validation", count) if options else 1.0
                if value > best.get(task, -1.0):
                    best[task] = value
                    scores[task] = self._score(state, task, "test", self.size.test)
        return _result(
            scores, "task", bits=report.bits, lost=float(np.mean([*report.lost.values()]))
        )

    def _compress(self, name: str, options: dict[str, Any]) -> merging.CompressionReport:
        models = {task: self.folder / task for task in self.names}
        out = self.folder / "-".join([name, *map(str, options.values())])
        if out.exists():
            shutil.rmtree(out)
        return merging.compress(name, base=self.folder / "base", models=models, out=out, **options)

    def _cosines(self) -> dict[str, Any]:
        base = self._state("base")
        rows = torch.stack([torch.cat([*_changes(self._state(n), base)]) for n in self.names])
        rows = torch.nn.functional.normalize(rows, dim=1)
        return {"names": self.names, "cosines": (rows @ rows.T).tolist()}


def _changes(state: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> Iterator[Tensor]:
    yield from (
        (value - base[n]).reshape(-1) for n, value in state.items() if value.is_floating_point()
    )


def _result(scores: Mapping[str, float], kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "mean": float(np.mean([*scores.values()])), "scores": scores, **more}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=CHECKOUT / "runs" / "mergetext")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    arguments = parser.parse_args()
    examples, encoder, size = read_tasks(DATA), Encoder(), Size()
    for seed in arguments.seeds:
        Study(arguments.out / f"seed-{seed}", seed, size, examples, encoder).run()
    write_page(arguments.out, Path(__file__).parent / "README.md", size)


if __name__ == "__main__":
    main()
