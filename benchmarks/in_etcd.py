"""What a registry does that keeps its names in an etcd of three members, all on this machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from actors import WARM
from bench import Bench
from lasting import creates_on_one
from measuring import HERE, Factory, rate
from rows import OURS, Row, measures

from stractory.net.process import Process
from stractory.store.etcd.client import Client
from stractory.store.etcd.store import EtcdStore
from stractory.store.interface import Record
from stractory.wire.life import Life

CREATES = Row("lasting.creates-in-etcd", "creates, 200 green threads, by a registry on an etcd of three")
RECORDS = Row("lasting.records-in-etcd", "records of lives that a store keeps in an etcd of three")


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


@measures(CREATES, by=OURS)
def creates_in_etcd(bench: Bench) -> float:
    with etcd() as endpoints, Factory(keeping=("--store=etcd", f"--etcd-endpoints={endpoints}")) as factory:
        return creates_on_one(bench, factory)


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
