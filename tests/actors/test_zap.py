"""Who is let in at ports that ask for a key: the register, and the answers to ZeroMQ's questions."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
import zmq

from stractory.actors import zap
from stractory.actors.zerorpc_session import context
from stractory.errors import PortUnavailable
from stractory.worker.blame import Culprit, culprit_of, marked, marks

ALEX, BOB, CARL = b"a" * 32, b"b" * 32, b"c" * 32


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admissions(clock: Clock) -> zap.Admissions:
    return zap.Admissions(600, clock)


def test_a_key_is_good_for_a_while(admissions: zap.Admissions, clock: Clock) -> None:
    assert not admissions.allow(ALEX)
    admissions.admit(ALEX, "alex")
    admissions.admit(BOB, "bob")
    assert admissions.allow(ALEX) and admissions.allow(BOB)
    clock.now += 599
    admissions.admit(ALEX, "alex")  # asked again
    clock.now += 2
    assert admissions.allow(ALEX) and not admissions.allow(BOB)
    admissions.admit(CARL, "carl")
    assert len(admissions) == 2  # what is over is forgotten


def test_names_are_remembered(admissions: zap.Admissions, clock: Clock) -> None:
    admissions.admit(ALEX, "alex")
    clock.now += 10_000
    admissions.admit(BOB, "bob")
    assert admissions.had({"alex"}) and admissions.had({"bob", "x"})
    assert not admissions.had({"carl"}) and not admissions.had(())


def test_only_so_many_keys(admissions: zap.Admissions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zap, "MOST_KEYS", 2)
    admissions.admit(ALEX, "alex")
    admissions.admit(BOB, "bob")
    admissions.admit(ALEX, "alex")
    admissions.admit(CARL, "carl")
    assert [admissions.allow(key) for key in (ALEX, BOB, CARL)] == [True, False, True]


def question(domain: bytes, *rest: bytes) -> list[bytes]:
    return [b"sender", b"", b"1.0", b"7", domain, b"127.0.0.1", b"", *rest]


def test_answers(admissions: zap.Admissions) -> None:
    guard = zap.guard()
    domain = guard.add(admissions)
    admissions.admit(ALEX, "alex")
    assert guard.answer(question(domain, b"CURVE", ALEX)) == [
        *(b"sender", b"", b"1.0", b"7"),
        *(b"200", b"OK", b"", b""),
    ]
    for refused in (
        question(domain, b"CURVE", BOB),
        question(domain, b"CURVE"),
        question(domain, b"PLAIN", b"alex", b"word"),
        question(domain, b"NULL"),
        question(b"", b"CURVE", ALEX),
        question(domain + b"0", b"CURVE", ALEX),
    ):
        answer = guard.answer(refused)
        assert answer is not None and answer[:5] == [b"sender", b"", b"1.0", b"7", b"400"]
    guard.remove(domain)
    answer = guard.answer(question(domain, b"CURVE", ALEX))
    assert answer is not None and answer[4] == b"400"


def test_who_comes_again_and_again_fills_no_log(
    admissions: zap.Admissions, caplog: pytest.LogCaptureFixture
) -> None:
    domain = zap.guard().add(admissions)
    for _ in range(100):
        zap.guard().answer(question(domain, b"CURVE", BOB))
    zap.guard().remove(domain)
    assert caplog.text.count("not admitted") <= 1


@pytest.mark.parametrize(
    "frames",
    [[], [b"x"], [b"x", b""], [b"x", b"", b"1.0"], [b"x", b"", b"2.0", *question(b"d")[3:]]],
    ids=repr,
)
def test_what_is_no_question_has_no_answer(frames: list[bytes]) -> None:
    assert zap.guard().answer(frames) is None


def test_there_is_one_in_a_process() -> None:
    zap.guard()
    with pytest.raises(PortUnavailable, match="something else"):
        zap.Guard()


def test_it_goes_on_after_what_is_no_question(admissions: zap.Admissions) -> None:
    domain = zap.guard().add(admissions)
    admissions.admit(ALEX, "alex")
    asking: Any = context().socket(zmq.DEALER)
    asking.linger = 0
    asking.connect("inproc://zeromq.zap.01")
    try:
        for frames in ([b""], [b"x", b"y"], [b"", b"1.0"], [b"", *question(domain, b"CURVE", ALEX)[2:]]):
            asking.send_multipart(frames)
        assert asking.recv_multipart()[3] == b"200"
    finally:
        asking.close()


def test_it_is_of_no_actor() -> None:
    first = zap.guard()
    first._socket.unbind("inproc://zeromq.zap.01")
    culprit = Culprit("room", "room.py:Room")
    try:
        with marked(marks(culprit)):  # as where the first port is opened
            second = zap.Guard()
            assert culprit_of(gevent.getcurrent()) == culprit
        assert culprit_of(second._answering) is None
        second._answering.kill()
        second._socket.unbind("inproc://zeromq.zap.01")
        second._socket.close()
    finally:
        first._socket.bind("inproc://zeromq.zap.01")
