from __future__ import annotations

import pytest

from raytrain.cli.options import parse_where
from raytrain.errors import ConfigError


def test_values_of_a_field_add_up() -> None:
    assert parse_where(["severity=7, 14", "label=OR007@6", "severity=21 mil"]) == {
        "severity": ["7", "14", "21 mil"],
        "label": ["OR007@6"],
    }
    assert parse_where([]) == {}


@pytest.mark.parametrize("condition", ["severity", "severity=", "=7", "severity= ,", ""])
def test_what_is_no_condition_is_refused(condition: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_where([condition])
    assert str(caught.value) == f"--where {condition}: expected field=value,value, for example severity=7,14"
