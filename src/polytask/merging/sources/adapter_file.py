"""What the tensors of an adapter file are: factors of modules, and whole tensors.

Names in the file, after ``base_model.model.``: ``<module>.lora_A.weight`` (rank x input),
``<module>.lora_B.weight`` (output x rank), for embeddings ``<module>.lora_embedding_A`` (rank x
tokens) and ``<module>.lora_embedding_B`` (width x rank), for DoRA
``<module>.lora_magnitude_vector``. All others are whole tensors of the model: heads, biases, and
``<module>.base_layer.weight`` under factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from polytask.errors import InputError

__all__ = ["PREFIX", "Content", "Factors", "read_names"]

PREFIX = "base_model.model."

ROLES = {
    "lora_A.weight": "down",
    "lora_B.weight": "up",
    "lora_embedding_A": "down",
    "lora_embedding_B": "up",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
    "lora_B.bias": "bias",
}
"""End of a name -> what the tensor is."""

REFUSED = ("lora_", "trainable_tokens", "token_adapter", "prompt")
"""Parts of names of tensors that are no weights of the model."""


@dataclass(frozen=True)
class Factors:
    """The names, in the file, of what belongs to one module.

    Args:
        down: A, from the input to the rank.
        up: B, from the rank to the output.
        magnitude: of DoRA.
        bias: of B.
        embedding: whether the module is an embedding.
    """

    down: str
    up: str
    magnitude: str | None
    bias: str | None
    embedding: bool


@dataclass(frozen=True)
class Content:
    """What is in an adapter file.

    Args:
        factors: module -> its factors.
        whole: tensor of the model -> its name in the file.
    """

    factors: Mapping[str, Factors] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)


def read_names(label: str, names: Iterable[str]) -> Content:
    """Sort the tensors of an adapter.

    Raises:
        InputError: one is not of a LoRA adapter, or a factor is missing.
    """
    found: dict[str, dict[str, str]] = {}
    whole: dict[str, str] = {}
    for key in names:
        if not key.startswith(PREFIX):
            raise InputError(f"{label}: tensor {key!r}: in an adapter names begin with {PREFIX!r}")
        name = key.removeprefix(PREFIX)
        module, role = _role(name)
        if role is not None:
            found.setdefault(module, {})[role] = key
        elif any(part in name for part in REFUSED):
            raise InputError(f"{label}: tensor {key!r}: such an adapter cannot be merged")
        else:
            whole[name.replace(".base_layer.", ".")] = key
    return Content({module: _factors(label, module, found[module]) for module in found}, whole)


def _role(name: str) -> tuple[str, str | None]:
    """The module of a factor, and what the factor is."""
    for end, role in ROLES.items():
        if name.endswith(f".{end}"):
            return name.removesuffix(f".{end}"), role
    return name, None


def _factors(label: str, module: str, keys: Mapping[str, str]) -> Factors:
    for role, name in (("down", "A"), ("up", "B")):
        if role not in keys:
            raise InputError(f"{label}: module {module!r}: its factor {name} is missing")
    return Factors(
        down=keys["down"],
        up=keys["up"],
        magnitude=keys.get("magnitude"),
        bias=keys.get("bias"),
        embedding=keys["down"].endswith("lora_embedding_A"),
    )
