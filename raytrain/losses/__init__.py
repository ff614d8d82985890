"""Losses: one file per loss, a pure function and a thin module, and the table that names them."""

from raytrain.losses.build import create_criterion, create_distillation, create_physics
from raytrain.losses.class_weights import compute_class_weights
from raytrain.losses.consistency import create_consistency
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.distillation import DistillationLoss, SoftTargets, create_soft_targets
from raytrain.losses.focal import FocalLoss
from raytrain.losses.frequency_consistency import FrequencyConsistencyLoss
from raytrain.losses.loss_data import LossData
from raytrain.losses.physical_constraint import PhysicalConstraintLoss
from raytrain.losses.physics_informed import PhysicsInformedLoss
from raytrain.losses.physics_terms import PhysicsTerms
from raytrain.losses.sommerfeld_consistency import SommerfeldConsistencyLoss
from raytrain.losses.supcon import SupConLoss
from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss

__all__ = [
    "ContrastiveCrossEntropy",
    "DistillationLoss",
    "FocalLoss",
    "FrequencyConsistencyLoss",
    "LabelSmoothingCrossEntropy",
    "LossData",
    "PhysicalConstraintLoss",
    "PhysicsInformedLoss",
    "PhysicsTerms",
    "SoftTargets",
    "SommerfeldConsistencyLoss",
    "SupConLoss",
    "TemporalSmoothnessLoss",
    "compute_class_weights",
    "create_consistency",
    "create_criterion",
    "create_distillation",
    "create_physics",
    "create_soft_targets",
]
