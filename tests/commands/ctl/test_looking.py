"""ls, ps, info, wait, watch, ping."""

from __future__ import annotations

import json
import os
import signal

import pytest

import stractory
from tests.commands.ctl.conftest import Ctl, running, steady
from tests.support.cluster import Cluster, until


@pytest.fixture
def actors(strac: stractory.Client, ctl: Ctl) -> None:
    strac.create("echo", stractory.stream("play:echo"))
    strac.create("room", stractory.rpc("play:Room"), restart="on-failure", snapshot="each call")
    strac.create("a\x1b[31m", stractory.eventemitter("play:board"))


@pytest.mark.usefixtures("actors")
def test_ls(ctl: Ctl, strac: stractory.Client) -> None:
    assert steady(ctl("ls")) == (
        "NAME       KIND          STATE    WORKER           SINCE                RESTART     PROBLEM\n"
        r"a\x1b[31m  eventemitter  running  127.0.0.1:PPPPP  2026-03-01T12:00:00  never       -" + "\n"
        "echo       stream        running  127.0.0.1:PPPPP  2026-03-01T12:00:00  never       -\n"
        "room       rpc           running  127.0.0.1:PPPPP  2026-03-01T12:00:00  on-failure  -\n"
    )
    assert ctl("ls", "-q", "[er]*") == "echo\nroom\n"
    assert ctl("ls", "no*") == "NAME  KIND  STATE  WORKER  SINCE  RESTART  PROBLEM\n"
    assert ctl("--json", "ls", "-q") == '["a\\u001b[31m", "echo", "room"]\n'
    (info,) = strac.list("room")
    assert json.loads(ctl("ls", "--json", "room")) == [info._asdict()]


def test_ps(ctl: Ctl, strac: stractory.Client) -> None:
    workers = sorted(strac.workers())
    heading, *rows = ctl("ps").splitlines()
    assert heading.split() == ["ADDRESS", "PID", "STATE", "ACTORS", "ISOLATED", "PYTHON"]
    assert [row.split()[:5] for row in rows] == [
        [worker.address, str(worker.pid), "running", "0", "no"] for worker in workers
    ]
    assert ctl("ps", "--quiet").split() == [worker.address for worker in workers]
    assert json.loads(ctl("ps", "--json")) == [worker._asdict() for worker in workers]


@pytest.mark.usefixtures("actors")
def test_info(ctl: Ctl, strac: stractory.Client) -> None:
    (info,) = strac.list("room")
    (worker,) = (worker for worker in strac.workers() if worker.address == info.worker)
    assert steady(ctl("info", "room")) == (
        "name           room\n"
        "kind           rpc\n"
        "state          running\n"
        "problem        -\n"
        "worker         127.0.0.1:PPPPP\n"
        f"pid            {worker.pid}\n"
        f"python         {worker.python}\n"
        f"epoch          {info.epoch}\n"
        "since          2026-03-01T12:00:00\n"
        "uptime         7s\n"
        f"creator        {info.creator}\n"
        "restart        on-failure\n"
        "public         no\n"
        "isolated       no\n"
        "wrapped        no\n"
        "clients        0\n"
        "calls          0\n"
        "errors         0\n"
        "last_error     -\n"
        "last_error_at  -\n"
    )
    told = json.loads(ctl("info", "room", "--json"))
    assert told.pop("uptime") > 0
    facts = strac.facts("room")._asdict()
    assert told == {**info._asdict(), **facts, "pid": worker.pid, "python": worker.python}
    assert ctl.complaint(3, "info", "r*") == "no actor is named 'r*'"


@pytest.mark.usefixtures("actors")
def test_info_of_what_has_failed(ctl: Ctl, strac: stractory.Client) -> None:
    room = strac.get("room")
    room.add(1)
    with pytest.raises(stractory.RemoteError):
        room.fail()
    until(lambda: strac.facts("room").calls == 2)
    assert steady(ctl("info", "room")).endswith(
        "clients        1\n"
        "calls          2\n"
        "errors         1\n"
        "last_error     ValueError: no way\n"
        "last_error_at  2026-03-01T12:00:00\n"
    )


