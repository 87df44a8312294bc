"""Molecules as fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from polytask.data.inputs.base import Input
from polytask.data.inputs.text import text_of
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Dense, Field, TextEncoder

__all__ = ["Smiles"]


@dataclass(frozen=True, kw_only=True)
class Smiles(Input):
    """Molecules written as SMILES, turned into Morgan (ECFP) fingerprints; needs rdkit.

    Args:
        column: the column of the SMILES.
        radius: bonds around each atom; 2 is ECFP4.
        bits: length of the fingerprint.
        counts: count substructures instead of marking them.
        invalid: what a SMILES that cannot be read is: an ``error``, or ``zero`` for an empty
            fingerprint.

    Raises:
        InputError: rdkit is not installed, a SMILES cannot be read, or a number is out of range.
    """

    column: str = "smiles"
    radius: int = 2
    bits: int = 1024
    counts: bool = False
    invalid: Literal["error", "zero"] = "error"

    def __post_init__(self) -> None:
        if self.radius < 0 or self.bits < 1:
            raise InputError(
                f"smiles: radius must be at least 0 and bits at least 1, got {self.radius} and "
                f"{self.bits}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def encode(self, table: Table, text: TextEncoder | None = None) -> dict[str, Field]:
        return {"numeric": Dense(torch.from_numpy(self._fingerprints(table)))}

    def shapes(self) -> Mapping[str, Any]:
        return {"numeric": self.bits, "categorical": []}

    def _fingerprints(self, table: Table) -> np.ndarray:
        """``[N, bits]`` float32."""
        try:
            from rdkit import Chem, rdBase
            from rdkit.Chem import rdFingerprintGenerator
        except ImportError as error:
            raise InputError("SMILES need rdkit: pip install 'polytask[chem]'") from error
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=self.radius, fpSize=self.bits)
        plain, counted = generator.GetFingerprintAsNumPy, generator.GetCountFingerprintAsNumPy
        make = counted if self.counts else plain
        prints = np.zeros((len(table), self.bits), dtype=np.float32)
        with rdBase.BlockLogs():
            for row, smiles in enumerate(text_of(table, self.column)):
                molecule = Chem.MolFromSmiles(smiles)
                if molecule is not None and molecule.GetNumAtoms():
                    prints[row] = make(molecule)
                elif self.invalid == "error":
                    raise InputError(
                        f"{table.place(row)}: column {self.column!r}: {smiles!r} is no SMILES that "
                        "rdkit can read; set invalid: zero to use an empty fingerprint"
                    )
        return prints
