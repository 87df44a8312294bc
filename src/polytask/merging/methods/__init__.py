"""The methods of merging. One file each."""

from polytask.merging.method import Method
from polytask.registry import Registry

__all__ = ["METHODS"]

METHODS: Registry[Method] = Registry(
    "merge method",
    {
        "average": "polytask.merging.methods.average:Average",
        "linear": "polytask.merging.methods.linear:Linear",
        "slerp": "polytask.merging.methods.slerp:Slerp",
        "task_arithmetic": "polytask.merging.methods.task_arithmetic:TaskArithmetic",
        "ties": "polytask.merging.methods.ties:TIES",
        "dare_linear": "polytask.merging.methods.dare_linear:DARELinear",
        "dare_ties": "polytask.merging.methods.dare_ties:DARETIES",
        "breadcrumbs": "polytask.merging.methods.breadcrumbs:Breadcrumbs",
    },
)
