"""From models on disk to one folder of compressed task vectors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from polytask.errors import InputError
from polytask.files import whole_folder, write_json
from polytask.merging.compression.compression import Compression
from polytask.merging.compression.encoding import encode
from polytask.merging.compression.layout import Compressed, compressed_tensors
from polytask.merging.compression.methods import COMPRESSIONS
from polytask.merging.engine.identity import fingerprint
from polytask.merging.engine.merger import Merger
from polytask.merging.engine.prepared import Prepared, prepare
from polytask.merging.engine.threads import Threads
from polytask.merging.given import as_path
from polytask.merging.options import made_of
from polytask.merging.output.reporting import repeated
from polytask.merging.output.writer import Writer
from polytask.merging.plan import Plan
from polytask.merging.report import listed
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.header import NAMES

__all__ = ["CompressionReport", "compress"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CompressionReport:
    """What was compressed, and what it costs.

    Args:
        out: the folder.
        models: in the order of their rows.
        parameters: of one model, in the tensors that differ from the base.
        bytes: of the weights file.
        lost: model -> norm of what its task vector lost, as a share of its norm.
        notes: differences beside the weights, and models that are equal, for a reader to know of.
    """

    out: Path
    models: tuple[str, ...]
    parameters: int
    bytes: int
    lost: Mapping[str, float]
    notes: Sequence[str]

    @property
    def bits(self) -> float:
        """Bits for each parameter and model; the base, which is needed too, is not counted."""
        return 8 * self.bytes / max(1, self.parameters * len(self.models))


def compress(
    compression: str | Compression,
    /,
    *,
    base: str | Path,
    models: Mapping[str, str | Path],
    out: str | Path,
    seed: int = 0,
    threads: int | None = None,
    **options: Any,
) -> CompressionReport:
    """Store what several models learned in one folder, from which each can be read alone.

    ``out/NAME`` is then a model for every method of merging: ``merge("task_arithmetic", base=base,
    models=["out/NAME"], out=...)`` writes it whole again.

    Args:
        compression: its name, or a compression with its options.
        base: the model that all others were trained from.
        models: name -> folder, file or adapter.
        out: the new folder: ``vectors.safetensors``, and ``vectors.json`` with what it holds.
        seed: of random numbers, if the method that merges draws some.
        threads: how many; as many as processors by default.
        options: of the compression.

    Raises:
        InputError: the inputs do not fit each other, a file is broken, a name is none for a
            folder, an option or the seed is wrong, ``out`` exists, or a value is NaN or infinite.
        RunError: the result cannot be written; nothing was.
    """
    if not isinstance(models, Mapping):
        raise InputError(f"models: expected name -> path, got {type(models).__name__}")
    out, names = as_path("out", out), tuple(models)
    _check_names(names)
    chosen = made_of(COMPRESSIONS, compression, options)
    paths = tuple(as_path(f"models[{name!r}]", path) for name, path in models.items())
    plan = Plan(method=chosen, base=as_path("base", base), models=paths, seed=seed)
    prepared = prepare(plan, out)
    merger, work = prepared.merger, Threads(threads)
    merger.survey(work)
    tensors = compressed_tensors(merger, chosen)
    with whole_folder(out, replace=False) as folder:
        lost = _write(folder, tensors, merger, work)
        report = CompressionReport(
            out=out,
            models=names,
            parameters=sum(tensor.item.group.size for tensor in tensors),
            bytes=(folder / "vectors.safetensors").stat().st_size,
            lost=dict(zip(names, lost, strict=True)),
            notes=[*prepared.notes, *_repeated(prepared), *_without_heads(prepared)],
        )
        write_json(folder / "vectors.json", _about(report, chosen, prepared, tensors))
    for note in report.notes:
        logger.warning("%s: %s", out, note)
    return report


def _check_names(names: Sequence[object]) -> None:
    """Refuse names that no folder can have."""
    for name in names:
        if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
            raise InputError(f"{name!r}: cannot be the name of a model: it is that of a folder")
        if name in ("vectors.json", "vectors.safetensors", "manifest.json"):
            raise InputError(f"{name!r}: cannot be the name of a model: a file has it")


def _write(
    folder: Path, tensors: Sequence[Compressed], merger: Merger, threads: Threads
) -> list[float]:
    """Write the arrays; the norm that each model lost, as a share of that of its change."""
    entries = dict(entry for tensor in tensors for entry in tensor.entries())
    writer = Writer(folder, entries, shard_size=sys.maxsize, stem="vectors")
    try:
        error, change = encode(tensors, merger, writer, threads)
    finally:
        writer.close()
    shares: list[float] = torch.where(change > 0, (error / change).sqrt(), 0.0).tolist()
    return shares


def _repeated(prepared: Prepared) -> list[str]:
    """A sentence for all models of one content."""
    _, *models = (model.source.label for model in prepared.inputs)
    contents = (identity.content for identity in prepared.merger.identities)
    return repeated(zip(contents, models, strict=True))


def _without_heads(prepared: Prepared) -> list[str]:
    """A sentence for each adapter with tensors that the base does not have."""
    adapters = [model.source for model in prepared.inputs if isinstance(model.source, Adapter)]
    return [
        f"{one.label}: what it has and the base has not is left out: {listed([*one.layout.heads])}"
        for one in adapters
        if one.layout.heads
    ]


def _about(
    report: CompressionReport,
    compression: Compression,
    prepared: Prepared,
    tensors: Sequence[Compressed],
) -> dict[str, Any]:
    """The content of ``vectors.json``."""
    base, *models = (model.source for model in prepared.inputs)
    stored = {tensor.item.group.name: tensor.compression for tensor in tensors}
    return {
        "compression": COMPRESSIONS.spec(compression),
        "base": fingerprint(base),
        "models": {
            name: {"path": model.label, "lost": round(report.lost[name], 6)}
            for name, model in zip(report.models, models, strict=True)
        },
        "bits_per_parameter_and_model": round(report.bits, 4),
        "tensors": {
            name: {
                "shape": list(entry.shape),
                "dtype": NAMES[entry.dtype],
                "compression": _reading(stored[name]) if name in stored else None,
            }
            for name, entry in base.entries.items()
        },
    }


def _reading(compression: Compression) -> dict[str, Any]:
    return {"type": COMPRESSIONS.spec(compression)["type"], **compression.reading()}
