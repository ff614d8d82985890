from __future__ import annotations

import logging
import warnings

import pytest

from raytrain.distributed.notebook_advice import leave_out_advice


def test_only_the_advice_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    advising = logging.getLogger("ray.widgets.util")
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.INFO):
        warnings.simplefilter("always")
        leave_out_advice()
        warnings.warn("IProgress not found. Please update jupyter and ipywidgets.", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
        advising.info("Missing packages: ['ipywidgets']")
        advising.warning("something else")
    assert [str(one.message) for one in warned] == ["something else"]
    assert not advising.isEnabledFor(logging.INFO)
    assert advising.isEnabledFor(logging.WARNING)
