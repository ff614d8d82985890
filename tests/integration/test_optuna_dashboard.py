"""optuna-dashboard, opened on a study of ours in a real browser, shows the states that the study has."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import optuna_dashboard
import pytest
from optuna.trial import TrialState
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import begin_trial
from raytrain.tuning.recorded_study import create_study, load_study
from raytrain.tuning.recorded_trials import report_value
from raytrain.tuning.storage import open_storage
from raytrain.tuning.storage_location import StudyLocation, locate

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


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> StudyLocation:
    """A study with trials that ended in every way, as the searcher records them."""
    location = locate(None, tmp_path_factory.mktemp("run"), "quick")
    study = create_study(SPACE, location)
    for state, count in COUNTS.items():
        for number in range(count):
            record(study, state, number)
    return location


@pytest.fixture
def study(location: StudyLocation) -> optuna.Study:
    return load_study(location)


@pytest.fixture(scope="module")
def page(location: StudyLocation) -> Iterator[str]:
    """Address of a dashboard on the study."""
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
        study.tell(trial, 0.75 + number / 50 if state is TrialState.COMPLETE else None, state)


def states_on(text: str) -> Counter[str]:
    """Return how often the page's list of trials shows each state: the line below each trial's name."""
    return Counter(state.upper() for state in re.findall(r"^Trial \d+\n(\w+)$", text, re.MULTILINE))


def text_of(browser: Any, address: str, *, once: str) -> str:  # noqa: ANN401 - selenium's driver
    """Return the text of a page as soon as it contains `once`."""
    browser.get(address)

    def text(window: Any) -> str:  # noqa: ANN401
        return str(window.find_element(By.TAG_NAME, "body").text)

    # A page that draws itself anew takes its elements away while they are read.
    wait = WebDriverWait(browser, 60, ignored_exceptions=[StaleElementReferenceException, NoSuchElementException])
    wait.until(lambda window: once in text(window))
    return text(browser)


def test_the_counts_on_the_page_are_the_studys(page: str, browser: Any, study: optuna.Study) -> None:  # noqa: ANN401
    text = text_of(browser, f"{page}/studies/0/trials", once=f"Trial {len(study.trials) - 1}\n")
    assert f"{len(study.trials)} Trials" in text
    assert states_on(text) == Counter(trial.state.name for trial in study.trials)
    assert states_on(text) == {state.name: count for state, count in COUNTS.items()}


def test_a_failed_trial_shows_its_reason_and_a_pruned_one_its_curve(page: str, browser: Any) -> None:  # noqa: ANN401
    failed = text_of(browser, f"{page}/studies/0/trials?numbers=7", once="Trial 7 (")
    assert "the trial raised an error" in failed
    pruned = text_of(browser, f"{page}/studies/0/trials?numbers=4", once="Trial 4 (")
    assert "5 0.75" in pruned


def test_the_figures_are_drawn_and_named_by_the_metric(page: str, browser: Any) -> None:  # noqa: ANN401
    text = text_of(browser, f"{page}/studies/0", once="optimizer.lr")
    assert "val/macro_f1" in text
    assert "Failed to load" not in text
