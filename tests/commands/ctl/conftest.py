"""A factory to look at, and the program."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stractory
from tests.support.cluster import BIN, Cluster
from tests.support.green import green_until
from tests.support.programs import run_program, start_program

CODE = """
import stractory


def echo(options):
    def handle(stream, address):
        stream.sendall(b"welcome\\n")
        for data in stream:
            stream.sendall(data)
    return handle


class Room:
    def __init__(self, options):
        self.number = options.get("number", 0)
        self.given = options

    def add(self, number, *more):
        self.number += number
        return self.number

    def options(self):
        return self.given

    def close(self):
        return "it is called close"

    def data(self):
        return b"\\xff\\x00"

    def spell(self, word):
        yield from word

    def nothing(self):
        pass

    def control(self):
        return "\\x1b[31mred"

    def fail(self):
        raise ValueError("no\\nway")

    def hang(self):
        from gevent.event import Event
        Event().wait()

    def snapshot(self):
        return self.number

    def restore(self, number):
        self.number = number


def board(options):
    emitters = []

    def handle(emitter):
        emitters.append(emitter)
        emitter.on_close(lambda: emitters.remove(emitter))
        emitter.emit("hello")

        @emitter.on("**")
        def draw(*data):
            stractory.emit(emitters, emitter.event, *data)

    return handle
"""


class Ctl:
    """Runs ``stractoryctl``, and looks at how it ended."""

    def __init__(self, cluster: Cluster) -> None:
        self.env = {
            **cluster.env,
            "STRACTORY_REGISTRY": cluster.address,
            "TZ": "UTC",
            "XDG_STATE_HOME": str(cluster.folder / "state"),
            "COLUMNS": "120",
        }
        self.words = [sys.executable, str(BIN / "stractoryctl")]

    def run(self, *words: Any, input: str = "", env: dict[str, str] | None = None) -> Any:
        """The finished process: ``returncode``, ``stdout``, ``stderr``. It never shows a traceback."""
        run = run_program(
            [*self.words, *map(str, words)],
            env={**self.env, **(env or {})},
            input=input,
            capture_output=True,
            text=True,
            timeout=40,
        )
        assert "Traceback" not in run.stderr
        return run

    def __call__(self, *words: Any, **options: Any) -> str:
        """What it prints when all is well."""
        run = self.run(*words, **options)
        assert (run.returncode, run.stderr) == (0, "")
        return str(run.stdout)

    def complaint(self, status: int, *words: Any, **options: Any) -> str:
        """The one line on standard error with which it fails."""
        run = self.run(*words, **options)
        assert run.returncode == status, run.stderr
        assert run.stderr.startswith("stractoryctl: ") and run.stderr.count("\n") == 1
        return str(run.stderr).removeprefix("stractoryctl: ").rstrip("\n")


def steady(text: str) -> str:
    """``text`` with the same port and time, of the same width, in every run."""
    text = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:PPPPP", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "2026-03-01T12:00:00", text)
    return re.sub(r"(?m)^(uptime +)\d+s$", r"\g<1>7s", text)


class Running:
    """One that goes on, with its output in a pipe."""

    def __init__(self, ctl: Ctl, *words: str) -> None:
        self.process = start_program([*ctl.words, *words], env=ctl.env, stdout=-1, stderr=-1, text=True)

    def line(self) -> str:
        assert self.process.stdout is not None
        return str(self.process.stdout.readline())

    def interrupt(self) -> None:
        """As Ctrl-C does; it ends without a word of that."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.communicate(timeout=20)[1] == ""
        assert self.process.returncode == 130


@contextlib.contextmanager
def running(ctl: Ctl, *words: str) -> Iterator[Running]:
    started = Running(ctl, *words)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


@pytest.fixture(scope="package")
def factory() -> Iterator[Cluster]:
    """A registry and two workers, which can import ``play``."""
    with Cluster(workers=2) as cluster:
        (cluster.folder / "play.py").write_text(CODE)
        yield cluster


@pytest.fixture
def ctl(factory: Cluster) -> Iterator[Ctl]:
    """When both workers are there; in the end all actors are destroyed."""
    with factory.client() as strac:
        green_until(lambda: [worker.state for worker in strac.workers()] == ["running"] * 2)
        yield Ctl(factory)
        for info in strac.list():
            strac.destroy(info.name)


@pytest.fixture
def strac(factory: Cluster) -> Iterator[stractory.Client]:
    """A client of it."""
    with factory.client() as client:
        yield client


@pytest.fixture
def client_key(factory: Cluster, tmp_path: Path) -> Path:
    """The key of somebody who may create nothing."""
    from stractory.proof import keys

    (master,) = keys.load(factory.key_file).keys
    keys.write_key(tmp_path / "alice.key", master.derive(keys.CLIENT, "alice"))
    return tmp_path / "alice.key"
