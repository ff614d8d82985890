"""Models: one file per architecture, and the table that names them."""

from raytrain.models.build import MODELS, create_model
from raytrain.models.classifier import Classifier, Outputs
from raytrain.models.cnn1d import CNN1D
from raytrain.models.cnn2d import CNN2D
from raytrain.models.wdcnn import WDCNN

__all__ = ["CNN1D", "CNN2D", "MODELS", "WDCNN", "Classifier", "Outputs", "create_model"]
