"""Actors that hold up their worker: named, stopped, at last ended with it; and nobody else is blamed."""

from __future__ import annotations

import contextlib
import re
import sys
from types import FunctionType

import gevent
import pytest

import stractory
from stractory.errors import (
    ActorHung,
    ActorLost,
    ActorQuarantined,
    ActorStartFailed,
    ConfigError,
    Interruption,
    StreamReset,
)
from stractory.wire.failures import to_wire
from stractory.worker.blame import Culprit, marked, marks
from stractory.worker.watchdog import Limits, Watchdog
from tests.support.cluster import BIN, Cluster, stop_for, until
from tests.support.green import green_until, next_event
from tests.support.programs import run_program

HERE = __file__


def limits(report, interrupt, exit):
    return [f"--block-report={report}", f"--block-interrupt={interrupt}", f"--block-exit={exit}"]


def stand():
    while True:
        pass


class Hanging:
    """An rpc actor that can hang in every way."""

    def __init__(self, options):
        pass

    def pid(self):
        import os

        return os.getpid()

    def stand(self):
        stand()

    def spawn_one(self):
        gevent.spawn(stand)

    def sleep_natively(self):
        from gevent.monkey import get_original

        get_original("time", "sleep")(1000)

    def go_on(self):
        for _ in range(2):
            with contextlib.suppress(BaseException):
                stand()
        return "went on"

    def items(self):
        yield 1
        stand()

    def stand_until(self, begun, over):
        import os

        os.mkdir(begun)
        while not os.path.exists(over):
            pass
        return "done"

    def compute_in_c(self):
        return sum(range(10**11))

    def match_in_c(self):
        return re.match("(a+)+b", "a" * 50)


class HangingAtItsEnd:
    def __init__(self, options):
        pass

    def method(self):
        pass

    def destroy(self):
        stand()


def stands_in_init(options):
    stand()


def standing_handler(options):
    return lambda stream, address: stand()


def standing_listener(options):
    def handle(emitter):
        emitter.on("stand", stand)
        emitter.on("ask", lambda: emitter.emit("answer"))

    return handle


@pytest.fixture(scope="module")
def watched():
    """One worker whose actors are stopped soon, and that is not to end."""
    with Cluster(workers=1, pool_arguments=limits(0.2, 0.6, 60)) as cluster:
        yield cluster


@pytest.fixture
def strac(watched):
    with watched.client() as client:
        yield client


@pytest.fixture
def hanging(strac, name):
    strac.create(name, stractory.rpc(Hanging))
    return strac.get(name)


@pytest.fixture
def bystander(strac, name):
    """Another actor of the same worker. When the test is over, both go on."""
    strac.create(f"{name}, bystander", stractory.rpc(Hanging))
    other = strac.get(f"{name}, bystander")
    worker = other.pid()
    yield other
    assert other.pid() == worker


def stops_of(cluster, name):
    """How often the log says that the actor was stopped."""
    return cluster.errors().count(f"actor {name!r} held up its worker")


def was_blamed(cluster, name, function):
    """Whether the log told first that the actor stands, and where, and then that it was stopped."""
    until(lambda: stops_of(cluster, name))
    report, _, _ = cluster.errors().partition(f"actor {name!r} held up its worker")
    _, named, place = report.partition(f"actor {name!r} (")
    return named and re.search(f"has held up this worker for .* s, in {function}[(][)] at {HERE}:", place)


@pytest.mark.parametrize("method", ["stand", "sleep_natively"])
def test_a_method_is_stopped_and_its_caller_told(watched, hanging, bystander, name, method):
    with pytest.raises(ActorHung) as caught:
        getattr(hanging, method)()
    assert repr(name) in str(caught.value)
    assert f"in {method}() at {HERE}:" in str(caught.value)
    assert was_blamed(watched, name, method)


def test_calls_of_other_actors_only_wait(hanging, bystander):
    hung = hanging.stand.future()
    assert bystander.pid()
    with pytest.raises(ActorHung):
        hung.get(timeout=20)


def test_a_generator_is_stopped(hanging, bystander):
    items = hanging.items()
    assert next(items) == 1
    with pytest.raises(ActorHung):
        next(items)


def test_an_init_is_stopped_and_the_name_free(watched, strac, bystander, name):
    with pytest.raises(ActorStartFailed, match="held up its worker"):
        strac.create(name, stands_in_init)
    assert was_blamed(watched, name, "stands_in_init")
    strac.create(name, stractory.rpc(Hanging))


def test_a_handler_is_stopped_and_its_stream_reset(watched, strac, bystander, name):
    strac.create(name, standing_handler)
    with pytest.raises(StreamReset):
        strac.connect(name).recv(1)
    assert was_blamed(watched, name, "<lambda>")


def test_a_listener_is_stopped_and_events_go_on(watched, strac, bystander, name):
    strac.create(name, stractory.eventemitter(standing_listener))
    emitter = strac.get(name)
    answer = next_event(emitter, "answer")
    emitter.emit("stand")
    emitter.emit("ask")
    answer.get(timeout=20)
    assert was_blamed(watched, name, "stand")


def test_what_an_actor_has_begun_is_stopped_as_it_is(watched, hanging, bystander, name):
    hanging.spawn_one()
    assert was_blamed(watched, name, "stand")


def test_a_destroy_is_stopped(watched, strac, bystander, name):
    strac.create(name, stractory.rpc(HangingAtItsEnd))
    strac.destroy(name)
    assert was_blamed(watched, name, "destroy")


def test_what_goes_on_is_stopped_again(watched, hanging, bystander, name):
    assert hanging.go_on() == "went on"
    until(lambda: stops_of(watched, name) == 2)


