"""Data sets in files of every format, small, and the same examples as Python values."""

from __future__ import annotations

import gzip
import io
import json
import wave
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

NUMBERS = [[0.5, 3.0], [1.5, -1.0], [2.5, 0.25], [3.5, 2.0]]
GRADES = ["low", "high", "low", "high"]
SENTENCES = [["a", "b"], ["c"], ["d", "a", "b"], ["b", "c"]]
TAGS = [["N", "V"], ["N"], ["V", "N", "V"], ["V", "N"]]
PLACES = ["Köln", "Ulm", "Köln", "Ulm"]
CODES = ["007", "A1", "7", "007"]
Write = Callable[[Path, bool], None]
"""Writes the four examples to a path, with targets or without."""


@dataclass(frozen=True)
class Case:
    """A data set of one recipe, and the same examples as Python values."""

    source: Mapping[str, Any]
    name: str
    input: Mapping[str, Any]
    write: Write
    examples: Sequence[Mapping[str, Any]]
    backbone: str = "linear"
    target: str = "grade"
    output: str = "classification"


def joined(rows: Sequence[Sequence[Any]], delimiter: str) -> str:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def write_semicolons(path: Path, targets: bool) -> None:
    rows = zip([x for x, _ in NUMBERS], PLACES, CODES, GRADES, strict=True)
    header = ["x", "place", "code", "grade"]
    cells = [row[: 4 if targets else 3] for row in (header, *rows)]
    path.write_bytes(joined(cells, "; ").encode("latin-1"))


def write_columns(path: Path, targets: bool) -> None:
    rows = [(i, x, g, y) for i, ((x, y), g) in enumerate(zip(NUMBERS, GRADES, strict=True))]
    path.write_text(joined(rows if targets else NUMBERS, "\t"))


def write_words(path: Path, targets: bool) -> None:
    pairs = [zip(words, tags, strict=True) for words, tags in zip(SENTENCES, TAGS, strict=True)]
    rows = [[f"{w} x {t}" if targets else w for w, t in pair] for pair in pairs]
    path.write_text("# made\n" + "\n\n".join("\n".join(row) for row in rows) + "\n")


def write_treebank(path: Path, targets: bool) -> None:
    rows = [
        [
            [str(k), word, "_", tag if targets else "_", "_", "_", "0" if targets else "_"]
            + ["_"] * 3
            for k, (word, tag) in enumerate(zip(words, tags, strict=True), 1)
        ]
        for words, tags in zip(SENTENCES, TAGS, strict=True)
    ]
    path.write_text("\n".join(joined(row, "\t") for row in rows))


def write_matrices(path: Path, targets: bool) -> None:
    target = {"labels": np.array([[0], [1], [0], [1]])} if targets else {}
    scipy.io.savemat(path, {"data": np.array(NUMBERS), **target})


def write_arrays(path: Path, targets: bool) -> None:
    target = {"y_train": np.array(GRADES)} if targets else {}
    np.savez(path, x_train=np.array(NUMBERS), other=np.zeros(9), **target)


def write_objects(path: Path, targets: bool) -> None:
    rows = [
        {"x": x, "y": y, **({"grade": grade} if targets else {"more": {"nested": [[]]}})}
        for (x, y), grade in zip(NUMBERS, GRADES, strict=True)
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))


def write_parquet(path: Path, targets: bool) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"x": [x for x, _ in NUMBERS], "y": [y for _, y in NUMBERS]}
    parquet.write_table(pa.table({**columns, **({"grade": GRADES} if targets else {})}), path)


def write_relation(path: Path, targets: bool) -> None:
    grade = "@attribute grade {low, high}\n" if targets else ""
    rows = [(*xy, g) if targets else xy for xy, g in zip(NUMBERS, GRADES, strict=True)]
    header = f"@relation r\n@attribute x numeric\n@attribute y numeric\n{grade}@data\n"
    path.write_text(header + joined(rows, ","))


def waves() -> list[np.ndarray]:
    """Four waveforms of 16 bits."""
    return [(np.sin(np.arange(2000) * f) * 8000).astype("<i2") for f in (0.1, 0.5, 0.2, 0.7)]


