"""What a worker makes of its registries' answers, by a clock that the test moves."""

from __future__ import annotations

import gevent
import pytest

from stractory.errors import AuthError, LinkClosed, UnreachableError
from stractory.net.address import address
from stractory.proof import keys
from stractory.wire.life import Phase, Report, Terms
from stractory.worker import fence, membership, registry_link
from stractory.worker.registry_link import REGISTRIES
from stractory.worker.server import WorkerServer
from tests.support.green import green_until
from tests.worker.test_host import LIMIT, Room, definition, life

LASTING = life(1)._replace(terms=Terms(restart="on-failure"))
FIRST, SECOND, THIRD = (address(f"127.0.0.{number}:9000") for number in (1, 2, 3))
LEASE = 15.0


class FakeRegistry:
    """Its link, stream and calls, over each of which there is one. It takes ``slow`` seconds to answer."""

    own_address = ("127.0.0.1", 1)

    def __init__(self, network: Network, where) -> None:
        self.network = network
        self.peer_address = tuple(where)
        self.ended: str | None = None
        self.slow = 0.0
        self.obstacle: Exception | None = None
        self.doomed: list[list] = []
        self.registries: list[str] = []
        self.keeps = True
        self.meanwhile = lambda: None
        self.registered: list[list[Report]] = []
        self.called: list[tuple] = []
        self.posted: list[tuple] = []
        self._at_end: list = []

    def open(self, dial, label):
        return self

    def wait_accepted(self) -> None:
        pass

    def call(self, method, *args, call_timeout=None):
        if self.obstacle:
            raise self.obstacle
        self.network.now += self.slow
        self.called.append((method, *args))
        if method == "register":
            self.registered.append(args[4])
            self.meanwhile()
            return LEASE, self.doomed, 0.0, self.registries
        if method == "beat":
            return 0.0, [], self.registries
        return self.keeps if method == "snapshot" else None

    def post(self, method, args, kwargs) -> None:
        self.posted.append((method, *args))

    def call_at_end(self, callback) -> None:
        self._at_end.append(callback)

    def close(self) -> None:
        self.ended = "over"
        for callback in self._at_end:
            callback(self.ended)
        self._at_end.clear()

    def told(self, method: str) -> list[tuple]:
        return [args for name, *args in self.posted + self.called if name == method]


