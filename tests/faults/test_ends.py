"""Daemons that are told to end, that have nowhere to write, and whose clock is wrong."""

from __future__ import annotations

import os
import signal
import sys

import pytest

import stractory
from tests.factory.test_factory import exchange, gated_leaver
from tests.support.actors import Gate, echo
from tests.support.cluster import BIN, PATIENCE, Cluster, until
from tests.support.faults import let_pass, look_inside
from tests.support.programs import start_program


def test_a_second_sigterm_ends_at_once(tmp_path):
    """Row 32; an orderly end by the first is in tests/factory/test_daemons.py."""
    with Cluster(workers=0) as cluster, Gate() as gate:
        worker = cluster.daemon("stractory-worker", "--listen=127.0.0.1:0", f"--registry={cluster.address}")
        worker.wait_line("stractory worker ready")
        with cluster.client() as strac:
            options = {"path": str(tmp_path / "destroyed"), **gate.options}
            strac.create("a", gated_leaver, options=options)
            worker.process.send_signal(signal.SIGTERM)
            gate.wait_reached()  # its destroy() has begun
            worker.process.send_signal(signal.SIGTERM)
            assert worker.join() == 128 + signal.SIGTERM
            assert not (tmp_path / "destroyed").exists()
            until(lambda: strac.workers() == [])


def full() -> int:
    """A file on a disk that is full."""
    return os.open("/dev/full", os.O_WRONLY)


def broken() -> int:
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def shouter(options, context):
    """An rpc actor that prints and logs."""

    def shout():
        context.log.warning("loudly")
        try:
            print("loudly", flush=True)
        except OSError:
            return "could not print"
        return "printed"

    return {"shout": shout}


@pytest.mark.parametrize("make", [full, broken])
def test_nowhere_to_write(make):
    """Row 34: registry, worker and pool live on without log and output, and end in order."""
    with Cluster(workers=0) as cluster:
        registry = cluster.address
        cluster.kill_registry()
        commands = [["stractory", f"--listen={registry}"]]
        for program in ("stractory-worker", "stractory-workers"):
            commands.append([program, "--listen=127.0.0.1:0", f"--registry={registry}"])
        daemons = []
        try:
            for program, *arguments in commands:
                gone = make()
                command = [sys.executable, str(BIN / program), *arguments, "--log-level=debug"]
                daemons.append(start_program(command, stdout=gone, stderr=gone, env=cluster.env))
                os.close(gone)
            with cluster.client() as strac:
                until(lambda: len(_workers(strac)) == 2)
                for name in "abcd":
                    strac.create(name, stractory.rpc(shouter))
                    assert strac.get(name).shout() in ("printed", "could not print")
                with pytest.raises(stractory.ActorStartFailed):
                    strac.create("e", lambda options: 1 / 0)
            assert [daemon.poll() for daemon in daemons] == [None] * 3
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
            assert [daemon.wait(PATIENCE) for daemon in daemons] == [0] * len(daemons)


def _workers(strac):
    try:
        return strac.workers()
    except stractory.RegistryUnavailable:
        return []


def test_a_wall_clock_that_jumps(tmp_path):
    """Row 30: no lease is lost, and epochs grow; what the clock is set back by makes no difference."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    cluster = Cluster(workers=1, registry_arguments=["--heartbeat-timeout=2"])
    cluster.env |= look_inside(tmp_path, clock)
    with cluster, cluster.client() as strac:
        before = strac.create("a", echo)
        epoch = before.epoch
        for jump in (3600, -3600):
            clock.write_text(str(jump))
            let_pass(0.5)
            made = strac.create("b", echo, if_exists="replace")
            assert made.epoch > epoch
            epoch = made.epoch
            assert abs(made.since - before.since - jump) < 600  # it has jumped
            let_pass(1)
            assert strac.list("a") == [before]
            assert exchange(strac.get("a")) == b"hello"
