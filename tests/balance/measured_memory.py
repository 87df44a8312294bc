"""How many bytes of tensors are held at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_bytes"]


class Held(TorchDispatchMode):
    """Follows every storage that an operation makes until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._held: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        given = {_storage(x)._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        found = func(*args, **(kwargs or {}))
        self._held = {key: item for key, item in self._held.items() if not item[0].expired()}
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor) and _storage(tensor)._cdata not in given:
                storage = _storage(tensor)
                self._held[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.peak = max(self.peak, sum(size for _, size in self._held.values()))
        return found


def peak_bytes(work: Callable[[], object]) -> int:
    """The most bytes that tensors made during some work hold at a time.

    What an operation needs while it runs, and frees itself, is not counted.
    """
    with Held() as held:
        work()
    return held.peak


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
