"""What is shared and what is private?"""

from polytask.models.backbones import BACKBONES, Backbone, BackboneOptions, ModuleBackbone
from polytask.models.features import Features
from polytask.models.model import MultiTaskModel
from polytask.models.sharing import SHARING, Sharing, SharingOptions

__all__ = [
    "BACKBONES",
    "SHARING",
    "Backbone",
    "BackboneOptions",
    "Features",
    "ModuleBackbone",
    "MultiTaskModel",
    "Sharing",
    "SharingOptions",
]
