"""Whether parameters are cut into shards (FSDP2), known without importing what cuts them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from polytask.errors import InputError

__all__ = ["check_kept", "is_sharded"]


def is_sharded(parameters: Sequence[Tensor]) -> bool:
    """Whether any of these parameters is cut into shards.

    Nothing is where the module that does so, which takes long to import, was not imported.
    """
    module: Any = sys.modules.get("torch.distributed.tensor")
    return module is not None and any(isinstance(p, module.DTensor) for p in parameters)


def check_kept(parameters: Sequence[Tensor]) -> None:
    """Refuse what ``fully_shard`` puts in the place of shards for a pass alone.

    Raises:
        InputError: a parameter lost its numbers in the backward pass.
    """
    if "torch.distributed.fsdp" not in sys.modules:
        return
    whole = [p for p in parameters if not is_sharded([p])]
    if any(p.numel() and not p.untyped_storage().size() for p in whole):
        raise InputError(
            "balance: shared or own holds parameters that fully_shard had gathered for this step; "
            "list them before the forward pass: shared = list(trunk.parameters())"
        )
