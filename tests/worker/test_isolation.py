"""The processes that a worker starts, here of a few lines; and what it shares with each."""

from __future__ import annotations

import errno
import os
import sys
from queue import Empty

import gevent
import pytest
from gevent.queue import Queue

from stractory.errors import ActorStartFailed, ConfigError, PlacementError, WorkerFull
from stractory.wire.life import Life, Terms
from stractory.worker import isolation
from stractory.worker.isolation import Children
from stractory.worker.voucher import Note, Voucher
from tests.support.cluster import alive
from tests.support.green import green_until
from tests.worker.test_host import LIMIT

LIFE = Life("ü" * 256, "stream", 7, 1.0, b"create", False, Terms(isolate=True))

OBEDIENT = "import sys; sys.stdin.read(); sys.exit(4)"
STUBBORN = "import signal, sys\nsys.stdin.read()\nwhile True: signal.pause()"
NOTING = f"""
import sys
from stractory.wire.life import Life, Terms
from stractory.worker.voucher import Note, Voucher
voucher = Voucher(int(sys.argv[1].removeprefix("--isolated=")))
assert (voucher.id, voucher.parent) == (b"1" * 16, b"2" * 16)
voucher.write_note(Note("address", Life(*{tuple(LIFE)!r})._replace(terms=Terms(isolate=True))))
sys.stdin.read()
"""


def children(program=OBEDIENT, limit=2):
    """And the ends of them, with their status, as they come."""
    made = Children([sys.executable, "-c", program], limit=limit)
    made.parent = b"2" * 16
    ends: Queue[tuple[bytes, int]] = Queue()
    made.ended = lambda *end: ends.put(end)
    return made, ends


@pytest.fixture(autouse=True)
def within_limit():
    with gevent.Timeout(LIMIT):
        yield


def test_a_child_ends_when_it_is_told_to():
    made, ends = children()
    made.start(b"1" * 16)
    assert made.alive() == [b"1" * 16]
    with pytest.raises(Empty):
        ends.get_nowait()
    made.end(b"1" * 16)
    made.end(b"another")
    assert ends.get() == (b"1" * 16, 4)
    assert made.alive() == []


def test_one_that_does_not_is_killed(monkeypatch):
    monkeypatch.setattr(isolation, "END_LIMIT", 0.1)
    made, ends = children(STUBBORN)
    made.start(b"1" * 16)
    gevent.joinall(made.close())
    assert ends.get() == (b"1" * 16, -9)


def test_there_are_only_so_many_but_for_those_that_end():
    made, ends = children(STUBBORN)
    for id in (b"1" * 16, b"2" * 16):
        made.start(id)
    with pytest.raises(WorkerFull, match="at most 2"):
        made.start(b"3" * 16)
    made.end(b"1" * 16)
    made.start(b"3" * 16)
    for child in made._running.values():
        child.process.kill()
    assert {ends.get()[0] for _ in range(3)} == {b"1" * 16, b"2" * 16, b"3" * 16}


def test_none_begins_when_the_worker_ends():
    made, _ = children()
    made.start(b"1" * 16)
    pid = made._running[b"1" * 16].process.pid
    gevent.joinall(made.close())
    assert not alive(pid)
    with pytest.raises(PlacementError):
        made.start(b"2" * 16)


def test_one_that_cannot_be_started_leaves_room():
    made = Children(["/nowhere/at/all"], limit=1)
    for _ in range(2):
        with pytest.raises(ActorStartFailed, match="No such file"):
            made.start(bytes(16))


@pytest.mark.parametrize("lacking", ["Popen", "memfd"])
def test_one_for_which_there_are_no_descriptors_is_refused(monkeypatch, lacking):
    def refuse(*args, **kwargs):
        raise OSError(errno.EMFILE, "Too many open files")

    made, _ = children()
    if lacking == "Popen":
        monkeypatch.setattr(isolation.subprocess, "Popen", refuse)
    else:
        monkeypatch.setattr(os, "memfd_create", refuse)
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(WorkerFull, match="Too many open files"):
            made.start(b"1" * 16)
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_a_child_and_its_parent_tell_each_other():
    made, ends = children(NOTING)
    made.start(b"1" * 16)
    voucher = made._running[b"1" * 16].voucher
    green_until(lambda: voucher.note)
    assert made.acknowledged([], 5.0) == [
        (b"1" * 16, made._running[b"1" * 16].process.pid, Note("address", LIFE))
    ]
    assert voucher.last_acknowledged() == 0.0  # the registry did not know it
    assert made.acknowledged([b"1" * 16], 6.5) == []
    assert voucher.last_acknowledged() == 6.5
    gevent.joinall(made.close())
    assert ends.get() == (b"1" * 16, 0)


def test_what_is_no_voucher():
    for descriptor in (0, 10**6):
        with pytest.raises(ConfigError, match=f"{descriptor} is none of their descriptors"):
            Voucher(descriptor)


def test_a_note_is_gone_when_it_is_cleared():
    voucher = Voucher.make(b"1" * 16, b"2" * 16)
    assert voucher.note is None
    voucher.write_note(Note("address", LIFE))
    assert Voucher(voucher.descriptor).note == Note("address", LIFE)
    voucher.clear_note()
    assert voucher.note is None
    voucher.close()
