"""The user's code, shipped from one process and run in another that cannot import it."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import queue
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import dill
import gevent.event
import gevent.lock
import gevent.queue
import gevent.socket
import pytest

import stractory
from stractory.actors.code import DILL_VERSION, PYTHON_TAG, load, ship
from stractory.errors import ActorNotShippable, ProtocolError, VersionMismatch
from stractory.wire.shipping import Code
from tests.support.programs import run_program

SHIPPED = Path(__file__).parent / "shipped"
ROOT = Path(__file__).parents[2]


def run(*command: str, cwd: Path, stdin: str | None = None) -> str:
    """The output of a Python that takes warnings for errors and finds stractory and what is in ``cwd``."""
    done = run_program(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        input=stdin,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def receive(codes: Path, cwd: Path) -> dict[str, str]:
    cwd.mkdir()
    shutil.copy(SHIPPED / "receive.py", cwd)
    outcomes: dict[str, str] = json.loads(run("receive.py", str(codes), cwd=cwd))
    return outcomes


CASES = [
    line.removeprefix("def ").removesuffix("():")
    for line in (SHIPPED / "cases.py").read_text().splitlines()
    if line.startswith("def case_")
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    user = tmp_path_factory.mktemp("user")
    for name in ("ship.py", "cases.py", "helpers.py", "whole.py"):
        shutil.copy(SHIPPED / name, user)
    run("ship.py", str(user / "codes"), cwd=user)
    return receive(user / "codes", user.parent / "worker")


@pytest.mark.parametrize("case", [*CASES, "main_script", "main_instance", "main_lambda", "exec"])
def test_runs_where_it_cannot_be_imported(outcomes: dict[str, str], case: str) -> None:
    assert outcomes[case] == ""


PROGRAM = """
import sys, msgpack
from stractory.actors.code import ship
factor = 6
def times(n): return n * factor

def init(): assert times(7) == 42

with open(sys.argv[1], "wb") as out: _ = out.write(msgpack.packb({"init": ship(init, "init").to_wire()}))

