"""Code that travels is opened on the worker that runs it alone, and nowhere with ``code = import``."""

from __future__ import annotations

import os
import signal
import sys
import textwrap

import pytest

import stractory
from tests.support.canary import Canary
from tests.support.cluster import Cluster
from tests.support.green import green_until
from tests.support.programs import run_program

COUNTER = textwrap.dedent("""
    import os

    class Counter:
        def __init__(self, options):
            self.number = options["first"]
        def next(self):
            self.number += 1
            return self.number
        def pid(self):
            return os.getpid()
        def snapshot(self):
            return self.number
        def restore(self, number):
            self.number = number
""")

CLIENT = """
import sys, stractory
address, key_file, name, trust = sys.argv[1:]
with stractory.client(address, key_file=key_file, trust_wrappers=trust == "True") as strac:
    strac.list(), next(strac.watch(name))
    try:
        strac.wait(name)("hello")
    except stractory.UntrustedWrapper:
        print("untrusted")
"""


def shipped(canary: Canary):
    thing = canary.thing

    def init(options):
        return lambda stream, address: stream.sendall(bytes([thing]))

    return init


def wrapping(canary: Canary):
    thing = canary.thing
    return lambda stream, options: lambda word: (word, thing)


def test_only_a_worker_and_a_client_that_trusts_open_code(strac, cluster, name, tmp_path):
    in_init, in_wrapper = Canary(tmp_path / "init"), Canary(tmp_path / "wrapper")
    actor = stractory.stream(shipped(in_init), client=wrapping(in_wrapper))
    strac.create(name, actor)
    strac.get(name)("hello")
    assert in_init.heard() <= {worker.pid for worker in strac.workers()}
    assert len(in_init.heard()) == 1 and not in_wrapper.heard()
    for trust in (False, True):
        arguments = [cluster.address, str(cluster.key_file), name, str(trust)]
        run = run_program([sys.executable, "-c", CLIENT, *arguments], capture_output=True, timeout=30)
        assert (run.stdout, run.stderr) == (b"" if trust else b"untrusted\n", b"")
        assert len(in_wrapper.heard()) == trust
    assert len(in_init.heard()) == 1


@pytest.fixture(scope="module")
def importing():
    """Two workers that take no code that travels."""
    with Cluster(workers=2, pool_arguments=["--code=import"]) as started:
        (started.folder / "counting.py").write_text(COUNTER)
        yield started


@pytest.mark.parametrize("isolate", [False, True])
def test_a_worker_that_only_imports_is_given_no_code(importing, name, tmp_path, isolate):
    canary = Canary(tmp_path / "canary")
    with importing.client() as strac:
        with pytest.raises(stractory.NoCompatibleWorker) as refused:
            strac.create(name, shipped(canary), isolate=isolate)
        assert all(worker.python.endswith("import-only") for worker in strac.workers())
        assert strac.list(name) == []
    assert not canary.heard()
    for part in ("dill", "import-only", "give init as 'package.module:function'"):
        assert part in str(refused.value)


@pytest.mark.parametrize("isolate", [False, True])
def test_what_it_imports_comes_back_with_its_state(importing, name, isolate):
    counter = stractory.rpc("counting:Counter", options={"first": 7})
    with importing.client() as strac:
        strac.create(name, counter, restart="on-failure", snapshot="each call", isolate=isolate)
        handle = strac.get(name)
        assert handle.next() == 8
        os.kill(handle.pid(), signal.SIGKILL)
        green_until(lambda: handle.closed)
        assert handle.next() == 9
        strac.destroy(name)


def test_a_wrapper_travels_all_the_same(importing, name):
    counter = stractory.rpc("counting:Counter", options={"first": 0}, client=lambda rpc, options: rpc.next)
    with importing.client() as strac:
        strac.create(name, counter)
        assert strac.get(name)() == 1
