"""Objectives: what one training step minimises."""

from raytrain.objectives.build import create_objective
from raytrain.objectives.contrastive import Contrastive
from raytrain.objectives.distillation import Distillation
from raytrain.objectives.multi_view import MultiView
from raytrain.objectives.physics_informed import PhysicsInformed
from raytrain.objectives.supervised import Supervised

__all__ = ["Contrastive", "Distillation", "MultiView", "PhysicsInformed", "Supervised", "create_objective"]
