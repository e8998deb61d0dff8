"""The logs of real daemons: as JSON, and with the stacks that SIGUSR2 asks for."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stractory
from tests.support.cluster import Cluster, until
from tests.support.green import green_until
from tests.support.programs import run_program

JSON = ["--log-format=json", "--block-interrupt=0", "--block-exit=0"]


def talker(options):
    import logging
    import os

    def say(text):
        logging.getLogger("mine").warning("heard %s", text)

    def write(text):
        os.write(2, text)

    def fail():
        raise ValueError("in two\nlines")

    def spin(path):
        while not os.path.exists(path):
            pass

    return {"say": say, "write": write, "fail": fail, "spin": spin}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2, registry_arguments=JSON[:1], pool_arguments=JSON) as cluster:
        yield cluster


@pytest.fixture
def strac(cluster: Cluster) -> Iterator[stractory.Client]:
    with cluster.client() as client:
        yield client


def objects(cluster: Cluster) -> list[dict[str, Any]]:
    """All that was logged, each line an object."""
    lines = cluster.errors().rpartition("\n")[0].splitlines()  # the last one may be on its way
    return [json.loads(line) for line in lines if line]


def find(cluster: Cluster, having: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    return until(lambda: [told for told in objects(cluster) if having(told)])[0]


def held(told: dict[str, Any]) -> bool:
    return "has held up this worker" in told["message"]


def test_all_is_json(cluster: Cluster, strac: stractory.Client, name: str) -> None:
    info = strac.create(name, stractory.rpc(talker))
    talk = strac.get(name)
    talk.say("a\nb")
    talk.write(b"Fatal error: \x1b\xff\n")
    stractory.timeout(talk, 10).fail.send()
    said = find(cluster, lambda told: told["message"] == "heard a\nb")
    assert said["level"] == "warning" and said["slot"] in (1, 2)
    assert (said["actor"], said["epoch"], said["worker"]) == (name, info.epoch, info.worker)
    written = find(cluster, lambda told: told["message"].startswith("Fatal error"))
    assert (written["message"], written["slot"]) == ("Fatal error: \x1b\\xff", said["slot"])
    talk.say("go on")
    failed = find(cluster, lambda told: "called one way" in told["message"] and told["actor"] == name)
    assert failed["traceback"].endswith("ValueError: in two\nlines")
    started = find(cluster, lambda told: told["message"] == f"actor {name!r} started")
    assert (started["actor"], started["epoch"], started["worker"]) == (name, info.epoch, info.worker)
    registered = find(cluster, lambda told: "registered with 0 actors" in told["message"])
    assert registered["worker"] and "slot" not in registered


def test_a_start_that_fails_is_an_object(cluster: Cluster) -> None:
    run = run_program(
        [sys.executable, "bin/stractory", f"--listen={cluster.address}", "--log-format=json"],
        env=cluster.env | {"STRACTORY_DATA_DIR": "none"},
        capture_output=True,
        text=True,
    )
    (line,) = run.stderr.splitlines()
    assert run.returncode == 1 and "cannot listen at" in json.loads(line)["message"]


def test_stacks_of_all(cluster: Cluster, strac: stractory.Client, name: str, tmp_path: Any) -> None:
    """The worker whose loop stands still tells its own, and an isolated actor's process hears of it too."""
    strac.create(name, stractory.rpc(talker))
    info = strac.create(f"{name} alone", stractory.rpc(talker), isolate=True)
    talk, alone = strac.get(name), strac.get(f"{name} alone")
    spinning, lonely = (each.spin.future(str(tmp_path / "over")) for each in (talk, alone))
    green_until(lambda: [told for told in objects(cluster) if held(told) and told["actor"] == name])
    assert cluster.pool is not None and cluster.registry is not None
    for daemon in (cluster.pool, cluster.registry):
        os.kill(daemon.pid, signal.SIGUSR2)
    told = find(cluster, lambda told: ", running" in told["message"] and told.get("actor") == name)
    assert "in spin\n" in told["message"] and told["slot"]
    find(cluster, lambda told: "in expire_leases\n" in told["message"])  # the registry
    find(cluster, lambda told: "in _keep_running\n" in told["message"])  # the pool
    (tmp_path / "over").touch()
    spinning.get(timeout=20)  # its process may have heard of it only now
    lonely.get(timeout=20)
    find(cluster, lambda told: "green threads, and" in told["message"] and told.get("worker") == info.worker)
