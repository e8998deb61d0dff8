"""What the tests of faults share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import stractory
from tests.faults import test_wires_cut
from tests.support import network
from tests.support.cluster import Cluster, until

WORKERS = 2


@pytest.fixture(scope="package", autouse=True)
def cuts(request: pytest.FixtureRequest) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The tests of cuts.py, begun with the first test here if they are wanted: mostly they wait."""
    wanted = not network.why_not() and any(item.module is test_wires_cut for item in request.session.items)
    path = str(Path(__file__).with_name("cuts.py"))
    selections = test_wires_cut.SELECTIONS if wanted else []
    runs = {selection: network.start_inside(path, "-k", selection) for selection in selections}
    yield runs
    for run in runs.values():
        if run.poll() is None:
            run.kill()
            run.communicate()


@pytest.fixture(scope="package")
def _started() -> Iterator[Cluster]:
    with Cluster(workers=WORKERS, registry_arguments=["--heartbeat-timeout=2"]) as started:
        yield started


@pytest.fixture
def breakable(_started: Cluster) -> Iterator[Cluster]:
    """A registry and two workers that the test may break: they recover, and the next test has them.

    A worker that is silent for 2 s is given up.
    """
    yield _started
    with _started.client() as strac:
        until(lambda: [worker.state for worker in strac.workers()] == ["running"] * WORKERS)
        for info in strac.list():
            strac.destroy(info.name)


@pytest.fixture
def strac(breakable: Cluster) -> Iterator[stractory.Client]:
    """A client of it."""
    with breakable.client() as client:
        yield client


@pytest.fixture
def worker_of(strac: stractory.Client) -> Callable[[stractory.ActorInfo], stractory.WorkerInfo]:
    """The worker that an actor is on."""

    def find(info: stractory.ActorInfo) -> stractory.WorkerInfo:
        (worker,) = [worker for worker in strac.workers() if worker.address == info.worker]
        return worker

    return find
