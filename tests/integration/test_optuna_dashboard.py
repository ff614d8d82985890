"""optuna-dashboard, opened on a study of ours in a real browser, shows the states that the study has."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import optuna_dashboard
import pytest
from optuna.trial import TrialState
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import begin_trial
from raytrain.tuning.recorded_study import create_study
from raytrain.tuning.recorded_trials import report_value
from raytrain.tuning.storage import open_storage
from raytrain.tuning.storage_location import locate

SPACE = SpaceConfig.model_validate(
    {
        "name": "trying",
        "parameters": {
            "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1.0},
            "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
        },
    }
)
COUNTS = {TrialState.COMPLETE: 4, TrialState.PRUNED: 3, TrialState.FAIL: 2, TrialState.RUNNING: 1}


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002, ANN401 - its signature
        pass


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """Address of a dashboard on a study with trials that ended in every way, as the searcher records them."""
    location = locate(None, tmp_path, "quick")
    study = create_study(SPACE, location)
    for state, count in COUNTS.items():
        for number in range(count):
            record(study, state, number)
    app = optuna_dashboard.wsgi(open_storage(location, writing=False))
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/dashboard"
        server.shutdown()
        thread.join()


def record(study: optuna.Study, state: TrialState, number: int) -> None:
    trial = begin_trial(study, SPACE, {"optimizer.lr": 10.0 ** -(number + 1), "model.name": "wdcnn"}, {"seed": number})
    if state is TrialState.FAIL:
        trial.set_user_attr("failure", "the trial raised an error")
        study.tell(trial, state=state)
        return
    for epoch in range(1, 6):
        report_value(trial, epoch, 0.5 + epoch / 20 + number / 50)
    if state.is_finished():
        study.tell(trial, 0.75 if state is TrialState.COMPLETE else None, state)


def test_the_counts_on_the_page_are_the_studys(page: str, browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    browser.get(f"{page}/studies/0/trials")
    wait = WebDriverWait(browser, 60)
    browser.save_screenshot("/tmp/storage-dash1.png")
    wait.until(lambda one: "Trial 9" in one.find_element(By.TAG_NAME, "body").text)
    browser.save_screenshot("/tmp/storage-dash.png")
    print(browser.find_element(By.TAG_NAME, "body").text)
    assert 0
