"""A browser, and clusters to look at."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import stractory
from tests.page import browser as browsers
from tests.page.browser import Browser
from tests.support.cluster import Cluster
from tests.support.programs import start_program

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def window() -> Iterator[Browser]:
    """One for all: it takes a second to start."""
    browser = browsers.start()
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """It, and the page must not complain."""
    window.look()
    yield window
    complaints = window.complaints()
    window.driver.get("about:blank")
    assert not complaints


@contextmanager
def made_up(workers: int, actors: int, births: float = 2) -> Iterator[str]:
    """The address of the page of a made-up cluster."""
    arguments = [f"--workers={workers}", f"--actors={actors}", f"--births={births}"]
    command = [sys.executable, "-m", "tests.support.made_up", *arguments]
    program = start_program(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        yield program.stdout.readline().strip()
    finally:
        program.kill()
        program.communicate()


@pytest.fixture(scope="session")
def small() -> Iterator[str]:
    """4 workers, one of them lost and one leaving, and 20 actors."""
    with made_up(4, 20) as address:
        yield address


@pytest.fixture(scope="session")
def large() -> Iterator[str]:
    """50 workers and 100,000 actors, of which 200 come and 200 go each second."""
    with made_up(50, 100_000, births=200) as address:
        yield address


class Shown:
    """A real cluster, the address of its page, and a client of it."""

    def __init__(self, cluster: Cluster, address: str) -> None:
        self.cluster = cluster
        self.address = address
        self.strac: stractory.Client = cluster.client(background=True)


@pytest.fixture(scope="module")
def real() -> Iterator[Shown]:
    """A registry with a page, which keeps its port, and three workers."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    with Cluster(workers=3, registry_arguments=[f"--http={where}"]) as cluster:
        shown = Shown(cluster, f"http://{where}/")
        yield shown
        shown.strac.close()
