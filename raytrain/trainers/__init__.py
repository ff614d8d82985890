"""The familiar trainers: presets that assemble parts for the one training loop."""

from raytrain.engine.comparison import compare_teacher_student
from raytrain.trainers.cnn import CNNTrainer
from raytrain.trainers.distillation import DistillationTrainer
from raytrain.trainers.mixed_precision import MixedPrecisionTrainer
from raytrain.trainers.multi_tfr import MultiTFRTrainer
from raytrain.trainers.physics_informed import PINNTrainer
from raytrain.trainers.progressive_resizing import ProgressiveResizingTrainer
from raytrain.trainers.spectrogram import SpectrogramTrainer
from raytrain.trainers.trainer import Trainer

__all__ = [
    "CNNTrainer",
    "DistillationTrainer",
    "MixedPrecisionTrainer",
    "MultiTFRTrainer",
    "PINNTrainer",
    "ProgressiveResizingTrainer",
    "SpectrogramTrainer",
    "Trainer",
    "compare_teacher_student",
]
