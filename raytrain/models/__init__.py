"""Models: one file per architecture, and the table that names them."""

from raytrain.models.build import MODELS, create_model
from raytrain.models.classifier import Classifier, Outputs
from raytrain.models.cnn1d import CNN1D
from raytrain.models.cnn2d import CNN2D
from raytrain.models.cnn_lstm import CNNLSTM
from raytrain.models.multi_scale_cnn import MultiScaleCNN
from raytrain.models.multi_view import MultiViewNet, SharedViews
from raytrain.models.patch_transformer import PatchTransformer
from raytrain.models.physics_hybrid import PhysicsHybrid
from raytrain.models.resnet1d import ResNet1D
from raytrain.models.resnet2d import ResNet2D
from raytrain.models.ticnn import TICNN
from raytrain.models.wdcnn import WDCNN

__all__ = [
    "CNN1D",
    "CNN2D",
    "CNNLSTM",
    "MODELS",
    "TICNN",
    "WDCNN",
    "Classifier",
    "MultiScaleCNN",
    "MultiViewNet",
    "Outputs",
    "PatchTransformer",
    "PhysicsHybrid",
    "ResNet1D",
    "ResNet2D",
    "SharedViews",
    "create_model",
]
