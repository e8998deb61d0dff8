"""One worker of a pool, as a process of a few lines."""

from __future__ import annotations

import io
import logging
import os
import sys

import gevent
import pytest

from stractory.worker.pool import READY, Member
from tests.support.actors import Gate
from tests.worker.test_host import LIMIT

LEAVES_A_CHILD = f"""
import subprocess, sys
print("{READY}127.0.0.1:" + sys.argv[1], flush=True)
wait = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).recv(1)"
subprocess.Popen([sys.executable, "-c", wait, sys.argv[1]])
"""


def test_a_dead_worker_is_started_again_though_a_child_holds_its_output(caplog):
    caplog.set_level(logging.WARNING)
    with Gate() as gate, gevent.Timeout(LIMIT):
        port = gate.options["gate"][1]
        member = Member(3, [sys.executable, "-c", LEAVES_A_CHILD, str(port)], respawn_delay=0.0)
        member.start()
        gate.wait_reached()
        gate.wait_reached()  # the next one's, and the first's is still there
        member.close()
    assert f"worker 3 (127.0.0.1:{port}) ended with status 0" in caplog.text


def forwarded(lines, target):
    source = io.BytesIO(lines)
    Member(1, [], 0.0)._forward(source, target)
    assert source.closed  # all of it was read


def test_what_cannot_be_encoded_is_escaped():
    target = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    forwarded("caf\u00e9\n".encode() + b"\xff\nlast\n", target)
    assert target.buffer.getvalue() == b"[1] caf\\xe9\n[1] \\xff\n[1] last\n"


class Pieces(io.BytesIO):
    """Gives three bytes at a time, as a pipe may."""

    def read1(self, size=-1):
        return super().read1(3)


def test_lines_that_come_in_pieces_stay_whole():
    target = io.StringIO()
    Member(1, [], 0.0)._forward(Pieces(b"one\n\nand two\nthree"), target)
    assert target.getvalue() == "[1] one\n[1] \n[1] and two\n[1] three\n"


def test_a_closed_target():
    target = io.StringIO()
    target.close()
    forwarded(b"one\ntwo\n", target)


def test_a_broken_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    target = os.fdopen(writing, "w")
    forwarded(b"one\ntwo\n", target)
    with pytest.raises(BrokenPipeError):
        target.close()
