"""Opening files: existence, gzip and text encoding, with errors that name the file and the line."""

from __future__ import annotations

import codecs
import difflib
import gzip
import zlib
from pathlib import Path

from polytask.errors import InputError

__all__ = ["check_encoding", "existing", "read_bytes", "read_lines", "read_text"]

GZIP_MAGIC = b"\x1f\x8b"


def existing(path: Path | None, *, folder: bool | None = False) -> Path:
    """The path, if there is a file (``folder=True``: a folder; None: either) of that name.

    Raises:
        InputError: no path was given, nothing is there (with the nearest name), or the wrong thing.
    """
    if path is None:
        raise InputError("this source needs a path")
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder{_nearest(path)}")
    if folder is not None and path.is_dir() != folder:
        raise InputError(f"{path}: expected a {'folder' if folder else 'file, this is a folder'}")
    return path


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, decompressed if they are gzip.

    Raises:
        InputError: the file cannot be read, is empty, or its gzip stream is damaged or cut short.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if data.startswith(GZIP_MAGIC):
        data = _decompress(data, path)
    elif data and path.suffix == ".gz":
        raise InputError(f"{path}: is not a gzip file, although its name ends in .gz")
    if not data:
        raise InputError(f"{path}: the file is empty")
    return data


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """The text of a file (gzip too), without a byte order mark.

    Raises:
        InputError: as `read_bytes`, or bytes that are not text in that encoding; names the line.
    """
    data = read_bytes(path)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, {_undecodable(data, error)}") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}, line {line}: a zero byte: this is not a text file in {encoding}")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InputError(f"{path}: the file is empty")
    return text


def read_lines(path: Path, *, encoding: str = "utf-8") -> list[str]:
    """The lines of a text file. Only line feeds end a line, not the other separators of Unicode.

    Raises:
        InputError: as `read_text`.
    """
    text = read_text(path, encoding=encoding).removesuffix("\n")
    return [line.removesuffix("\r") for line in text.split("\n")]


def check_encoding(encoding: str) -> None:
    """Refuse an encoding that Python does not know.

    Raises:
        InputError: unknown encoding.
    """
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(
            f"encoding: unknown encoding {encoding!r} (for example utf-8, latin-1)"
        ) from error


def _nearest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" (the folder {folder} does not exist either)"
    near = difflib.get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1, cutoff=0.3)
    return f"; did you mean {near[0]!r}?" if near else f" (nothing similar is in {folder})"


def _decompress(data: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: the gzip file is damaged or cut short: {error}") from error


def _undecodable(data: bytes, error: UnicodeDecodeError) -> str:
    start = data.rfind(b"\n", 0, error.start) + 1
    line = data.count(b"\n", 0, error.start) + 1
    other = "utf-8" if error.encoding != "utf-8" else "latin-1"
    return (
        f"line {line}: byte 0x{data[error.start]:02x} at position {error.start - start + 1} of the "
        f"line is not {error.encoding} text (perhaps encoding: {other})"
    )
