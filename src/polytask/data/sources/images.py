"""Pictures."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from polytask.data.sources.archive import OnCorrupt, decode_all, include_there, name_columns
from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import fit, object_array
from polytask.data.sources.kinds import at_names
from polytask.data.sources.options import check_choice, check_pattern, pattern_of
from polytask.data.sources.packed import CorruptFileError
from polytask.data.table import Table
from polytask.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Images"]

ENDINGS = (".png", ".jpg", ".jpeg")
Resample = Literal["bilinear", "nearest"]
MODES = {"1": "L", "L": "L", "P": "P", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA"}
"""Mode of a file -> mode that is read; all have 8 bits per channel."""


@dataclass(frozen=True, kw_only=True)
class Images(Source):
    """Read a zip archive or folder of PNG and JPEG files, or one: a row each, ordered by name.

    Columns: ``image`` (``uint8 [N, height, width, channels]``), ``file``, and the named groups of
    `pattern`. A picture with a palette (as in segmentation maps) gives palette positions.

    Args:
        pattern: regular expression that is searched in the file name (with its folders); its named
            groups become columns. Default: none.
        include: only the files whose name matches this, with ``*`` and ``?``. Default: all.
        size: ``(height, width)`` to which every picture is resized. Default: as they are.
        resample: how to resize; ``nearest`` for maps of labels. Default ``bilinear``.
        corrupt: what to do with a damaged file: ``error``, or ``skip`` it with a warning. Default
            ``error``.

    Raises:
        InputError: an option is wrong; on reading: there is no such file, one is damaged, has more
            than 8 bits per channel or another size or number of channels than the first, or its
            name does not match `pattern`.

    Example:
        >>> Images(include="trainannot/*.png", size=(60, 80), resample="nearest").size
        (60, 80)
    """

    pattern: str | None = None
    include: str = "*"
    size: tuple[int, int] | None = None
    resample: Resample = "bilinear"
    corrupt: OnCorrupt = "error"

    def __post_init__(self) -> None:
        check_pattern(self.pattern, reserved=("image", "file"))
        check_choice("corrupt", self.corrupt, OnCorrupt)
        check_choice("resample", self.resample, Resample)
        if self.size is not None and min(self.size) < 1:
            raise InputError(f"size: expected [height, width] of at least 1, got {self.size}")

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one archive or folder; see `Source.read`."""
        found = decode_all(
            path, self._decode, endings=ENDINGS, include=self.include, corrupt=self.corrupt
        )
        names = list(found)
        _check_shapes(found, str(path))
        place = at_names(str(path), names)
        columns = {
            "image": fit(np.stack(list(found.values())), "image", like=like, place=place),
            "file": object_array(names),
            **name_columns(names, self.pattern, origin=str(path), like=like),
        }
        return checked_table(columns, str(path))

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Names need not match `include`, nor a `pattern` for targets; see `Source.for_inputs`."""
        include = include_there(path, ENDINGS, self.include)
        return replace(self, include=include, pattern=pattern_of(self.pattern, columns))

    def _decode(self, data: bytes) -> np.ndarray:
        from PIL import Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as file:
                    return self._array(file)
        except CorruptFileError:
            raise
        except Exception as error:  # PIL fails in many ways on damaged files
            raise CorruptFileError(f"not a picture, or damaged: {error}") from error

    def _array(self, file: Image.Image) -> np.ndarray:
        from PIL import Image

        if file.mode not in MODES:
            raise CorruptFileError(
                f"cannot use pictures of mode {file.mode} (8 bits per channel only)"
            )
        image = file.convert(MODES[file.mode])
        if self.size is not None:
            method = Image.Resampling[self.resample.upper()]
            image = image.resize((self.size[1], self.size[0]), method)
        pixels = np.asarray(image, dtype=np.uint8)
        return pixels[..., None] if pixels.ndim == 2 else pixels


def _check_shapes(found: dict[str, np.ndarray], origin: str) -> None:
    first = next(iter(found.values())).shape
    for name, image in found.items():
        if image.shape != first:
            wanted = f"expected (height, width, channels) {first}, as the first picture"
            hint = "" if image.shape[2] != first[2] else "; the option 'size' resizes"
            raise InputError(f"{origin}: {name}: {wanted}, got {image.shape}{hint}")
