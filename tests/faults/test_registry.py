"""The registry goes away, or those who talk to it do."""

from __future__ import annotations

import signal
import sys

import gevent

import stractory
from stractory.net.address import address
from stractory.net.calls import Calls
from stractory.net.process import own
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.wire.dialling import Dial
from tests.factory.test_factory import exchange
from tests.support.actors import Gate, echo, pass_gate
from tests.support.cluster import Cluster, until
from tests.support.faults import Wire, let_pass
from tests.support.green import green_until
from tests.support.programs import start_program
from tests.support.stores import on_every_store


def gated(options):
    """An rpc actor with a method that waits at a gate."""

    def wait():
        pass_gate(options)
        return "through"

    return {"wait": wait}


class Leaver:
    """An rpc actor that counts; its destroy() waits at a gate, if there is one."""

    def __init__(self, options):
        self.count, self.options = 0, options

    def increment(self):
        self.count += 1
        return self.count

    def snapshot(self):
        return self.count

    def restore(self, count):
        self.count = count

    def destroy(self):
        if self.options:
            pass_gate(self.options)


def counted_echo(options):
    """An echo that writes down that its init ran, and then waits at a gate."""
    with open(options["inits"], "a") as file:
        file.write("*")
    pass_gate(options)
    return echo(options)


def running(strac):
    return [worker.pid for worker in strac.workers() if worker.state == "running"]


@on_every_store
def test_a_registry_that_is_killed_and_comes_back(breakable, strac):
    """Rows 1 and 2, of actors that are not to be started elsewhere."""
    before = [strac.create(f"a{number}", echo) for number in range(6)]
    with Gate() as gate:
        strac.create("gated", stractory.rpc(gated), options=gate.options)
        under_way = strac.get("gated").wait.future()
        gate.wait_reached()
        stream = strac.connect("a0")

        breakable.kill_registry()
        creating = [gevent.spawn(strac.create, f"b{number}", echo, timeout=20) for number in range(3)]
        looking_up = [gevent.spawn(strac.connect, info.name, timeout=20) for info in before]
        taken = gevent.spawn(strac.create, "a5", echo, if_exists="get", timeout=20)
        let_pass(2.5)  # more than a lease
        assert exchange(stream) == b"hello"
        assert not any(task.ready() for task in [*creating, *looking_up, taken])
        breakable.restart_registry()

        made = [task.get(timeout=20) for task in creating]
        assert [exchange(task.get(timeout=20)) for task in looking_up] == [b"hello"] * 6
        assert taken.get(timeout=20) == before[5]
        assert {info.name: info for info in strac.list("[ab]?")} == {
            info.name: info for info in before + made
        }
        assert exchange(stream) == b"hello"
        gate.open()
        assert under_way.get(timeout=20) == "through"


CREATE = """
import sys, stractory
from tests.faults.test_registry import counted_echo
registry, key_file, *options = sys.argv[1:]
strac = stractory.client(registry, key_file=key_file)
strac.create("a", counted_echo, options={"inits": options[0], "gate": [options[1], int(options[2])]})
"""


@on_every_store
def test_a_client_that_dies_as_it_creates(breakable, strac, tmp_path):
    """Row 16."""
    inits = tmp_path / "inits"
    with Gate() as gate:
        host, port = gate.options["gate"]
        told = [breakable.address, breakable.key_file, inits, host, port]
        creator = start_program([sys.executable, "-c", CREATE, *map(str, told)])
        gate.wait_reached()
        creator.kill()
        creator.wait()
        creating = gevent.spawn(strac.create, "a", echo, if_exists="get", timeout=20)
        gate.open()
        info = creating.get(timeout=20)
        assert strac.list() == [info]
        assert exchange(strac.get("a")) == b"hello"
        assert inits.read_text() == "*"


@on_every_store
def test_an_answer_to_a_create_that_is_lost(breakable, strac, tmp_path):
    """Row 16: the client asks again, with the same create id."""
    inits = tmp_path / "inits"
    with Gate() as gate, Wire(breakable.address, breakable.key_file) as wire:
        with stractory.client(wire.address, key_file=breakable.key_file) as cut_off:
            options = {"inits": str(inits), **gate.options}
            creating = gevent.spawn(cut_off.create, "a", counted_echo, options=options, timeout=20)
            gate.wait_reached()
            wire.cut(there=False)
            gate.open()
            (info,) = green_until(lambda: [info for info in strac.list() if info.state == "running"])
            wire.reset()
            wire.mend()
            assert creating.get(timeout=20) == info
        assert strac.list() == [info]
        assert inits.read_text() == "*"


def test_a_worker_that_registers_again_and_again(store_arguments):
    """Row 18."""
    with (
        Cluster(workers=0, registry_arguments=store_arguments) as cluster,
        Wire(cluster.address, cluster.key_file) as wire,
    ):
        worker = cluster.daemon("stractory-worker", "--listen=127.0.0.1:0", f"--registry={wire.address}")
        try:
            worker.wait_line("stractory worker ready")
            with cluster.client() as strac:
                info = strac.create("a", echo)
                stream = strac.connect("a")
                for _ in range(5):
                    wire.reset()
                    until(lambda: running(strac) == [])
                    until(lambda: running(strac) == [worker.pid])
                    assert strac.list() == [info]
                assert exchange(stream) == b"hello"
        finally:
            assert worker.end() == 0


@on_every_store
def test_a_register_that_comes_late(breakable, strac):
    """Row 18: its sender has given the link up by then, so nobody answers over it."""
    before = strac.workers()
    link = dial(address(breakable.address), "registry", keys.load(breakable.key_file).credential(keys.NODE))
    stream = link.open(Dial("registry"), label="registry")
    stream.wait_accepted()
    Calls(stream).post("register", (b"late", "127.0.0.1:1", own(), "any", []), {})
    link.close()
    let_pass(0.5)
    assert strac.workers() == before


def test_it_is_restarted_while_a_worker_ends(store_arguments):
    """Row 1: what ends with that worker comes back with its state, though its end is heard of late."""
    with (
        Cluster(workers=0, registry_arguments=store_arguments) as cluster,
        cluster.client() as strac,
        Gate() as gate,
    ):
        listen, registry = "--listen=127.0.0.1:0", f"--registry={cluster.address}"
        first = cluster.daemon("stractory-worker", listen, registry)
        first.wait_line("stractory worker ready")
        for name, options in [("quick", {}), ("slow", gate.options)]:
            kept = {"restart": "always", "snapshot": "each call"}
            strac.create(name, stractory.rpc(Leaver), options=options, **kept)
            assert strac.get(name).increment() == 1
        first.process.send_signal(signal.SIGTERM)
        gate.wait_reached()
        cluster.restart_registry()
        until(lambda: [worker.state for worker in strac.workers()] == ["leaving"])
        second = cluster.daemon("stractory-worker", listen, registry)
        second.wait_line("stractory worker ready")
        gate.open()
        assert first.join() == 0
        for name in ("quick", "slow"):
            assert strac.get(name).increment() == 2
        second.kill()