class Network:
    """The registries there are, by address, and the time."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        self.registries: dict = {}
        for module in (registry_link, fence, membership):
            monkeypatch.setattr(module, "boot_time", lambda: self.now)
        monkeypatch.setattr(registry_link, "dial", self.dial)
        monkeypatch.setattr(registry_link, "Calls", lambda stream: stream)
        monkeypatch.setattr(registry_link, "RETRY", (0.0,))

    def __getitem__(self, where) -> FakeRegistry:
        return self.registries.setdefault(where, FakeRegistry(self, where))

    def dial(self, where, *args) -> FakeRegistry:
        registry = self[where]
        if isinstance(registry.obstacle, UnreachableError):
            raise registry.obstacle
        registry.ended = None
        return registry

    def cut(self, where) -> None:
        self[where].obstacle = UnreachableError(f"registry {where}: nobody answers there")
        self[where].close()

    def mend(self, where) -> None:
        self[where].obstacle = None


@pytest.fixture
def network(monkeypatch) -> Network:
    return Network(monkeypatch)


@pytest.fixture
def make(tmp_path):
    """Makes a worker of these registries; ``running``: it keeps its links."""
    ring = keys.load(tmp_path / "cluster.key", create=True)
    made = []

    def make(*registries, running=True):
        worker = WorkerServer(address("127.0.0.1:0"), registries, ring, make_client=lambda: None)
        methods = worker._for_registry(registries[0])
        methods["define"](definition().packed)
        methods["create"](list(LASTING), definition().digest, {"init": lambda context: Room()})
        worker.runs = gevent.spawn(worker.membership.run) if running else None
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker._listener.close()
        worker.membership.leave()


@pytest.fixture
def worker(make, network):
    """Registered with two, which are there."""
    worker = make(FIRST, SECOND)
    green_until(lambda: is_with(worker, FIRST) and is_with(worker, SECOND))
    return worker


def link(worker, where):
    return worker.membership._links[where]


def is_with(worker, where) -> bool:
    return where in worker.membership._links and link(worker, where).is_linked


def beat(worker, where) -> None:
    """Have it show that registry a sign of life."""
    link(worker, where)._beat(link(worker, where)._calls)


def is_suspended(worker) -> bool:
    return worker._host._entries["room"].actor.suspended


# ---- one registry ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [0.0, 20.0])
def test_actors_serve_again_unless_the_answer_came_too_late(make, network, slow):
    worker = make(FIRST, running=False)
    assert worker.membership._cut_off()
    network[FIRST].slow = slow
    link(worker, FIRST)._register()
    assert is_suspended(worker) is (slow > 0)


def test_of_what_has_exited_no_other_end_is_told(make, network):
    worker = make(FIRST, running=False)
    only = link(worker, FIRST)
    only._register()
    worker.membership.standing.departed.add(LASTING, 0, network.now)
    worker._host.destroy("room", 1)
    only._tell_outcome(network[FIRST], LASTING)
    assert network[FIRST].posted == []
    worker.membership.standing.departed.heard(LASTING, FIRST)
    worker.membership.standing.departed.forget([FIRST], [FIRST], 0.0)
    only._tell_outcome(network[FIRST], LASTING)
    assert network[FIRST].posted == [("ended", "room", 1)]


def test_the_only_registry_is_not_told_what_it_has_ordered(make, network):
    worker = make(FIRST)
    worker.membership.registered.wait()
    methods = worker._for_registry(FIRST)
    methods["create"](list(life(2, "other")), definition().digest, {"init": lambda context: Room()})
    methods["destroy"]("other", 2)
    assert network[FIRST].posted == []


# ---- several -----------------------------------------------------------------------------------------------


def test_it_serves_as_long_as_one_of_them_hears_of_it(worker, network):
    network.cut(FIRST)
    network.now += 0.6 * LEASE
    beat(worker, SECOND)
    network.now += 0.6 * LEASE
    worker.membership.look()
    assert not is_suspended(worker)
    assert worker.membership.is_registered
    network.cut(SECOND)
    network.now += 0.1 * LEASE
    worker.membership.look()
    assert is_suspended(worker)
    assert worker.membership.obstacle.endswith(f"not registered with registry {FIRST} or {SECOND}")


def test_what_one_has_doomed_is_not_resumed_by_another(worker, network):
    network[FIRST].doomed = [list(LASTING)]
    network[SECOND].obstacle = UnreachableError("away")
    assert worker.membership._cut_off()
    green_until(lambda: len(network[FIRST].registered) == 2 and is_with(worker, FIRST))
    assert is_suspended(worker)
    network.mend(SECOND)
    green_until(lambda: is_with(worker, SECOND))
    assert is_suspended(worker)


def test_one_that_refuses_it_is_no_matter_when_another_does_not(make, network):
    network[FIRST].obstacle = AuthError("not this key")
    worker = make(FIRST, SECOND)
    green_until(lambda: is_with(worker, SECOND))
    assert not worker.runs.ready()
    network.mend(FIRST)
    green_until(lambda: is_with(worker, FIRST))


def test_when_all_refuse_it_it_ends(make, network):
    for where in (FIRST, SECOND):
        network[where].obstacle = AuthError("not this key")
    assert isinstance(make(FIRST, SECOND).runs.get(timeout=LIMIT), AuthError)


def test_what_one_orders_the_other_is_told(worker, network):
    room, told = Room(), life(2, "other")
    methods = worker._for_registry(FIRST)
    methods["create"](list(told), definition().digest, {"init": lambda context: room})
    assert network[SECOND].posted == [("reported", told, Phase.RUNNING)]
    room.gate.clear()
    destroying = gevent.spawn(methods["destroy"], "other", 2)
    room.reached.wait()
    assert network[SECOND].posted[1:] == [("reported", told, Phase.ENDING)]
    room.gate.set()
    destroying.get(timeout=LIMIT)
    assert network[SECOND].posted[2:] == [("ended", "other", 2)]
    assert network[FIRST].posted == []


def test_who_it_registers_with_is_told_what_others_order_meanwhile(make, network):
    worker = make(FIRST, SECOND, running=False)
    methods, told = worker._for_registry(FIRST), life(2, "other")

    def meanwhile():
        methods["destroy"](LASTING.name, LASTING.epoch)
        methods["create"](list(told), definition().digest, {"init": lambda context: Room()})

    network[SECOND].meanwhile = meanwhile
    worker.runs = gevent.spawn(worker.membership.run)
    green_until(lambda: len(network[SECOND].posted) == 2)
    assert network[SECOND].told("reported") == [[told, Phase.RUNNING]]
    assert network[SECOND].told("ended") == [[LASTING.name, LASTING.epoch]]


def test_an_exit_is_told_to_each_and_to_who_was_away_for_a_moment(worker, network):
    network.cut(FIRST)
    worker._host.destroy("room", 1)
    worker.membership.tell_exit(LASTING, 3)
    green_until(lambda: network[SECOND].told("exited") == [["room", 1, 3]])
    beat(worker, SECOND)
    network.mend(FIRST)
    green_until(lambda: network[FIRST].told("exited") == [["room", 1, 3]])
    assert network[FIRST].registered[-1] == [Report(LASTING, Phase.ENDING)]
    beat(worker, SECOND)
    assert LASTING not in worker.membership.standing.departed


def test_an_exit_is_forgotten_when_who_did_not_hear_of_it_is_away_for_long(worker, network):
    departed = worker.membership.standing.departed
    network.cut(FIRST)
    worker.membership.tell_exit(LASTING, 3)
    green_until(lambda: network[SECOND].told("exited"))
    beat(worker, SECOND)
    assert LASTING in departed
    network.now += 2 * LEASE
    beat(worker, SECOND)
    assert LASTING not in departed


def test_an_exit_that_nobody_heard_of_is_not_forgotten(worker, network):
    for where in (FIRST, SECOND):
        network.cut(where)
    worker.membership.tell_exit(LASTING, 3)
    network.now += 2 * LEASE
    network.mend(SECOND)
    green_until(lambda: network[SECOND].told("exited"))


def test_a_state_is_kept_by_whoever_does(worker, network):
    network[FIRST].keeps = False
    assert worker.membership.keep_state(LASTING, b"state")
    assert network[SECOND].told("snapshot") == [["room", 1, 2, b"state"]]
    network[SECOND].keeps = False
    assert not worker.membership.keep_state(LASTING, b"state")
    network[FIRST].obstacle = LinkClosed("it broke")
    network[SECOND].keeps = True
    assert worker.membership.keep_state(LASTING, b"state")


def test_why_a_state_is_not_kept_yet_is_told_once(make, network, caplog):
    worker = make(FIRST)
    green_until(lambda: is_with(worker, FIRST))
    outage = LinkClosed("no quorum")
    network[FIRST].obstacle = outage
    keeping = gevent.spawn(worker.membership.keep_state, LASTING, b"state")
    green_until(lambda: next(worker.membership._sequence) > 6)
    network[FIRST].obstacle = None
    assert keeping.get(timeout=LIMIT)
    told = [record for record in caplog.records if str(outage) in record.getMessage()]
    assert [record.levelname for record in told if "is not kept yet" in record.getMessage()] == ["WARNING"]


def test_who_is_silent_is_asked_last(worker, network):
    assert worker.membership.keep_state(LASTING, b"state")
    assert network[FIRST].told("snapshot") and not network[SECOND].told("snapshot")
    network.now += 10.0
    beat(worker, SECOND)
    assert worker.membership.keep_state(LASTING, b"state")
    assert len(network[FIRST].told("snapshot")) == len(network[SECOND].told("snapshot")) == 1


def test_all_are_told_that_it_leaves(worker, network):
    worker.membership.announce_leave()
    worker.membership.leave()
    for where in (FIRST, SECOND):
        assert network[where].posted == [("leaving",)]
        assert network[where].told("goodbye") and network[where].ended


def test_one_that_comes_back_while_it_leaves_is_told(worker, network):
    network.cut(FIRST)
    worker.membership.announce_leave()
    network.mend(FIRST)
    green_until(lambda: network[FIRST].told("leaving"))


# ---- which there are ---------------------------------------------------------------------------------------


def test_it_learns_of_others_and_lets_go_who_is_none_of_them_any_more(make, network):
    network[FIRST].registries = [str(FIRST), str(SECOND)]
    worker = make(FIRST)
    green_until(lambda: is_with(worker, SECOND))
    network[FIRST].registries = [str(FIRST), str(THIRD)]
    beat(worker, FIRST)
    green_until(lambda: is_with(worker, THIRD))
    assert is_with(worker, SECOND)  # nobody is let go who can be reached
    network.cut(SECOND)
    beat(worker, FIRST)
    assert set(worker.membership._links) == {FIRST, THIRD}


def test_one_that_is_told_of_twice_has_one_link(worker, network, monkeypatch):
    dialled = []
    monkeypatch.setattr(
        registry_link, "dial", lambda where, *args: dialled.append(where) or network.dial(where)
    )
    network[FIRST].registries = [str(where) for where in (FIRST, SECOND, THIRD, THIRD)]
    beat(worker, FIRST)
    green_until(lambda: is_with(worker, THIRD))
    gevent.idle()
    assert dialled == [THIRD]


def test_no_registry_has_it_dial_any_number_of_others(worker, network):
    network[FIRST].registries = [f"127.0.0.1:{port}" for port in range(10_000, 20_000)]
    beat(worker, FIRST)
    assert len(worker.membership._links) <= REGISTRIES + 2


@pytest.mark.parametrize("told", [[5], ["nowhere"], 5, [None], {"a": 1}])
def test_addresses_that_are_none_end_no_link_for_good(make, network, told):
    network[FIRST].registries = told
    worker = make(FIRST)
    green_until(lambda: len(network[FIRST].registered) > 1)
    network[FIRST].registries = [str(FIRST)]
    green_until(lambda: is_with(worker, FIRST))


def test_who_is_in_the_settings_is_dialled_for_ever(worker, network):
    network.cut(SECOND)
    network[FIRST].registries = [str(FIRST)]
    beat(worker, FIRST)
    network.mend(SECOND)
    green_until(lambda: is_with(worker, SECOND))


def test_a_registry_by_another_name_is_no_other(make, network):
    network[FIRST].registries = ["registry-1:9000", str(SECOND)]  # the one that answers is the first
    worker = make(FIRST)
    green_until(lambda: is_with(worker, SECOND))
    assert set(worker.membership._links) == {FIRST, SECOND}


def test_of_two_names_of_one_registry_one_is_dialled(make, network, monkeypatch):
    network[SECOND].peer_address = network[FIRST].peer_address
    worker = make(FIRST, SECOND)
    green_until(lambda: len(worker.membership._links) == 1)
    assert worker.membership.is_registered


def test_registries_that_do_not_know_of_each_other_are_told_of_once(worker, network, caplog):
    def beat_for(leases: int) -> None:
        for _ in range(2 * leases):
            network.now += LEASE / 2
            beat(worker, FIRST)
            beat(worker, SECOND)

    network[FIRST].registries = [str(FIRST), str(SECOND)]  # and the second does not know it yet
    beat_for(3)
    assert "do not know of each other" not in caplog.text
    network[FIRST].registries = [str(FIRST)]
    beat_for(1)
    assert "do not know of each other" not in caplog.text
    beat_for(3)
    assert caplog.text.count(f"registries {FIRST} and {SECOND} do not know of each other") == 1


def test_those_of_a_process_for_an_actor_wait_until_it_is_there(make, network, monkeypatch):
    worker = make(FIRST, SECOND, running=False)
    monkeypatch.setattr(worker.membership, "_links_all", False)
    running = gevent.spawn(worker.membership.run)
    green_until(lambda: is_with(worker, FIRST))
    gevent.idle()
    assert not is_with(worker, SECOND)
    worker.membership.occupied()
    green_until(lambda: is_with(worker, SECOND))
    assert not running.ready()


def test_they_do_not_wait_when_the_one_that_had_it_started_is_away(make, network, monkeypatch):
    network.cut(FIRST)
    worker = make(FIRST, SECOND, running=False)
    monkeypatch.setattr(worker.membership, "_links_all", False)
    gevent.spawn(worker.membership.run)
    green_until(lambda: is_with(worker, SECOND))


def test_processes_for_actors_are_told_of_all_the_one_that_orders_them_first(worker, monkeypatch):
    started = []
    monkeypatch.setattr(worker._children, "start", lambda *told: started.append(told))
    worker._for_registry(SECOND)["isolate"](b"id")
    assert started == [(b"id", [SECOND, FIRST])]
