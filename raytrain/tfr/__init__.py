"""Time-frequency transforms: batched on the signal's device, differentiable, with axes in hertz and seconds."""

from raytrain.tfr.build import IMAGES, TRANSFORMS, create_transform
from raytrain.tfr.cache import CachedImages
from raytrain.tfr.scale import Scale
from raytrain.tfr.short_time_fourier import Stft, stft
from raytrain.tfr.smoothed_wigner_ville import SmoothedPseudoWvd, smoothed_pseudo_wvd
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.tfr.views import Views
from raytrain.tfr.wavelet import Cwt, cwt
from raytrain.tfr.wigner_ville import Wvd, wvd

__all__ = [
    "IMAGES",
    "TRANSFORMS",
    "CachedImages",
    "Cwt",
    "Scale",
    "SmoothedPseudoWvd",
    "Stft",
    "TimeFrequencyTransform",
    "Views",
    "Wvd",
    "create_transform",
    "cwt",
    "smoothed_pseudo_wvd",
    "stft",
    "wvd",
]
