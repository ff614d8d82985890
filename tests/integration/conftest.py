"""Servers and programs that some of these tests need: PostgreSQL, a browser. Without them they are skipped, loudly."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

NO_POSTGRESQL = "POSTGRESQL NOT TESTED: install PostgreSQL (Debian: apt-get install postgresql)"
NO_BROWSER = "PAGES NOT LOOKED AT: install Chromium and its driver (Debian: apt-get install chromium chromium-driver)"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)
USER, PASSWORD = "raytrain", "s3cret@:/"


def server_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs; Debian keeps them off the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    folders = [*reversed(debian), *([Path(on_path).resolve().parent] if on_path else [])]
    return next((folder for folder in folders if all((folder / name).is_file() for name in ("initdb", "pg_ctl"))), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL, up to the database, of a real server that lives as long as the session, on loopback."""
    programs = server_programs()
    if programs is None:
        pytest.skip(NO_POSTGRESQL)
    with tempfile.TemporaryDirectory(prefix="raytrain-postgresql-") as name:
        folder, port = Path(name), free_port()
        as_user = unprivileged(folder)
        secret = folder / "password"
        secret.write_text(PASSWORD, "utf-8")
        secret.chmod(0o644)
        data = folder / "data"

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", str(data), *arguments]
            done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, **as_user)
            assert done.returncode == 0, f"{program} failed: {done.stdout}{done.stderr}"

        run(
            "initdb",
            "-U",
            USER,
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        run("pg_ctl", "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


def unprivileged(folder: Path) -> dict[str, Any]:
    """Return how a program runs as the owner of `folder`: nobody where we are root, whom PostgreSQL refuses."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture
def database(postgresql: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty database of the session's server."""
    import psycopg

    name = f"test_{abs(hash(request.node.name)):x}"
    with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{postgresql}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A headless Chromium with a fresh profile, 1200 pixels wide; the test is skipped where there is none.

    Its `browser` log has what pages wrote to the console, its `performance` log what they asked the network for.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip(NO_BROWSER)
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    yield window
    window.quit()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in colour what was not tested because a program is missing."""
    skipped = [
        report.longrepr[2] for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)
    ]
    for title, reason in (("PostgreSQL", NO_POSTGRESQL), ("browser", NO_BROWSER)):
        if count := sum(reason in text for text in skipped):
            terminalreporter.section(title, yellow=True)
            terminalreporter.line(f"{count} tests skipped. {reason}", yellow=True)
