"""What real daemons show of themselves, after some life."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zerorpc
from prometheus_client import Metric

import stractory
from stractory.http.registry import RegistryMetrics
from stractory.net.address import Address
from stractory.net.address import address as parse
from stractory.proof import keys
from stractory.proof.proved import ProvedLinks
from stractory.registry.directory import Directory
from stractory.registry.service import Registry
from stractory.store.memory import MemoryStore
from tests.http.asking import ask, metrics, value
from tests.support.actors import Gate, echo, multicast, pass_gate
from tests.support.cluster import Cluster, Daemon, until

DASHBOARD = Path(__file__).parents[2] / "etc/grafana.json"
HTTP = "--http=127.0.0.1:0"


def where(daemon: Daemon) -> Address:
    """Where it said that its pages are."""
    found = until(lambda: re.search(r"http at (\S+): /", daemon.errors.read_text()))
    return parse(found[1])


class Site:
    """A registry and a worker that show themselves, and a client."""

    def __init__(self, cluster: Cluster) -> None:
        assert cluster.registry is not None
        self.cluster = cluster
        self.registry = where(cluster.registry)
        self.daemon = cluster.daemon(
            "stractory-worker",
            "--listen=127.0.0.1:0",
            f"--registry={cluster.address}",
            "--block-report=0.1",
            "--block-interrupt=0.3",
            HTTP,
        )
        self.listening = self.daemon.wait_line("stractory worker ready at ").rpartition(" ")[2]
        self.worker = where(self.daemon)


@pytest.fixture
def site() -> Iterator[Site]:
    with Cluster(workers=0, registry_arguments=[HTTP]) as cluster:
        site = Site(cluster)
        try:
            yield site
        finally:
            if site.daemon.process.poll() is None:
                site.daemon.end()


@pytest.fixture
def strac(site: Site) -> Iterator[stractory.Client]:
    with site.cluster.client(background=True) as client:
        yield client


def talker(options: Any) -> Any:
    kept = []

    def fail() -> None:
        raise ValueError("no")

    def hang() -> None:
        while True:
            pass

    return {"add": lambda a, b: a + b, "fail": fail, "hang": hang, "keep": kept.append, "drop": kept.clear}


def torrent(options: Any) -> Any:
    def handle(stream: Any, address: Any) -> None:
        stream.sendall(bytes(8 * 1024 * 1024))

    return handle


def test_what_a_registry_counts(site: Site, strac: stractory.Client, tmp_path: Path) -> None:
    def number(sample: str, **labels: str) -> float:
        return value(site.registry, f"stractory_{sample}", **labels)

    for name in ("one-of-these", "another-one"):
        strac.create(name, echo)
    with pytest.raises(stractory.ActorExists):
        strac.create("another-one", echo)
    strac.create("board", stractory.eventemitter(multicast))
    strac.destroy("another-one")
    with pytest.raises(stractory.ActorNotFound):
        strac.destroy("nobody")
    assert number("creates_total", outcome="ok") == 3
    assert number("creates_total", outcome="ActorExists") == 1
    assert number("destroys_total", outcome="ok") == 1
    assert number("destroys_total", outcome="ActorNotFound") == 1
    assert number("actors", kind="stream", worker=site.listening) == 1
    assert number("actors", kind="eventemitter", worker=site.listening) == 1
    assert (number("workers", state="running"), number("workers", state="lost")) == (1, 0)
    assert (number("registries"), number("store_failing")) == (1, 0)
    assert number("links") == 2 and number("streams") >= 2
    assert "one-of-these" not in ask(site.registry, "/metrics").body

    other = tmp_path / "other.key"
    keys.load(other, create=True)
    with (
        pytest.raises(stractory.AuthError),
        stractory.client(site.cluster.address, key_file=other) as stranger,
    ):
        stranger.list()
    until(lambda: number("refused_proofs_total") == 1)

    strac.create("shaky", stractory.spawn("sh", ["-c", "exit 1"]), restart="on-failure")
    until(lambda: number("restarts_total") >= 1)


def test_an_isolated_actor_counts_for_its_parent(site: Site, strac: stractory.Client) -> None:
    strac.create("alone", echo, isolate=True)
    assert value(site.registry, "stractory_actors", kind="stream", worker=site.listening) == 1
    assert value(site.registry, "stractory_workers", state="running") == 2


def test_what_a_worker_counts(site: Site, strac: stractory.Client) -> None:
    def number(sample: str, **labels: str) -> float:
        return value(site.worker, f"stractory_{sample}", **labels)

    strac.create("talker", stractory.rpc(talker))
    talk = strac.get("talker")
    for _ in range(20):
        talk.add(1, 2)
    with pytest.raises(stractory.RemoteError):
        talk.fail()
    talk.keep(print)
    until(lambda: number("calls_total", kind="rpc") == 22)
    assert number("call_errors_total", kind="rpc") == 1
    assert number("call_seconds_bucket", le="+Inf") == 22
    assert number("call_seconds_count") == 22 and number("call_seconds_sum") > 0
    assert number("callbacks") == 1
    talk.drop()
    until(lambda: number("callbacks") == 0)
    with pytest.raises(stractory.ActorHung):
        talk.hang()
    assert number("hangs_total") == 1
    assert number("loop_lag_seconds_count") > 0
    assert number("links") == 1 and number("streams") >= 1
    assert number("registered") == 1 and number("lease_left_seconds") > 0

    strac.create("board", stractory.eventemitter(multicast))
    board = strac.get("board")
    for _ in range(3):
        board.emit("echo")
    board.emit("count", "of which it takes none")
    until(lambda: number("calls_total", kind="eventemitter") == 4)
    assert number("call_errors_total", kind="eventemitter") == 1

    strac.create("torrent", torrent)
    with strac.connect("torrent"):
        until(lambda: number("window_stalls_total") >= 1)
    assert "talker" not in ask(site.worker, "/metrics").body


def test_calls_at_an_own_port_count(site: Site, strac: stractory.Client) -> None:
    strac.create("talker", stractory.rpc(talker), public=True)
    with strac.connect("talker", direct=True) as talk:
        assert talk.add(1, 2) == 3
    stock = zerorpc.Client(strac.endpoint("talker"))
    try:
        assert stock.add(1, 2) == 3
        with pytest.raises(zerorpc.RemoteError):
            stock.fail()
    finally:
        stock.close()
    until(lambda: value(site.worker, "stractory_calls_total", kind="rpc") == 3)
    assert value(site.worker, "stractory_call_errors_total", kind="rpc") == 1


def test_readiness_of_a_worker(site: Site) -> None:
    assert ask(site.worker, "/readyz").status == 200
    site.cluster.kill_registry()
    gone = until(lambda: (page := ask(site.worker, "/readyz")).status == 503 and page)
    assert gone.body == f"this worker is not registered with registry {site.cluster.address}\n"
    assert value(site.worker, "stractory_registered") == 0
    assert ask(site.worker, "/livez").status == 200
    site.cluster.restart_registry()
    until(lambda: ask(site.worker, "/readyz").status == 200)


def slow_to_end(options: Any) -> Any:
    class Handler:
        def __call__(self, stream: Any, address: Any) -> None: ...

        def destroy(self) -> None:
            pass_gate(options)

    return Handler()


def test_a_worker_that_leaves_is_not_ready(site: Site, strac: stractory.Client) -> None:
    with Gate() as gate:
        strac.create("slow", slow_to_end, options=gate.options)
        site.daemon.process.terminate()
        gate.wait_reached()
        assert ask(site.worker, "/readyz")[::2] == (503, "this worker is about to end\n")
        assert ask(site.worker, "/livez").status == 200
    assert site.daemon.join() == 0


@pytest.mark.parametrize(("settling", "ready"), [(60.0, False), (0.0, True)])
def test_readiness_of_a_registry(settling: float, ready: bool) -> None:
    assert (Registry(Directory(), settling=settling).obstacle == "") is ready


def test_a_registry_becomes_ready(site: Site) -> None:
    until(lambda: ask(site.registry, "/readyz")[::2] == (200, "ready\n"))


def listening(pid: int) -> set[str]:
    """The inodes of the sockets at which a process listens."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == "0A"}
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return inodes & {link.removeprefix("socket:[").removesuffix("]") for link in links}


