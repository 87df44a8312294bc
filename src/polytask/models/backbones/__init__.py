"""Backbones: what reads the input. One file each."""

from polytask.models.backbones.base import Backbone, BackboneOptions
from polytask.models.backbones.module import ModuleBackbone
from polytask.registry import Registry

__all__ = ["BACKBONES", "Backbone", "BackboneOptions", "ModuleBackbone"]

BACKBONES: Registry[BackboneOptions] = Registry(
    "backbone",
    {
        "audio": "polytask.models.backbones.audio:AudioOptions",
        "linear": "polytask.models.backbones.tabular:Linear",
        "mlp": "polytask.models.backbones.tabular:MLPOptions",
        "resnet": "polytask.models.backbones.resnet:ResNetOptions",
        "transformer": "polytask.models.backbones.transformer:TransformerOptions",
    },
)