def write_recordings(path: Path, targets: bool) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for index, (samples, grade) in enumerate(zip(waves(), GRADES, strict=True)):
            sound = io.BytesIO()
            with wave.open(sound, "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(samples.tobytes())
            archive.writestr(f"{index}{f'_{grade}' if targets else ''}.wav", sound.getvalue())


def pictures() -> np.ndarray:
    return np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8) * np.arange(1, 5)[:, None, None]


def write_pictures(path: Path, targets: bool) -> None:
    from PIL import Image

    for index, (picture, grade) in enumerate(zip(pictures(), GRADES, strict=True)):
        folder = path / f"{index}" / (grade if targets else "")
        folder.mkdir(parents=True)
        Image.fromarray(picture.astype(np.uint8)).save(folder / "p.png")


def write_lines(path: Path, targets: bool) -> None:
    path.mkdir()
    (path / "seq.in").write_text(joined(SENTENCES, " "))
    if targets:
        (path / "seq.out").write_text(joined(TAGS, " "))
        (path / "label").write_text(joined([[grade] for grade in GRADES], ""))


FEATURES = {"type": "features", "numeric": ["x", "y"]}
XY = [{"x": x, "y": y} for x, y in NUMBERS]
WORDS = [{"words": words} for words in SENTENCES]
CASES: dict[str, Case] = {
    "csv with semicolons in latin-1": Case(
        {"type": "csv", "delimiter": ";", "encoding": "latin-1", "trim": True, "text": ["grade"]},
        "d.csv",
        {"type": "features", "numeric": ["x"], "categorical": ["place", "code"]},
        write_semicolons,
        [
            {"x": x, "place": place, "code": code}
            for (x, _), place, code in zip(NUMBERS, PLACES, CODES, strict=True)
        ],
    ),
    "tsv without header": Case(
        {"type": "tsv", "names": ["id", "x", "grade", "y"], "quoting": False},
        "d.tsv",
        FEATURES,
        write_columns,
        XY,
    ),
    "conll": Case(
        {"type": "conll", "names": ["words", "_", "tags"], "comment": "#"},
        "d.txt",
        {"type": "words", "column": "words"},
        write_words,
        WORDS,
        backbone="encoder",
        target="tags",
        output="tagging",
    ),
    "conllu": Case(
        {"type": "conllu"},
        "d.conllu",
        {"type": "words", "column": "form"},
        write_treebank,
        [{"form": words} for words in SENTENCES],
        backbone="encoder",
        target="upos",
        output="tagging",
    ),
    "matlab": Case(
        {"type": "matlab", "features": "data", "target": "labels"},
        "d.mat",
        {"type": "features", "numeric": ["x0", "x1"]},
        write_matrices,
        [{"x0": x, "x1": y} for x, y in NUMBERS],
        target="y",
    ),
    "npz": Case(
        {"type": "npz", "columns": {"x": "x_train", "grade": "y_train"}},
        "d.npz",
        {"type": "features", "numeric": ["x"]},
        write_arrays,
        [{"x": np.array(xy)} for xy in NUMBERS],
    ),
    "jsonl.gz": Case({"type": "jsonl"}, "d.jsonl.gz", FEATURES, write_objects, XY),
    "parquet": Case(
        {"type": "parquet", "columns": ["grade", "y", "x"]},
        "d.parquet",
        FEATURES,
        write_parquet,
        XY,
    ),
    "arff": Case({"type": "arff"}, "d.arff", FEATURES, write_relation, XY),
    "wav archive": Case(
        {"type": "wav", "pattern": "_(?P<grade>[a-z]+)"},
        "d.zip",
        {"type": "waveform"},
        write_recordings,
        [{"waveform": samples / 2**15, "sample_rate": 8000} for samples in waves()],
        backbone="audio",
    ),
    "folder of pictures": Case(
        {"type": "images", "pattern": "(?P<grade>[a-z]+)/p"},
        "pictures",
        {"type": "image"},
        write_pictures,
        [{"image": picture.astype(np.uint8)} for picture in pictures()],
        backbone="resnet",
    ),
    "parallel files": Case(
        {
            "type": "parallel",
            "files": {"words": "seq.in", "tags": "seq.out", "intent": "label"},
            "split_words": ["words", "tags"],
        },
        "lines",
        {"type": "words", "column": "words"},
        write_lines,
        WORDS,
        backbone="encoder",
        target="tags",
        output="tagging",
    ),
}
