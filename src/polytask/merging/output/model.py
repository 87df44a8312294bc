"""A merged model as the transformers library, or polytask, reads it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from polytask.merging.adapters.heads import Head, entries_of_heads, write_heads
from polytask.merging.engine.content import ContentHash
from polytask.merging.engine.merger import Merger
from polytask.merging.engine.rounding import main_dtype
from polytask.merging.engine.stream import Precision, entries_of, stream
from polytask.merging.engine.threads import Threads
from polytask.merging.inputs import Input
from polytask.merging.output.assets import copy_assets
from polytask.merging.output.output import Output, Written
from polytask.merging.output.writer import Writer
from polytask.merging.plan import parse_size
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.stacked import Stacked

__all__ = ["ModelOutput"]


class ModelOutput(Output):
    """All tensors of the base or the first model, with its configuration and tokenizer.

    Args:
        merger: of the inputs.
        inputs: the base, if there is one, and the models.
        heads: that adapters bring.
        precision: how tensors are stored.
        shard_size: most bytes of a file; a model folder of polytask has one file.
    """

    stem = "model"

    def __init__(
        self,
        merger: Merger,
        inputs: Sequence[Input],
        *,
        heads: Mapping[str, Head],
        precision: Precision,
        shard_size: int | str,
    ) -> None:
        self._merger, self._precision, self.heads = merger, precision, heads
        self._reference = inputs[0]
        self._hashes = _hashes(inputs)
        self.entries = {**entries_of(merger, precision), **entries_of_heads(heads, precision)}
        self.checksums = inputs[0].location.layout == "polytask"
        self.shard_size = sys.maxsize if self.checksums else parse_size(shard_size)

    def write(self, writer: Writer, threads: Threads) -> Written:
        self._merger.survey(threads)
        cost = stream(self._merger, writer, self._precision, threads, self._hashes)
        write_heads(self.heads, writer, self._precision)
        return Written(cost)

    def write_assets(self, folder: Path) -> None:
        first, dtype = self._reference, main_dtype(self.entries)
        copy_assets(first.location, folder, dtype, first.config, first.tokenizer, first.description)


def _hashes(inputs: Sequence[Input]) -> list[ContentHash]:
    """What is hashed while it is read: the whole models, each once. Others are read once more."""
    models = [model for model in inputs if not isinstance(model.source, Adapter | Stacked)]
    return list({id(content): content for model in models for content in model.contents}.values())
