"""Where examples come from: one file per type of source."""

from polytask.data.sources.base import Source
from polytask.registry import Registry

__all__ = ["SOURCES", "Source"]

SOURCES: Registry[Source] = Registry(
    "source",
    {
        "csv": "polytask.data.sources.csv:CSV",
        "tsv": "polytask.data.sources.tsv:TSV",
        "jsonl": "polytask.data.sources.jsonl:JSONL",
        "parquet": "polytask.data.sources.parquet:Parquet",
        "datasets": "polytask.data.sources.datasets:Datasets",
        "conll": "polytask.data.sources.conll:CoNLL",
        "conllu": "polytask.data.sources.conllu:CoNLLU",
        "parallel": "polytask.data.sources.parallel:Parallel",
        "labelled_text": "polytask.data.sources.labelled_text:LabelledText",
        "npz": "polytask.data.sources.npz:NPZ",
        "arff": "polytask.data.sources.arff:ARFF",
        "matlab": "polytask.data.sources.matlab:Matlab",
        "wav": "polytask.data.sources.wav:WAV",
        "images": "polytask.data.sources.images:Images",
        "multidigits": "polytask.data.sources.multidigits:MultiDigits",
        "function": "polytask.data.sources.function:Function",
    },
)