def test_time_in_which_a_worker_was_stopped_does_not_count(name, tmp_path):
    begun, over = tmp_path / "begun", tmp_path / "over"
    with Cluster(workers=1, pool_arguments=limits(0.5, 0.7, 1)) as cluster, cluster.client() as strac:
        strac.create(name, stractory.rpc(Hanging))
        hanging = strac.get(name)
        worker = hanging.pid()
        done = hanging.stand_until.future(str(begun), str(over))
        green_until(begun.exists)
        stop_for(worker, 1.5, meanwhile=over.mkdir)
        assert done.get(timeout=20) == "done"
        assert hanging.pid() == worker
        assert "held up" not in cluster.errors()


@pytest.mark.parametrize("method", ["compute_in_c", "match_in_c"])
def test_c_code_costs_the_worker(name, method):
    with Cluster(workers=1, pool_arguments=limits(0.2, 0.5, 1)) as cluster, cluster.client() as strac:
        strac.create(name, stractory.rpc(Hanging))
        with pytest.raises(ActorLost):
            getattr(strac.get(name), method)()
        told = until(lambda: "was ended (pid" in cluster.errors() and cluster.errors())
        assert f"in {method}\n" in told
        assert "in rpc definition " in told


def test_what_ends_one_worker_after_another_is_not_started_for_a_while(name):
    """Row 21."""
    with Cluster(workers=1, pool_arguments=limits(0.2, 0.5, 1)) as cluster, cluster.client() as strac:

        def hang():
            strac.create(name, stractory.rpc(Hanging), timeout=60)
            with pytest.raises(ActorLost):
                strac.get(name).match_in_c()

        def blamed():
            return cluster.errors().count("has ended its worker")

        for times in (1, 2, 3):
            green_until(lambda: [worker.state for worker in strac.workers()] == ["running"])
            hang()
            green_until(lambda times=times: blamed() == times)
        with pytest.raises(ActorQuarantined, match="have ended 3 workers"):
            strac.create(name, stractory.rpc(Hanging))
        green_until(lambda: "is in quarantine for" in cluster.errors())  # it is durable
        cluster.restart_registry()
        green_until(lambda: [worker.state for worker in strac.workers()] == ["running"])
        with pytest.raises(ActorQuarantined):
            strac.create(name, stractory.rpc(Hanging))
        strac.create(name, stractory.rpc(HangingAtItsEnd))


# ---- without a cluster ---------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [(1, 1, 2), (2, 1, 0), (3, 0, 2), (0, 3, 2)])
def test_limits_out_of_order_are_refused(given):
    with pytest.raises(ConfigError, match="must rise in this order"):
        Limits(*given).check()


@pytest.mark.parametrize("program", ["stractory-worker", "stractory-workers"])
def test_a_program_says_so(program):
    asked = [BIN / program, "--listen=0", *limits(0.5, 8, 5)]
    ran = run_program([sys.executable, *asked], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 2
    assert "block-report (0.5), block-interrupt (8) and block-exit (5) must rise" in ran.stderr


@pytest.mark.parametrize("given", [(0.5, 5, 8), (0, 5, 8), (1, 0, 8), (0, 0, 0)])
def test_limits_may_be_left_out(given):
    Limits(*given).check()


@pytest.mark.parametrize(
    ("given", "warned"), [((0.5, 5, 8), False), ((0.5, 5, 11), True), ((0, 0, 0), False)]
)
def test_who_is_given_up_before_it_ends_is_warned(caplog, given, warned):
    Limits(*given).check_lease(15.0)
    assert ("more than two thirds of the registry's heartbeat-timeout (15)" in caplog.text) == warned


def test_a_worker_compares_its_limits_with_its_lease():
    with Cluster(workers=1, registry_arguments=["--heartbeat-timeout=6"]) as cluster:
        until(lambda: "block-exit (8) is more than two thirds" in cluster.errors())


MINE, OTHERS = (marks(Culprit(name, "rpc definition 1")) for name in ("mine", "other"))


@pytest.fixture
def watchdog():
    return Watchdog(Limits(0.5, 5, 8))


def look(watchdog, blocked, mark, frame=None):
    """As the signal does, in what runs under ``mark`` when the loop has stood still for so long."""
    watchdog._blocked = blocked
    with marked(mark):
        watchdog._look(0, frame)


def test_who_held_up_the_loop_is_stopped(watchdog):
    look(watchdog, 0.2, MINE)
    look(watchdog, 4.9, MINE)
    with pytest.raises(Interruption, match="actor 'mine' held up its worker") as caught:
        look(watchdog, 5.0, MINE)
    assert to_wire(caught.value, "")[0] == "ActorHung"
    assert watchdog.interrupted == {"rpc definition 1": 1}


def test_who_runs_after_it_is_not(watchdog, capfd):
    look(watchdog, 0.2, MINE)
    look(watchdog, 5.0, OTHERS)
    look(watchdog, 5.2, OTHERS)
    assert capfd.readouterr().err == ""


def test_nor_is_anybody_when_the_loop_has_turned(watchdog):
    look(watchdog, 0.2, MINE)
    watchdog._turn()
    look(watchdog, 5.0, MINE)


def test_nor_is_what_is_no_actors(watchdog, capfd):
    look(watchdog, 0.2, {})
    look(watchdog, 5.0, {})
    assert "no known actor has held up this worker" in capfd.readouterr().err


def test_what_is_ours_is_not_cut_into(watchdog):
    def frame():
        return sys._getframe()

    ours = FunctionType(frame.__code__, {"__name__": "stractory.net.link", "sys": sys})()
    look(watchdog, 0.2, MINE, ours)
    look(watchdog, 5.0, MINE, ours)
    with pytest.raises(Interruption):
        look(watchdog, 5.1, MINE, frame())
