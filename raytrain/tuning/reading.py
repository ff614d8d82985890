"""A sweep's Optuna study, opened to read only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from raytrain.errors import ConfigError, RunError

__all__ = ["read_study"]


class _ReadOnlyJournal(JournalFileBackend):
    """A journal that refuses to be added to."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:  # noqa: ARG002 - the backend's
        raise RunError("this study is opened to read only; `raytrain tune --resume` goes on with it")


def read_study(journal: Path) -> optuna.Study:
    """Return the one study of a journal file; whatever would change it raises `RunError`.

    Raises:
        ConfigError: There is no such file, or no study in it.
    """
    if not journal.is_file():
        raise ConfigError(f"{journal}: no such journal; the study is where `search.storage` put it, if it was given")
    storage = JournalStorage(_ReadOnlyJournal(str(journal)))
    names = [study.study_name for study in storage.get_all_studies()]
    if not names:
        raise ConfigError(f"{journal}: holds no study; the sweep ended before its first trial")
    return optuna.load_study(study_name=names[-1], storage=storage)
