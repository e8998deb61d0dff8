"""Workers that are told to leave by an operator: real ones, of a pool, which starts others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import stractory
from stractory.proof import keys
from tests.lasting.test_coming_back import counter
from tests.support.actors import Gate, pass_gate
from tests.support.cluster import Cluster
from tests.support.green import green_until
from tests.support.stores import on_every_store


def keeper(options):
    class Keeper:
        def __init__(self):
            self.number = 0

        def add(self):
            self.number += 1
            return self.number

        def snapshot(self):
            return self.number

        def restore(self, number):
            self.number = number

    return Keeper()


def slow_to_end(options):
    class Slow:
        def ping(self):
            return "pong"

        def destroy(self):
            pass_gate(options)

    return Slow()


@on_every_store
def test_its_actors_come_back_with_their_state_or_end(strac):
    kept = strac.create("kept", stractory.rpc(keeper), restart="on-failure", snapshot="each call")
    handle = strac.get("kept")
    assert [handle.add(), handle.add()] == [1, 2]
    while True:  # one beside it, on the same worker
        plain = strac.create("plain", stractory.rpc(counter), if_exists="replace")
        if plain.worker == kept.worker:
            break
    before = {worker.address: worker.pid for worker in strac.workers()}
    outcome = strac.drain(kept.worker)
    assert outcome["plain"] is None
    assert (outcome["kept"].state, outcome["kept"].restart) == ("running", "on-failure")
    assert outcome["kept"].epoch > kept.epoch
    assert handle.add() == 3
    with pytest.raises(stractory.ActorNotFound):
        strac.connect("plain")
    green_until(lambda: len(strac.workers()) == 2)  # a pool starts another in its place
    assert before[kept.worker] not in {worker.pid for worker in strac.workers()}


@on_every_store
def test_an_actor_with_its_own_process_goes_along(strac):
    info = strac.create("alone", stractory.rpc(counter), isolate=True, restart="on-failure")
    pid = strac.get("alone").pid()
    with pytest.raises(stractory.WorkerNotFound, match="the process of one isolated actor"):
        strac.drain(info.worker)
    parent = int(re.search(r"PPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
    (worker,) = (worker for worker in strac.workers() if worker.pid == parent)
    assert strac.drain(worker.address)["alone"].epoch > info.epoch
    assert strac.get("alone").pid() != pid
    green_until(lambda: len([worker for worker in strac.workers() if not worker.isolated]) == 2)


@on_every_store
def test_it_goes_on_when_nobody_waits_any_more(strac):
    with Gate() as gate:
        info = strac.create("slow", stractory.rpc(slow_to_end), options=gate.options)
        with pytest.raises(stractory.CallTimeout, match="still ends its actors; it goes on"):
            strac.drain(info.worker, timeout=0.5)
        gate.wait_reached()
        assert [worker.state for worker in strac.workers() if worker.address == info.worker] == ["leaving"]
    green_until(lambda: not strac.list("slow"))
    green_until(lambda: [worker.state for worker in strac.workers()] == ["running"] * 2)


def test_who_may_not(cluster: Cluster, tmp_path):
    (master,) = keys.load(cluster.key_file).keys
    keys.write_key(tmp_path / "alice.key", master.derive(keys.CLIENT, "alice"))
    with cluster.client(key_file=tmp_path / "alice.key") as alice:
        (first, _) = alice.workers()
        with pytest.raises(stractory.ForbiddenRole, match=r"drain\(\) needs the role operator"):
            alice.drain(first.address)
        assert len(alice.workers()) == 2


def test_nobody_has_the_address(strac):
    with pytest.raises(stractory.WorkerNotFound, match="no worker has the address"):
        strac.drain("127.0.0.1:1")
    with pytest.raises(TypeError, match="the address of a worker"):
        strac.drain(9001)
