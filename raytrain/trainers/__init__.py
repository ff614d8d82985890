"""The familiar trainers: presets that assemble parts for the one training loop."""

from raytrain.engine.comparison import compare_teacher_student
from raytrain.trainers.cnn import CNNTrainer
from raytrain.trainers.mixed_precision import MixedPrecisionTrainer
from raytrain.trainers.progressive_resizing import ProgressiveResizingTrainer
from raytrain.trainers.spectrogram import SpectrogramTrainer
from raytrain.trainers.trainer import Trainer

__all__ = [
    "CNNTrainer",
    "MixedPrecisionTrainer",
    "ProgressiveResizingTrainer",
    "SpectrogramTrainer",
    "Trainer",
    "compare_teacher_student",
]