@pytest.mark.usefixtures("actors")
def test_info_of_one_whose_worker_does_not_answer(ctl: Ctl, strac: stractory.Client) -> None:
    (info,) = strac.list("room")
    (worker,) = (worker for worker in strac.workers() if worker.address == info.worker)
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        told = ctl("info", "room")
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    assert "state          running\n" in told and "clients        -\n" in told


def test_names_that_look_like_patterns(ctl: Ctl, strac: stractory.Client) -> None:
    names = ["*" * 512, "[a]", "a"]
    for name in names:
        strac.create(name, stractory.stream("play:echo"))
    for name in names:
        assert json.loads(ctl("info", name, "--json"))["name"] == name
        assert json.loads(ctl("wait", name, "--json"))["name"] == name
    ctl.complaint(3, "info", "[b]")


@pytest.mark.usefixtures("actors")
def test_wait(ctl: Ctl, strac: stractory.Client) -> None:
    heading, row = ctl("wait", "room").splitlines()
    assert heading.startswith("NAME") and row.startswith("room")
    assert ctl.complaint(124, "wait", "nobody", "--timeout", "0.2") == "'nobody' did not run within 0.2 s"


def test_waiting_for_one_that_comes(ctl: Ctl, strac: stractory.Client) -> None:
    with running(ctl, "wait", "late", "--json") as waiting:
        strac.create("other", stractory.stream("play:echo"))
        made = strac.create("late", stractory.stream("play:echo"))
        assert json.loads(waiting.line()) == made._asdict()
        assert waiting.process.wait(20) == 0


def test_watch(ctl: Ctl, strac: stractory.Client) -> None:
    strac.create("room", stractory.rpc("play:Room"))
    with running(ctl, "watch", "r*") as text, running(ctl, "watch", "--json") as lines:
        assert steady(text.line()) == "2026-03-01T12:00:00  present  room  rpc  127.0.0.1:PPPPP  -\n"
        assert json.loads(lines.line())["change"] == "present"
        strac.destroy("room")
        assert steady(text.line()) == "2026-03-01T12:00:00  died  room  rpc  127.0.0.1:PPPPP  destroyed\n"
        told = json.loads(lines.line())
        assert (told["change"], told["name"], told["reason"]) == ("died", "room", "destroyed")
        text.interrupt()
        lines.interrupt()


@pytest.mark.parametrize("command", ["watch", "tail"])
def test_nobody_reads_any_more(ctl: Ctl, strac: stractory.Client, command: str) -> None:
    strac.create("echo", stractory.stream("play:echo"))
    with running(ctl, command, "echo") as talking:
        talking.line()
        assert talking.process.stdout is not None and talking.process.stderr is not None
        talking.process.stdout.close()
        assert talking.process.wait(20) == 141
        assert talking.process.stderr.read() == ""


def test_ping(ctl: Ctl, factory: Cluster) -> None:
    heading, registry, *workers = ctl("ping").splitlines()
    assert heading.split() == ["WHAT", "ADDRESS", "REACHABLE", "TIME", "PROBLEM"]
    assert registry.split()[:3] == ["registry", factory.address, "yes"]
    assert [row.split()[0] for row in workers] == ["worker", "worker"]
    rows = json.loads(ctl("ping", "--json"))
    assert all(row["reachable"] and row["seconds"] > 0 and not row["problem"] for row in rows)


def test_registries_are_pinged_in_order(ctl: Ctl, factory: Cluster) -> None:
    named = [*(f"127.0.0.1:{port}" for port in range(1, 8)), factory.address]
    run = ctl.run("ping", "--json", "--registry", ",".join(named))
    assert run.returncode == 4
    rows = [row for row in json.loads(run.stdout) if row["what"] == "registry"]
    assert [row["address"] for row in rows] == sorted(named)
    assert [row["address"] for row in rows if row["reachable"]] == [factory.address]


def test_pinging_a_worker_that_does_not_answer(ctl: Ctl, strac: stractory.Client) -> None:
    worker = min(strac.workers())
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        run = ctl.run("ping", "--json", "--timeout=0.5")
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    assert (run.returncode, run.stderr) == (4, "")
    (row,) = (row for row in json.loads(run.stdout) if not row["reachable"])
    assert row["address"] == worker.address and "did not answer within 0.5 s" in row["problem"]
