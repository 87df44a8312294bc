"""The methods, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.balance.balancer import Balancer
from polytask.balance.methods.aligned_mtl import AlignedMTL
from polytask.balance.methods.bandit_weights import BanditWeights
from polytask.balance.methods.cagrad import CAGrad
from polytask.balance.methods.coba import CoBa
from polytask.balance.methods.config import ConFIG
from polytask.balance.methods.convergence_plateau import ConvergencePlateau
from polytask.balance.methods.cosmos import COSMOS
from polytask.balance.methods.cr_mogm import CRMOGM
from polytask.balance.methods.db_mtl import DBMTL
from polytask.balance.methods.dual_proj import DualProj
from polytask.balance.methods.dwa import DWA
from polytask.balance.methods.equal import Equal
from polytask.balance.methods.excess_mtl import ExcessMTL
from polytask.balance.methods.fair_grad import FairGrad
from polytask.balance.methods.famo import FAMO
from polytask.balance.methods.focal import Focal
from polytask.balance.methods.geometric_mean import GeometricMean
from polytask.balance.methods.go4align import GO4Align
from polytask.balance.methods.grad_drop import GradDrop
from polytask.balance.methods.grad_norm import GradNorm
from polytask.balance.methods.grad_vac import GradVac
from polytask.balance.methods.imtl import IMTL
from polytask.balance.methods.imtl_g import IMTLG
from polytask.balance.methods.imtl_l import IMTLL
from polytask.balance.methods.krum import Krum
from polytask.balance.methods.log_outputs import LogOutputs
from polytask.balance.methods.mgda import MGDA
from polytask.balance.methods.moco import MoCo
from polytask.balance.methods.modo import MoDo
from polytask.balance.methods.momentum_config import MomentumConFIG
from polytask.balance.methods.nash_mtl import NashMTL
from polytask.balance.methods.ntkmtl import NTKMTL
from polytask.balance.methods.pbi import PBI
from polytask.balance.methods.pcd import PCD
from polytask.balance.methods.pcgrad import PCGrad
from polytask.balance.methods.pivrg import PIVRG
from polytask.balance.methods.rlw import RLW
from polytask.balance.methods.scale_invariant import ScaleInvariant
from polytask.balance.methods.sdmgrad import SDMGrad
from polytask.balance.methods.static import Static
from polytask.balance.methods.stch import STCH
from polytask.balance.methods.task_normalised import TaskNormalised
from polytask.balance.methods.trimmed_mean import TrimmedMean
from polytask.balance.methods.uncertainty import UncertaintyWeighting
from polytask.balance.methods.upgrad import UPGrad
from polytask.registry import Registry

__all__ = [
    "BALANCERS",
    "COSMOS",
    "CRMOGM",
    "DBMTL",
    "DWA",
    "FAMO",
    "IMTL",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "NTKMTL",
    "PBI",
    "PCD",
    "PIVRG",
    "RLW",
    "STCH",
    "AlignedMTL",
    "BanditWeights",
    "CAGrad",
    "CoBa",
    "ConFIG",
    "ConvergencePlateau",
    "DualProj",
    "Equal",
    "ExcessMTL",
    "FairGrad",
    "Focal",
    "GO4Align",
    "GeometricMean",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "Krum",
    "LogOutputs",
    "MoCo",
    "MoDo",
    "MomentumConFIG",
    "NashMTL",
    "PCGrad",
    "SDMGrad",
    "ScaleInvariant",
    "Static",
    "TaskNormalised",
    "TrimmedMean",
    "UPGrad",
    "UncertaintyWeighting",
    "get",
]

BALANCERS: Registry[Balancer] = Registry(
    "balancing method",
    {
        "equal": "polytask.balance.methods.equal:Equal",
        "uncertainty": "polytask.balance.methods.uncertainty:UncertaintyWeighting",
        "dwa": "polytask.balance.methods.dwa:DWA",
        "static": "polytask.balance.methods.static:Static",
        "rlw": "polytask.balance.methods.rlw:RLW",
        "geometric_mean": "polytask.balance.methods.geometric_mean:GeometricMean",
        "scale_invariant": "polytask.balance.methods.scale_invariant:ScaleInvariant",
        "imtl_l": "polytask.balance.methods.imtl_l:IMTLL",
        "stch": "polytask.balance.methods.stch:STCH",
        "famo": "polytask.balance.methods.famo:FAMO",
        "coba": "polytask.balance.methods.coba:CoBa",
        "go4align": "polytask.balance.methods.go4align:GO4Align",
        "pbi": "polytask.balance.methods.pbi:PBI",
        "log_outputs": "polytask.balance.methods.log_outputs:LogOutputs",
        "focal": "polytask.balance.methods.focal:Focal",
        "task_normalised": "polytask.balance.methods.task_normalised:TaskNormalised",
        "bandit_weights": "polytask.balance.methods.bandit_weights:BanditWeights",
        "convergence_plateau": "polytask.balance.methods.convergence_plateau:ConvergencePlateau",
        "mgda": "polytask.balance.methods.mgda:MGDA",
        "pcgrad": "polytask.balance.methods.pcgrad:PCGrad",
        "cagrad": "polytask.balance.methods.cagrad:CAGrad",
        "nash_mtl": "polytask.balance.methods.nash_mtl:NashMTL",
        "upgrad": "polytask.balance.methods.upgrad:UPGrad",
        "grad_norm": "polytask.balance.methods.grad_norm:GradNorm",
        "grad_drop": "polytask.balance.methods.grad_drop:GradDrop",
        "grad_vac": "polytask.balance.methods.grad_vac:GradVac",
        "imtl_g": "polytask.balance.methods.imtl_g:IMTLG",
        "aligned_mtl": "polytask.balance.methods.aligned_mtl:AlignedMTL",
        "dual_proj": "polytask.balance.methods.dual_proj:DualProj",
        "pcd": "polytask.balance.methods.pcd:PCD",
        "krum": "polytask.balance.methods.krum:Krum",
        "config": "polytask.balance.methods.config:ConFIG",
        "fair_grad": "polytask.balance.methods.fair_grad:FairGrad",
        "pivrg": "polytask.balance.methods.pivrg:PIVRG",
        "imtl": "polytask.balance.methods.imtl:IMTL",
        "ntkmtl": "polytask.balance.methods.ntkmtl:NTKMTL",
        "excess_mtl": "polytask.balance.methods.excess_mtl:ExcessMTL",
        "moco": "polytask.balance.methods.moco:MoCo",
        "cr_mogm": "polytask.balance.methods.cr_mogm:CRMOGM",
        "db_mtl": "polytask.balance.methods.db_mtl:DBMTL",
        "momentum_config": "polytask.balance.methods.momentum_config:MomentumConFIG",
        "modo": "polytask.balance.methods.modo:MoDo",
        "sdmgrad": "polytask.balance.methods.sdmgrad:SDMGrad",
        "cosmos": "polytask.balance.methods.cosmos:COSMOS",
        "trimmed_mean": "polytask.balance.methods.trimmed_mean:TrimmedMean",
    },
)


def get(name: str, **options: Any) -> Balancer:
    """The balancer of that name, with options.

    Raises:
        InputError: an unknown name or option, or a value that the method refuses.

    Example:
        >>> get("equal")
        Equal(task_gradients=None)
    """
    spec: Mapping[str, Any] = {"type": name, **options}
    return BALANCERS.build(spec, where="balance")