"""


@pytest.mark.parametrize("how", ["-c", "-i"])
def test_ships_from_a_command_line_and_a_prompt(tmp_path: Path, how: str) -> None:
    codes = str(tmp_path / "codes")
    if how == "-c":
        run("-c", PROGRAM, codes, cwd=tmp_path)
    else:
        run("-i", "-q", "-", codes, cwd=tmp_path, stdin=PROGRAM)
    assert receive(tmp_path / "codes", tmp_path / "worker") == {"init": ""}


# What may not travel, and the name it is given


def holding(thing: Any) -> Any:
    def init() -> Any:
        return thing

    return init


def generate() -> Any:
    yield


class Connected:
    def __init__(self, thing: Any) -> None:
        self.link = [thing]


THINGS: dict[str, Callable[[], Any]] = {
    "socket": socket.socket,
    "gevent socket": gevent.socket.socket,
    "lock": threading.Lock,
    "rlock": threading.RLock,
    "condition": threading.Condition,
    "event": threading.Event,
    "semaphore": threading.Semaphore,
    "barrier": lambda: threading.Barrier(2),
    "local": threading.local,
    "thread": threading.Thread,
    "queue": queue.Queue,
    "simple queue": queue.SimpleQueue,
    "gevent lock": gevent.lock.RLock,
    "gevent semaphore": gevent.lock.BoundedSemaphore,
    "gevent event": gevent.event.Event,
    "gevent queue": gevent.queue.Queue,
    "greenlet": gevent.Greenlet,
    "file": lambda: open(os.devnull),  # noqa: SIM115
    "binary file": lambda: open(os.devnull, "wb"),  # noqa: SIM115
    "generator": generate,
    "executor": ThreadPoolExecutor,
    "process": lambda: subprocess.Popen(["/bin/true"]),
    "tls": ssl.create_default_context,
    "memoryview": lambda: memoryview(b"a"),
    "mmap": lambda: mmap.mmap(-1, 10),
    "database": lambda: sqlite3.connect(":memory:"),
    "frame": sys._getframe,
}


@pytest.fixture
def thing(kind: str) -> Iterator[Any]:
    thing = THINGS[kind]()
    yield thing
    if kind == "process":
        thing.wait()
    elif kind in ("socket", "gevent socket", "file", "binary file", "database"):
        thing.close()


@pytest.mark.parametrize("kind", THINGS)
def test_refuses_and_names_what_cannot_travel(thing: Any) -> None:
    with pytest.raises(ActorNotShippable) as caught:
        ship(holding(thing), "init")
    text = str(caught.value)
    assert text.startswith(
        "init of this actor cannot travel: variable 'thing' (closure of 'holding.<locals>.init') is "
    )
    assert text.endswith("; make it inside init") and type(thing).__name__ in text


LOCK = threading.Lock()


def uses_lock() -> Any:
    return init_of_global, LOCK


def init_of_global() -> Any:
    return uses_lock()


def init_of_default(first: int, guard: Any = LOCK, *, other: int = 1) -> None: ...


def init_of_keyword(*, guard: Any = {"x": LOCK}) -> None: ...  # noqa: B006


class Room:
    lock = LOCK

    @classmethod
    def enter(cls) -> Any:
        return LOCK


class Quiet:
    def enter(self) -> Any:
        return LOCK


def init_of_class() -> Any:
    return Room


def init_of_method() -> Any:
    return Quiet()


def init_of_attribute() -> None: ...


init_of_attribute.guard = LOCK  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (init_of_global, "'LOCK' (global of 'uses_lock')"),
        (init_of_default, "'guard' (default argument of 'init_of_default')"),
        (init_of_keyword, "\"guard['x']\" (default argument of 'init_of_keyword')"),
        (init_of_class, "'Room.lock' (global of 'init_of_class')"),
        (init_of_method, "'LOCK' (global of 'Quiet.enter')"),
        (init_of_attribute, "'guard' (attribute of 'init_of_attribute')"),
        (holding({"lock": LOCK}), "\"thing['lock']\" (closure of 'holding.<locals>.init')"),
        (holding([(1, LOCK)]), "'thing[0][1]' (closure of 'holding.<locals>.init')"),
        (holding(Connected(LOCK)), "'thing.link[0]' (closure of 'holding.<locals>.init')"),
        (holding(holding(LOCK)), "'thing' (closure of 'holding.<locals>.init')"),
        (Connected(LOCK).__init__, "'init.__self__.link[0]'"),
    ],
)
def test_the_name_is_right_wherever_it_sits(function: Any, name: str) -> None:
    with pytest.raises(ActorNotShippable) as caught:
        ship(function, "init")
    assert f"variable {name} is a lock (_thread.lock); make it inside init" in str(caught.value)


@pytest.mark.parametrize("background", [False, True])
def test_a_client_is_told_by_its_name(background: bool) -> None:
    client = stractory.client("9000", background=background)
    with client, pytest.raises(ActorNotShippable) as caught:
        ship(holding(client), "init")
    assert "variable 'thing' (closure of 'holding.<locals>.init') is a stractory client" in str(caught.value)
    assert str(caught.value).endswith("; use context.client, of init(options, context)")


class Unwilling:
    def __reduce__(self) -> Any:
        raise ValueError("not me")


class ByName:
    def __reduce__(self) -> str:
        return "BY_NAME"


BY_NAME = ByName()


def test_refuses_what_dill_cannot_pickle() -> None:
    with pytest.raises(ActorNotShippable, match=r"'thing\[0\]' .* cannot be pickled \(ValueError: not me\)"):
        ship(holding([Unwilling()]), "client")
    with pytest.raises(ActorNotShippable, match=rf"'thing' .* is only a name in '{__name__}'"):
        ship(holding(BY_NAME), "init")


@pytest.mark.parametrize("path", ["", "os", "os:", ":getcwd", "os.:getcwd", "os:get cwd", "1os:a", "os:a:b"])
def test_refuses_malformed_paths(path: str) -> None:
    with pytest.raises(ActorNotShippable, match=r"package\.module:function"):
        ship(path, "init")


def test_refuses_what_is_not_callable() -> None:
    with pytest.raises(ActorNotShippable, match="client of this actor is not callable: int"):
        ship(3, "client")


def test_imports_by_path() -> None:
    assert load(ship("os.path:join", "init")) is os.path.join
    assert load(ship("pathlib:Path.cwd", "init"))() == Path.cwd()
    with pytest.raises(AttributeError, match=r"module 'os.path' has no 'nowhere.x'"):
        load(ship("os.path:nowhere.x", "init"))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load(ship("no_such_module:x", "init"))
    with pytest.raises(TypeError, match="os:sep is not callable: str"):
        load(ship("os:sep", "init"))
    with pytest.raises(ProtocolError):
        load(Code.imported("no colon"))


def test_installed_functions_go_by_name() -> None:
    assert load(ship(json.dumps, "init")) is json.dumps
    assert load(ship(len, "init")) is len
    assert load(ship(Path, "init")) is Path
    assert load(ship(load, "init")) is load


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("unpickled",)


def test_checks_before_it_unpickles() -> None:
    bomb = Code.shipped(dill.dumps(Bomb()), PYTHON_TAG, DILL_VERSION)
    with pytest.raises(VersionMismatch, match=r"code made by cpython-27 cannot run on"):
        load(replace(bomb, python="cpython-27"))
    with pytest.raises(VersionMismatch, match=r"dill 0\.1\.9"):
        load(replace(bomb, dill="0.1.9"))
    with pytest.raises(ProtocolError, match="damaged"):
        load(replace(bomb, digest=hashlib.sha256(b"other").digest()))
    with pytest.raises(ProtocolError, match="damaged"):
        load(replace(Code.imported("os:getcwd"), path="os:getpid"))


def test_the_third_number_of_dill_does_not_matter() -> None:
    code = ship(holding(1), "init")
    assert load(replace(code, dill=".".join(DILL_VERSION.split(".")[:2]) + ".99"))() == 1


def test_what_is_not_callable_after_all() -> None:
    with pytest.raises(TypeError, match="the code of this actor is not callable: int"):
        load(Code.shipped(dill.dumps((3, None)), PYTHON_TAG, DILL_VERSION))


def test_a_missing_module_is_named() -> None:
    body = ship(json.dumps, "init").body.replace(b"json", b"josn")
    with pytest.raises(ModuleNotFoundError, match="josn"):
        load(Code.shipped(body, PYTHON_TAG, DILL_VERSION))


def test_each_shipment_has_its_own_globals() -> None:
    first, second = (load(ship(init_of_options, "init")) for _ in range(2))
    first().append(1)
    assert (first(), second(), OPTIONS) == ([1], [], [])


OPTIONS: list[int] = []


def init_of_options() -> list[int]:
    return OPTIONS


def test_changes_nothing_for_others_and_runs_in_threads() -> None:
    before = dict(dill.settings), dict(dill.Pickler.dispatch), list(warnings.filters), sys.stdout
    functions = [holding(n) for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda function: ship(function, "init"), functions))
    assert [load(code)() for code in codes] == list(range(200))
    assert before == (dict(dill.settings), dict(dill.Pickler.dispatch), list(warnings.filters), sys.stdout)


def test_equal_code_is_equal_bytes() -> None:
    assert len({ship(init_of_options, "init").digest for _ in range(5)}) == 1
