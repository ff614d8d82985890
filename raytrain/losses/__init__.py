"""Losses: one file per loss, a pure function and a thin module, and the table that names them."""

from raytrain.losses.build import LOSSES, create_criterion
from raytrain.losses.class_weights import compute_class_weights
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.distillation import DistillationLoss
from raytrain.losses.focal import FocalLoss
from raytrain.losses.loss_data import LossData
from raytrain.losses.supcon import SupConLoss

__all__ = [
    "LOSSES",
    "ContrastiveCrossEntropy",
    "DistillationLoss",
    "FocalLoss",
    "LabelSmoothingCrossEntropy",
    "LossData",
    "SupConLoss",
    "compute_class_weights",
    "create_criterion",
]
