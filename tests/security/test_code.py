"""Code is opened in one place only: pickled bytes, wherever they are put, stay bytes to everybody else.

That a shipped init and wrapper run on their worker, and on a client that trusts, is in
tests/factory/test_where_code_opens.py, with ``code = import``.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

import stractory
from stractory.actors.code import DILL_VERSION, PYTHON_TAG, ship
from stractory.proof import keys
from stractory.wire.dialling import Dial
from stractory.wire.life import Terms
from stractory.wire.shipping import Code, Definition
from tests.security.guarded import Guarded, calls
from tests.support.actors import echo
from tests.support.canary import Canary
from tests.support.green import green_until, next_event


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path / "canary")


def test_a_canary_sings(canary: Canary) -> None:
    pickle.loads(canary.bytes)  # noqa: S301  # our own
    assert canary.heard() == {os.getpid()}


def create_raw(guarded: Guarded, name: str, definition: Definition, **options: Any) -> Any:
    """As an operator's client does it, with a definition that no client would make."""
    with guarded.link(guarded.key(keys.OPERATOR, "eve")) as link:
        at_registry = calls(link)
        at_registry.call("define", definition.packed, call_timeout=10)
        terms = list(Terms())
        args = (name, definition.digest, options, "error", os.urandom(16), terms, 10.0)
        return at_registry.call("create", *args, call_timeout=10)


def test_a_body_is_opened_on_its_worker_alone(guarded: Guarded, name: str, canary: Canary) -> None:
    code = Code.shipped(canary.bytes, PYTHON_TAG, DILL_VERSION)
    with pytest.raises(stractory.ActorStartFailed):  # it is no function
        create_raw(guarded, name, Definition("stream", code, None, {}))
    assert canary.heard() < {worker.pid for worker in guarded.workers.values()}
    assert len(canary.heard()) == 1


ALTERED: dict[str, Callable[[Code], Code]] = {
    "digest": lambda code: Code(None, code.python, code.dill, bytes(32), code.body),
    "body": lambda code: Code(None, code.python, code.dill, code.digest, code.body + b"\0"),
    "python": lambda code: Code(None, "cpython-27", code.dill, code.digest, code.body),
    "dill": lambda code: Code(None, code.python, "0.1", code.digest, code.body),
    "no python": lambda code: Code(None, "", code.dill, code.digest, code.body),
    "no tags": lambda code: Code(None, "", "", code.digest, code.body),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED.keys())
def test_a_body_that_is_not_what_it_says_is_not_opened(
    guarded: Guarded, name: str, canary: Canary, alter: Callable[[Code], Code]
) -> None:
    code = alter(Code.shipped(canary.bytes, PYTHON_TAG, DILL_VERSION))
    with pytest.raises((stractory.ActorStartFailed, stractory.NoCompatibleWorker)):
        create_raw(guarded, name, Definition("stream", code, None, {}))
    assert not canary.heard()


def test_a_worker_that_only_imports_opens_none(name: str, canary: Canary) -> None:
    """Not even what says that it fits there, and which no client of ours would send."""
    code = Code.shipped(canary.bytes, PYTHON_TAG, DILL_VERSION)
    definition = Definition("stream", ship(echo, "init"), code, {})
    with Guarded(["node1"], worker_arguments=["--code=import"]) as guarded:
        for made in (code, ALTERED["no tags"](code)):
            with pytest.raises((stractory.NoCompatibleWorker, stractory.ActorNotShippable)):
                create_raw(guarded, name, Definition("stream", made, None, {}))
        with pytest.raises(stractory.NoCompatibleWorker):
            create_raw(guarded, name, definition)
    assert not canary.heard()


def test_a_wrapper_is_opened_nowhere_unless_it_is_trusted(
    guarded: Guarded, strac: stractory.Client, name: str, canary: Canary
) -> None:
    wrapper = Code.shipped(canary.bytes, PYTHON_TAG, DILL_VERSION)
    create_raw(guarded, name, Definition("stream", ship(echo, "init"), wrapper, {}))
    with guarded.client(keys.CLIENT, "bob") as bob:
        for use in (bob.get, bob.connect, strac.get, strac.connect):
            with pytest.raises(stractory.UntrustedWrapper, match="trust_wrappers=True"):
                use(name)
        assert bob.list(name)[0].wrapped and bob.endpoint(name)
    assert not canary.heard()


