"""Output types: what kind of thing a task predicts. One file each."""

from polytask.registry import Registry
from polytask.tasks.outputs.base import HeadOptions, Output
from polytask.tasks.outputs.classification import Classification
from polytask.tasks.outputs.multi_label import MultiLabel
from polytask.tasks.outputs.ordinal import Ordinal
from polytask.tasks.outputs.regression import Regression
from polytask.tasks.outputs.tagging import Tagging

__all__ = [
    "OUTPUTS",
    "Classification",
    "HeadOptions",
    "MultiLabel",
    "Ordinal",
    "Output",
    "Regression",
    "Tagging",
]

OUTPUTS: Registry[Output] = Registry(
    "output",
    {
        "classification": "polytask.tasks.outputs.classification:Classification",
        "multi_label": "polytask.tasks.outputs.multi_label:MultiLabel",
        "regression": "polytask.tasks.outputs.regression:Regression",
        "ordinal": "polytask.tasks.outputs.ordinal:Ordinal",
        "tagging": "polytask.tasks.outputs.tagging:Tagging",
    },
)
