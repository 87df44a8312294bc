"""From a finetuned model to an adapter of low rank for its base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.construct import plain
from polytask.errors import InputError
from polytask.merging.adapters.extraction_layout import find_targets, saved_modules, whole_tensors
from polytask.merging.adapters.extraction_options import Bias, Extraction
from polytask.merging.adapters.output import AdapterOutput, joined_change
from polytask.merging.adapters.peft_config import config_of_ranks
from polytask.merging.adapters.truncation import rank_of_energy, squared_norm
from polytask.merging.engine.group import chunks
from polytask.merging.engine.merger import Item, Merger
from polytask.merging.engine.prepared import Prepared, prepare
from polytask.merging.engine.rounding import check_dtype
from polytask.merging.engine.stream import Precision
from polytask.merging.engine.threads import Threads
from polytask.merging.given import as_path
from polytask.merging.methods.task_arithmetic import TaskArithmetic
from polytask.merging.plan import Plan
from polytask.merging.report import Report
from polytask.merging.run import finish
from polytask.merging.sources.adapter_layout import AdapterLayout, Target

__all__ = ["extract_adapter"]


def extract_adapter(
    *,
    base: str | Path,
    model: str | Path,
    out: str | Path,
    rank: int | None = None,
    energy: float | None = None,
    targets: Sequence[str] | None = None,
    modules_to_save: Sequence[str] = (),
    bias: Bias = "all",
    fan_in_fan_out: bool = False,
    dtype: str | None = None,
    threads: int | None = None,
) -> Report:
    """Write the change from a base to a finetuned model as an adapter that peft loads.

    Every linear layer (a weight with two dimensions that is no embedding) that changed gets factors
    from a truncated singular value decomposition of its change. What else changed is kept whole or
    left out, and the report names it. Each changed matrix is in memory as a whole, once per thread.

    Args:
        base: the model that the finetuning started from.
        model: the finetuned model, with the same tensors.
        out: the new folder: ``adapter_model.safetensors``, ``adapter_config.json``, and
            ``merge.json`` with the report.
        rank: of the factors of every weight, at most; or
        energy: the share, in (0, 1], of the squared norm of each change that its factors keep.
        targets: ends of names of modules that get factors; all linear layers by default.
        modules_to_save: ends of names of modules that are kept whole, as peft does.
        bias: ``all`` keeps biases that changed, ``none`` leaves them out.
        fan_in_fan_out: weights are stored as input x output (GPT-2).
        dtype: of the adapter; float32 by default.
        threads: how many; as many as processors by default.

    Raises:
        InputError: the models do not fit each other, nothing changed that may get factors, an
            option is wrong, ``out`` exists, or a value is NaN or infinite; nothing was written.
        RunError: the result cannot be written; nothing was.
    """
    asked = Extraction(
        rank=rank,
        energy=energy,
        targets=targets,
        modules_to_save=modules_to_save,
        bias=bias,
        fan_in_fan_out=fan_in_fan_out,
    )
    base, model, out = as_path("base", base), as_path("model", model), as_path("out", out)
    plan = Plan(method=TaskArithmetic(), base=base, models=(model,), dtype=dtype)
    prepared = prepare(plan, out)
    output = _output(prepared, asked, base, Threads(threads))
    return finish(prepared, output, out, Threads(threads), asked={"extraction": plain(asked)})


def _output(prepared: Prepared, asked: Extraction, base: Path, threads: Threads) -> AdapterOutput:
    merger = prepared.merger
    items = [item for item in merger.items if item.treatment != "copy"]
    norms = threads(_norm, items)
    changed = {i.group.name: (i, norm) for i, norm in zip(items, norms, strict=True) if norm}
    shapes = {name: item.group.shape for name, (item, _) in changed.items()}
    targets = find_targets(shapes, asked.targets, asked.modules_to_save, asked.fan_in_fan_out)
    if not targets:
        among = " of targets" * (asked.targets is not None)
        beside = " outside modules_to_save" * bool(asked.modules_to_save)
        model = prepared.plan.models[0]
        raise InputError(f"{model}: no linear layer{among}{beside} differs from {base}")
    names = [item.group.name for item in items]
    whole = whole_tensors(shapes, names, targets, asked.modules_to_save, asked.bias)
    ranks = _ranks(merger, [changed[name][0] for name in targets], asked, threads)
    dtype = None if prepared.plan.dtype is None else check_dtype(prepared.plan.dtype)
    left_out = {n: norm for n, (_, norm) in changed.items() if n not in targets and n not in whole}
    return AdapterOutput(
        merger,
        AdapterLayout(targets=targets, whole=whole, heads={}),
        ranks=ranks,
        heads={},
        precision=Precision(dtype, "nearest", prepared.plan.seed),
        config=_config(asked, targets, ranks, base, saved_modules(whole, names, asked.bias)),
        left_out=left_out,
    )


def _norm(item: Item) -> float:
    """The squared norm of the change of a tensor."""
    total = 0.0
    for start, stop in chunks(0, item.group.size):
        base = item.group.base_weights(start, stop)
        [delta] = item.group.deltas(base, start, stop)
        item.group.check_result(delta.values, start, stop)
        total += squared_norm(delta.values)
    return total


def _ranks(
    merger: Merger, items: Sequence[Item], asked: Extraction, threads: Threads
) -> dict[str, int]:
    """The rank of the factors of each weight."""
    energy = asked.energy
    if energy is None:
        return {item.group.name: min(asked.rank or 1, *item.group.shape) for item in items}
    found = threads(lambda item: rank_of_energy(joined_change(merger, item), energy), items)
    return {item.group.name: rank for item, rank in zip(items, found, strict=True)}


def _config(
    asked: Extraction,
    targets: Mapping[str, Target],
    ranks: Mapping[str, int],
    base: Path,
    saved: Sequence[str],
) -> dict[str, Any]:
    modules = {target.module: ranks[name] for name, target in targets.items()}
    return {
        **config_of_ranks(modules, base=str(base), fan_in_fan_out=asked.fan_in_fan_out),
        "modules_to_save": list(saved) or None,
        "bias": asked.bias,
    }