def test_without_being_asked_nothing_is_served(site: Site) -> None:
    assert len(listening(site.daemon.pid)) == 2
    with Cluster(workers=0) as quiet:
        assert quiet.registry is not None
        worker = quiet.daemon("stractory-worker", "--listen=127.0.0.1:0", f"--registry={quiet.address}")
        worker.wait_line("stractory worker ready at ")
        assert len(listening(quiet.registry.pid)) == len(listening(worker.pid)) == 1
        worker.end()
        assert "http at" not in quiet.errors()


def family_names(address: Address) -> set[str]:
    return {sample for family in metrics(address).values() for sample in names_in(family)}


def names_in(family: Metric) -> set[str]:
    return {sample.name for sample in family.samples}


def test_the_dashboard_shows_what_there_is(site: Site) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    used = set(re.findall(r"stractory_\w+", " ".join(queries)))
    there = family_names(site.registry) | family_names(site.worker) | {"stractory_actors"}
    assert used and used <= there
    assert all(name.startswith("stractory_") for name in there)
    shown = {re.sub("_(bucket|count|sum)$", "", name) for name in used}
    assert shown == {re.sub("_(bucket|count|sum)$", "", name) for name in there}  # and all of it


class FailingStore(MemoryStore):
    failing = True


def test_a_store_that_fails_is_told(ring: keys.KeyRing) -> None:
    directory = Directory()
    links = ProvedLinks("registry", ring, 10, stractory.RegistryUnavailable)
    numbers = RegistryMetrics(directory, Registry(directory, FailingStore(), settling=0), links)
    assert {metric.name: metric.samples for metric in numbers.own()}["stractory_store_failing"][0].value == 1
