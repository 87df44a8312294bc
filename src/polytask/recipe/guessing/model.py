"""A backbone that fits the input, and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polytask.recipe.guessing.data_set import GuessedData

__all__ = ["guess_backbone", "guess_batch", "guess_training"]

LARGE = 20_000
"""Rows from which fewer epochs and larger batches do."""

PIECES = 1.6
"""Tokens per word of a subword tokenizer, generously; two more mark the ends."""

LENGTHS = (32, 64, 128, 256)


def guess_backbone(data: Sequence[GuessedData]) -> tuple[dict[str, Any], str]:
    """The backbone, as a recipe writes it, and what can be changed."""
    modality = data[0].inputs.modality
    if modality in ("text", "words"):
        comment = (
            "minilm is an encoder for English that needs no network; path may be any encoder: a "
            "folder or a name of the Hugging Face hub, for example xlm-roberta-base."
        )
        options = {"type": "transformer", "path": "minilm", "max_length": _max_length(data)}
        return options, comment
    if modality == "image":
        return {"type": "resnet", "widths": [32, 64, 128]}, "More or wider blocks see more."
    if modality == "waveform":
        options = {"type": "audio", "seconds": _seconds(data)}
        return options, "What is longer than so many seconds is cut."
    if modality == "smiles":
        return {"type": "mlp", "hidden": [512], "dropout": 0.3}, "Fingerprints need one wide layer."
    hidden = [256, 128] if _rows(data) >= 2000 else [64, 32]
    return {"type": "mlp", "hidden": hidden, "dropout": 0.1}, "linear is a baseline worth a try."


def guess_batch(data: Sequence[GuessedData]) -> dict[str, Any]:
    """How epochs are cut into batches."""
    if data[0].inputs.modality in ("text", "words"):
        return {"examples": 32, "group_by_length": True}
    rows = _rows(data)
    return {"examples": 256 if rows >= LARGE else 64 if rows >= 2000 else 32}


def guess_training(data: Sequence[GuessedData]) -> dict[str, Any]:
    """Epochs and learning rate."""
    large = _rows(data) >= LARGE
    if data[0].inputs.modality in ("text", "words"):
        return {
            "epochs": 3 if large else 5,
            "learning_rate": 0.0003,
            "learning_rates": {"heads": 5},
            "weight_decay": 0.01,
            "warmup": 0.1,
        }
    if data[0].inputs.modality in ("image", "waveform"):
        return {"epochs": 10, "learning_rate": 0.003, "weight_decay": 0.01, "warmup": 0.05}
    return {"epochs": 10 if large else 30, "learning_rate": 0.001, "weight_decay": 0.01}


def _rows(data: Sequence[GuessedData]) -> int:
    return sum(one.table.rows for one in data)


def _max_length(data: Sequence[GuessedData]) -> int:
    """Enough tokens for nearly all texts."""
    longest = 0.0
    for one in data:
        columns = [one.table.columns[name] for name in one.inputs.columns]
        lengths = [[_words(x) for x in column.sample] for column in columns]
        longest = max(longest, sum(float(np.quantile(found, 0.99)) for found in lengths))
    return next((n for n in LENGTHS if longest * PIECES + 2 <= n), LENGTHS[-1])


def _words(value: Any) -> int:
    return len(value.split()) if isinstance(value, str) else len(value)


def _seconds(data: Sequence[GuessedData]) -> float:
    """As long as nearly all recordings, up to ten seconds."""
    found = [
        len(wave) / rate
        for one in data
        for wave, rate in zip(
            one.table.columns["waveform"].values,
            one.table.columns["sample_rate"].values,
            strict=True,
        )
    ]
    return float(min(10.0, max(0.1, np.ceil(10 * np.quantile(found, 0.95)) / 10)))
