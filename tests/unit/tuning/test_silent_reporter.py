from __future__ import annotations

import pytest

from raytrain.tuning.silent_reporter import SilentReporter


@pytest.mark.parametrize("done", [True, False])
def test_it_never_asks_to_report(done: bool) -> None:
    assert SilentReporter().should_report([], done=done) is False


def test_it_reports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = SilentReporter()
    reporter.setup(start_time=0.0, total_samples=4, metric="val/macro_f1", mode="max")
    reporter.report([], True, "scheduler", "resources")
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
