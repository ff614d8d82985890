"""What libraries advise in a notebook when they are imported, left out."""

from __future__ import annotations

import logging
import warnings

__all__ = ["leave_out_advice"]


def leave_out_advice() -> None:
    """Keep Ray and Optuna from asking for ipywidgets, which nothing here needs.

    Both do it when they are imported, so this comes before. Ray logs it, and Optuna's progress bar, tqdm, warns.
    """
    logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="IProgress not found")
