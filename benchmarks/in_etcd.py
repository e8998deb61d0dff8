"""What registries do that keep their names in an etcd of three members, all on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import gevent
from actors import WARM, create_all
from bench import Bench
from lasting import creates_on_one
from measuring import HERE, Factory, daemon, look_ups, rate
from rows import OURS, Row, measures

import stractory
from stractory.net.process import Process
from stractory.store.etcd.client import Client
from stractory.store.etcd.store import EtcdStore
from stractory.store.interface import Record
from stractory.wire.life import Life

CREATES = Row("lasting.creates-in-etcd", "creates, 200 green threads, by a registry on an etcd of three")
RECORDS = Row("lasting.records-in-etcd", "records of lives that a store keeps in an etcd of three")
LOOK_UPS = Row("lasting.look-ups-in-etcd", "look-ups, 200 green threads, by a registry on an etcd of three")
EMBEDDED = Row("lasting.look-ups-embedded", "the same by a registry with a store of its own")
DEATHS = Row("lasting.deaths-in-etcd", "until three registries know of a dead worker, beyond its lease", "s")

LEASE = 3
"""Seconds, of the workers that die."""


@contextlib.contextmanager
def etcd() -> Iterator[str]:
    """The endpoints of one, with commas."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.etcd", "3"],
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("etcd did not start")
            yield line.split()[-1]
        finally:
            process.terminate()


def on(endpoints: str) -> tuple[str, ...]:
    """What a registry is told to keep its names there."""
    return "--store=etcd", f"--etcd-endpoints={endpoints}"


@measures(CREATES, by=OURS)
def creates_in_etcd(bench: Bench) -> float:
    with etcd() as endpoints, Factory(keeping=on(endpoints)) as factory:
        return creates_on_one(bench, factory)


@measures(LOOK_UPS, by=OURS)
def look_ups_in_etcd(bench: Bench) -> float:
    with etcd() as endpoints, Factory(keeping=on(endpoints)) as factory:
        return looked_up(bench, factory)


@measures(EMBEDDED, by=OURS)
def look_ups_embedded(bench: Bench) -> float:
    with Factory() as factory:
        return looked_up(bench, factory)


def looked_up(bench: Bench, factory: Factory) -> float:
    """A second, over one link."""
    factory.pool(1)
    names = bench.names(WARM)
    create_all(factory.client(), names)
    return look_ups(factory.address, factory.key_file, names * bench.count(20))


@measures(DEATHS, by=OURS)
def deaths_in_etcd(bench: Bench) -> float:
    """From SIGSTOP on: nothing but its silence tells that the worker is dead."""
    with contextlib.ExitStack() as stack:
        keeping = (*on(stack.enter_context(etcd())), f"--heartbeat-timeout={LEASE}")
        factory = stack.enter_context(Factory(keeping=keeping))
        command = ("stractory", "--listen=0", f"--key-file={factory.key_file}", "--data-dir=none", *keeping)
        others = [stack.enter_context(daemon("ready", *command)).line.split()[-1] for _ in range(2)]
        worker = factory.worker()
        clients = [
            stack.enter_context(stractory.client(where, key_file=factory.key_file))
            for where in (factory.address, *others)
        ]
        while not all(client.workers() for client in clients):
            gevent.sleep(0.05)
        os.kill(worker.pid, signal.SIGSTOP)
        before = time.perf_counter()
        while any(client.workers() for client in clients):
            gevent.sleep(0.02)
        took = time.perf_counter() - before
        os.kill(worker.pid, signal.SIGCONT)
        return took - LEASE


@measures(RECORDS, by=OURS)
def records_in_etcd(bench: Bench) -> float:
    with etcd() as endpoints:
        store = EtcdStore(Client(endpoints.split(",")), "/benchmark", [b"secret"])
        store.load()
        warm, names = bench.names(WARM), bench.names(bench.count(10_000))
        keep(store, warm)
        figure = rate(len(names), lambda: keep(store, names))
        store.close()
        return figure


def keep(store: EtcdStore, names: list[str]) -> None:
    now = time.time()
    lives = [Life(name, "stream", 1, now, b"x" * 16, False) for name in names]
    records = [Record(life, b"w" * 16, Process("machine", 1, 1)) for life in lives]
    results = [store.create(record, None) for record in records]
    if not all(result.get() for result in results):
        raise RuntimeError("a name was taken")
