"""Recordings."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polytask.data.sources.archive import OnCorrupt, decode_all, include_there, name_columns
from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import object_array
from polytask.data.sources.options import check_choice, check_pattern, pattern_of
from polytask.data.sources.packed import CorruptFileError
from polytask.data.table import Table

__all__ = ["WAV"]

ENDINGS = (".wav",)
COLUMNS = ("waveform", "sample_rate", "file")
UNKNOWN_SIZE = 2**32 - 1
"""Written by programs that stream and do not know the size yet."""


@dataclass(frozen=True, kw_only=True)
class WAV(Source):
    r"""Read a zip archive or folder of ``.wav`` files, or one: a row each, ordered by name.

    Columns: ``waveform`` (``float32 [samples]`` from -1 to 1; several channels are averaged),
    ``sample_rate`` in Hz, ``file``, and the named groups of `pattern`.

    Args:
        pattern: regular expression that is searched in the file name (with its folders); its named
            groups become columns. Default: none.
        include: only the files whose name matches this, with ``*`` and ``?``. Default: all.
        corrupt: what to do with a damaged file: ``error``, or ``skip`` it with a warning. Default
            ``error``.

    Raises:
        InputError: an option is wrong; on reading: there is no such file, one is damaged, or its
            name does not match `pattern`.

    Example:
        >>> WAV(pattern=r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<index>\d+)").corrupt
        'error'
    """

    pattern: str | None = None
    include: str = "*"
    corrupt: OnCorrupt = "error"

    def __post_init__(self) -> None:
        check_pattern(self.pattern, reserved=COLUMNS)
        check_choice("corrupt", self.corrupt, OnCorrupt)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one archive or folder; see `Source.read`."""
        found = decode_all(
            path, _decode, endings=ENDINGS, include=self.include, corrupt=self.corrupt
        )
        names = list(found)
        columns = {
            "waveform": object_array(waveform for waveform, _ in found.values()),
            "sample_rate": np.array([rate for _, rate in found.values()], dtype=np.int64),
            "file": object_array(names),
            **name_columns(names, self.pattern, origin=str(path), like=like),
        }
        return checked_table(columns, str(path))

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Names need not match `include`, nor a `pattern` for targets; see `Source.for_inputs`."""
        include = include_there(path, ENDINGS, self.include)
        return replace(self, include=include, pattern=pattern_of(self.pattern, columns))


def _decode(data: bytes) -> tuple[np.ndarray, int]:
    from scipy.io import wavfile

    _check_size(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # further chunks, such as LIST
            rate, samples = wavfile.read(io.BytesIO(data))
    except Exception as error:  # scipy fails in many ways on damaged files
        raise CorruptFileError(f"not a wav file, or damaged: {error}") from error
    if not len(samples):
        raise CorruptFileError("there are no samples in it")
    waveform = _scaled(samples)
    return (waveform if waveform.ndim == 1 else waveform.mean(axis=1, dtype=np.float32)), int(rate)


def _check_size(data: bytes) -> None:
    """The header says how long the file is; scipy does not mind if it is cut short."""
    if data[:4] not in (b"RIFF", b"RIFX") or len(data) < 12:
        raise CorruptFileError("not a wav file")
    order = "<u4" if data[:4] == b"RIFF" else ">u4"
    size = int(np.frombuffer(data[4:8], dtype=order)[0])
    if size != UNKNOWN_SIZE and size + 8 > len(data):
        raise CorruptFileError(f"is cut short: {len(data)} of {size + 8} bytes")


def _scaled(samples: np.ndarray) -> np.ndarray:
    """From -1 to 1; integers of 24 bits come as 32."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