class Mirror:
    """Gives back whatever it is given, by all ways there are."""

    def __init__(self, options):
        self.options = options
        self.state = None

    def same(self, value):
        return value

    def given(self):
        return self.options

    def items(self, value):
        yield value

    def back(self, function, value):
        return function.call(value)

    def keep(self, value):
        self.state = value

    def fail(self, value):
        raise ValueError(value)

    def state_now(self):
        return self.state

    def pid(self):
        import os

        return os.getpid()

    def snapshot(self):
        return self.state

    def restore(self, state):
        self.state = state


def test_values_are_never_opened(
    guarded: Guarded, strac: stractory.Client, name: str, canary: Canary
) -> None:
    """Options, arguments, results, items, callbacks and errors; over a link and at an own port."""
    value = canary.bytes
    strac.create(name, stractory.rpc(Mirror), options={"value": value})
    assert strac.get(name).given() == {"value": value}
    for direct in (False, True):
        with strac.connect(name, direct=direct) as mirror:
            assert mirror.same({"in": [value]}) == {"in": [value]}
            assert list(mirror.items(value)) == [value]
            with pytest.raises(stractory.RemoteError):
                mirror.fail(value)
    with strac.connect(name) as mirror:
        assert mirror.back(lambda given: given, value) == value
    assert not canary.heard()


def test_a_state_is_never_opened(name: str, canary: Canary) -> None:
    """What an actor kept goes to the store, to another registry, and to its next life."""
    with Guarded(["node1", "node2"]) as guarded, guarded.client() as strac:
        strac.create(name, stractory.rpc(Mirror), restart="on-failure", snapshot="each call")
        mirror = strac.get(name)
        mirror.keep(canary.bytes)
        pid = mirror.pid()
        guarded.cluster.env["STRACTORY_KEY_FILE"] = str(guarded.cluster.key_file)
        guarded.cluster.restart_registry()
        green_until(lambda: len(strac.workers()) == 2)
        (node,) = [node for node, worker in guarded.workers.items() if worker.pid == pid]
        guarded.workers.pop(node).kill()
        green_until(lambda: mirror.closed)
        assert mirror.state_now() == canary.bytes
        assert mirror.pid() != pid
    assert not canary.heard()


def mirroring(options):
    return lambda emitter: emitter.on("echo", lambda value: emitter.emit("echo", value))


def test_events_are_never_opened(
    guarded: Guarded, strac: stractory.Client, name: str, canary: Canary
) -> None:
    strac.create(name, stractory.eventemitter(mirroring))
    with strac.connect(name) as emitter:
        heard = next_event(emitter, "echo")
        emitter.emit("echo", canary.bytes)
        assert heard.get(timeout=20) == canary.bytes
    assert not canary.heard()


def test_what_is_no_value_does_not_leave(
    guarded: Guarded, strac: stractory.Client, name: str, canary: Canary
) -> None:
    """An object is refused where it is sent, whatever could be made of it: none is pickled on the quiet."""
    strac.create(name, stractory.rpc(Mirror))
    strac.create(f"{name}.emitter", stractory.eventemitter(mirroring))
    mirror, emitter = strac.get(name), strac.get(f"{name}.emitter")
    with pytest.raises(TypeError):
        mirror.same(canary.thing)
    with pytest.raises(TypeError):
        emitter.emit("echo", canary.thing)
    with pytest.raises(stractory.ActorNotShippable):
        strac.create("never", echo, options={"value": canary.thing})
    assert mirror.same(1) == 1
    assert not canary.heard()


@pytest.mark.parametrize("code", [0, 1, 5, 42, 127])
def test_extensions_are_never_opened(
    guarded: Guarded, strac: stractory.Client, name: str, canary: Canary, code: int
) -> None:
    """Of whatever type msgpack says they are, in a message or a definition."""
    ext = msgpack.ExtType(code, canary.bytes)
    packed = msgpack.packb([0, 1, "same", [ext], {}, None])
    strac.create(name, stractory.rpc(Mirror))
    place = guarded.look_up(name)
    with guarded.link(place, place.info.worker, "worker") as link:
        stream = link.open(Dial("actor", name, place.info.epoch, place.ticket), "eve")
        stream.settimeout(20)
        stream.wait_accepted()
        stream.sendall(packed)
        with contextlib.suppress(ConnectionError):
            assert stream.recv(65536)
    with guarded.link(guarded.key(keys.OPERATOR, "eve")) as link:
        for malformed in (packed, msgpack.packb(["stream", ext, None, {}, {}]), canary.bytes):
            with pytest.raises(stractory.ProtocolError):
                calls(link).call("define", malformed, call_timeout=10)
    assert not canary.heard()
