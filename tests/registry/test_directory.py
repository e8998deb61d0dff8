import pytest

from stractory.errors import ActorExists, ActorNotFound, InvalidName, NoCompatibleWorker, NoWorkers
from stractory.net.process import Process
from stractory.registry.back_off import DELAYS, HEALTHY, delay
from stractory.registry.directory import Directory
from stractory.registry.epochs import Drafts
from stractory.registry.records import Actor, Making, State, Worker
from stractory.wire.changes import DRAINED
from stractory.wire.life import Life, Phase, Report, Terms, check_name
from stractory.wire.shipping import Code, Definition, runtime
from tests.support.chance import chance

PYTHON = "cpython-311 dill-0.4"


def life(name: str, epoch: int) -> Life:
    return Life(name, "stream", epoch, 1.0, b"", False)


class Model:
    """A directory with its clocks, which the test moves."""

    def __init__(self) -> None:
        self.directory = Directory(lease=15.0, random=chance())
        self.now = 100.0
        self.wall = 1_000.0

    def worker(self, id: bytes, *lives: Life, phase: Phase = Phase.RUNNING, runtime: str = PYTHON) -> Worker:
        worker, self.doomed = self.directory.register(
            id,
            address=f"127.0.0.1:{id[0]}",
            process=Process("machine", 1, 0),
            runtime=runtime,
            reports=[Report(life, phase) for life in lives],
            now=self.now,
        )
        return worker

    def reserve(self, name: str, runtime: str | None = PYTHON, create_id: bytes = b""):
        return self.directory.reserve(
            name, kind="stream", runtime=runtime, create_id=create_id, wall=self.wall
        )

    def create(self, name: str):
        actor = self.reserve(name)
        assert self.directory.confirm(actor, self.now)
        return actor


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.mark.parametrize("name", ["a", "ü" * 256, "x" * 512, "with space\nand line", "*"])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 513, "ü" * 257, b"bytes", None, 7, "\ud800"])
def test_bad_names(name: object) -> None:
    with pytest.raises(InvalidName):
        check_name(name)


def test_a_name_is_taken_from_its_reservation_on(model: Model) -> None:
    model.worker(b"1")
    reserved = model.reserve("room")
    with pytest.raises(ActorExists) as caught:
        model.reserve("room")
    assert caught.value.details["epoch"] == reserved.epoch
    with pytest.raises(ActorNotFound):
        model.directory.lookup("room")  # not there before its worker has started it
    assert model.directory.confirm(reserved, model.now)
    assert model.directory.lookup("room") is reserved


def test_a_reservation_that_failed_frees_the_name(model: Model) -> None:
    model.worker(b"1")
    model.directory.ended(model.reserve("room"))
    assert model.create("room").state is State.RUNNING


def test_an_actor_that_is_being_ended_holds_its_name(model: Model) -> None:
    model.worker(b"1")
    actor = model.create("room")
    assert model.directory.begin_end(actor)
    assert not model.directory.begin_end(actor)
    with pytest.raises(ActorNotFound):
        model.directory.lookup("room")
    with pytest.raises(ActorExists, match="being ended"):
        model.reserve("room")
    assert [(actor.name, actor.state.value) for actor in model.directory.actors()] == [("room", "ending")]
    model.directory.ended(actor)
    later = model.create("room")
    model.directory.ended(actor)  # told twice, it changes nothing
    assert model.directory.find("room") is later and later.epoch > actor.epoch


def test_an_actor_that_is_being_ended_is_not_started_any_more(model: Model) -> None:
    model.worker(b"1")
    pending = model.reserve("room")
    assert model.directory.begin_end(pending)
    assert not model.directory.confirm(pending, model.now)
    assert pending.state is State.ENDING


def test_epochs_grow_though_the_wall_clock_goes_back(model: Model) -> None:
    model.worker(b"1", life("old", 5_000_000_000_000))
    one = model.create("one")
    model.wall -= 900
    assert model.create("two").epoch > one.epoch > 5_000_000_000_000


def test_a_draft_is_above_what_was_given_and_below_what_will_be(model: Model) -> None:
    model.directory.epochs = Drafts()
    model.directory.epochs.given(100)
    model.worker(b"1", life("reported", 5_000_000_000_000))  # by whom no number is given
    one, two = model.reserve("one"), model.reserve("two")
    assert 100 < one.epoch < 102 and 100 < two.epoch < 102
    model.directory.keep(two, 104)
    assert (one.epoch, two.epoch) == (101, 104)
    assert model.directory.find("two") is two
    assert 104 < model.reserve("three").epoch < 106


def test_placement_tells_what_there_is_and_what_to_do(model: Model) -> None:
    importing = model.worker(b"1", runtime=runtime("cpython-311", None))
    with pytest.raises(NoCompatibleWorker, match=r"are cpython-311 import-only: .* give init as 'package"):
        model.reserve("room", runtime=runtime("cpython-311", "0.4.0"))
    assert model.reserve("imported", runtime=None).worker is importing
    both = model.worker(b"2", runtime=runtime("cpython-311", "0.4.0"))
    assert model.reserve("room", runtime=runtime("cpython-311", "0.4.1")).worker is both


def test_placement_needs_a_live_compatible_worker(model: Model) -> None:
    with pytest.raises(NoWorkers):
        model.reserve("room")
    other = model.worker(b"1", runtime="cpython-313 dill-0.4")
    with pytest.raises(NoCompatibleWorker, match="cpython-313"):
        model.reserve("room")
    assert model.reserve("imported", runtime=None).worker is other
    model.directory.unlink(other)
    with pytest.raises(NoWorkers):
        model.reserve("room")
    fitting = model.worker(b"2")
    assert model.reserve("room").worker is fitting


def test_actors_are_spread_evenly(model: Model) -> None:
    workers = [model.worker(bytes([number])) for number in range(1, 5)]
    for number in range(400):
        model.create(f"actor{number}")
    assert all(80 <= worker.load <= 120 for worker in workers)


def test_a_lost_worker_keeps_its_names_until_its_lease_ends(model: Model) -> None:
    worker = model.worker(b"1")
    actor = model.create("room")
    model.directory.unlink(worker)
    assert actor.state is State.LOST
    model.worker(b"2")
    with pytest.raises(ActorExists):
        model.reserve("room")
    assert model.directory.expired(model.now + 15.0) == []
    model.directory.beat(model.worker(b"2"), model.now + 15.5)
    assert model.directory.expired(model.now + 15.5) == [worker]
    model.directory.bury(worker, proved=True, now=model.now)
    assert model.directory.find("room") is None
    model.directory.bury(worker, proved=True, now=model.now)


def test_a_worker_that_comes_back_has_its_actors_as_before(model: Model) -> None:
    worker = model.worker(b"1")
    kept, gone = model.create("kept"), model.create("gone")
    model.directory.unlink(worker)
    assert model.worker(b"1", kept.life) is worker
    assert model.doomed == []
    assert kept.state is State.RUNNING
    assert model.directory.find("gone") is None and gone.name == "gone"


def test_an_empty_directory_adopts_what_workers_report(model: Model) -> None:
    model.worker(b"1", life("room", 7))
    assert model.directory.lookup("room").epoch == 7
    assert model.create("new").epoch > 7


def test_an_actor_that_was_given_up_while_its_worker_was_away_does_not_come_back(model: Model) -> None:
    worker = model.worker(b"1")
    actor = model.create("room")
    model.directory.unlink(worker)
    model.directory.give_up(actor)
    for lives in [[actor.life], [actor.life], []]:  # the order may have been lost; or it is still starting
        model.worker(b"1", *lives)
        assert [doomed.epoch for doomed in model.doomed] == [actor.epoch]
        assert model.directory.find("room") is None
    model.directory.ended(actor)
    model.worker(b"1")
    assert model.doomed == [] and worker.condemned == set()
    later = model.create("room")
    assert later.epoch > actor.epoch
    model.worker(b"1", later.life)
    assert model.doomed == [] and model.directory.find("room") is later


@pytest.mark.parametrize("order", [(7, 9), (9, 7)])
def test_of_two_lives_of_a_name_the_later_stays(model: Model, order: tuple[int, int]) -> None:
    model.worker(b"1", life("room", order[0]))
    model.worker(b"2", life("room", order[1]))
    assert [loser.epoch for loser in model.doomed] == [7]
    assert model.directory.lookup("room").epoch == 9
    assert sum(worker.load for worker in model.directory.workers()) == 1


def test_a_buried_workers_pending_actor_cannot_be_confirmed(model: Model) -> None:
    worker = model.worker(b"1")
    pending = model.reserve("room")
    model.directory.bury(worker, proved=True, now=model.now)
    assert not model.directory.confirm(pending, model.now)


def test_a_worker_that_was_taken_for_dead_brings_back_what_nobody_took_meanwhile(model: Model) -> None:
    worker = model.worker(b"1")
    kept, taken, ended = model.create("kept"), model.create("taken"), model.create("ended")
    starting = model.reserve("starting")
    model.directory.bury(worker, proved=False, now=model.now)
    model.worker(b"2")
    again = model.create("taken")
    model.directory.ended(model.create("ended"))

    lives = [actor.life for actor in (kept, taken, ended, starting)]
    assert model.worker(b"1", *lives) is worker
    assert {actor.name for actor in model.doomed} == {"taken", "ended", "starting"}
    assert model.directory.lookup("kept").epoch == kept.epoch
    assert model.directory.lookup("taken") is again
    assert model.directory.find("ended") is None and model.directory.find("starting") is None


def test_a_creation_that_fails_does_not_keep_away_what_had_the_name_before(model: Model) -> None:
    worker = model.worker(b"1")
    actor = model.create("room")
    model.directory.bury(worker, proved=False, now=model.now)
    model.worker(b"2")
    model.directory.ended(model.reserve("room"))
    model.worker(b"1", actor.life)
    assert model.doomed == [] and model.directory.lookup("room").epoch == actor.epoch


def test_what_was_ending_when_its_worker_was_given_up_does_not_come_back(model: Model) -> None:
    worker = model.worker(b"1")
    actor = model.create("room")
    model.directory.begin_end(actor)
    model.directory.bury(worker, proved=False, now=model.now)
    model.worker(b"1", actor.life)
    assert [doomed.life for doomed in model.doomed] == [actor.life]
    assert model.directory.find("room") is None


@pytest.mark.parametrize(
    "phase, state", [("starting", "pending"), ("running", "running"), ("ending", "ending")]
)
def test_a_worker_tells_how_far_each_actor_is(model: Model, phase: str, state: str) -> None:
    model.worker(b"1", life("room", 7), phase=Phase(phase))
    actor = model.directory.find("room")
    assert actor is not None and actor.state.value == state
    model.worker(b"1", life("room", 7), phase=Phase.ENDING)
    assert model.directory.find("room") is actor and actor.state is State.ENDING
    assert model.doomed == []
    model.worker(b"1")
    assert model.directory.find("room") is None


def test_what_a_worker_does_not_report_is_gone_though_the_order_to_start_it_may_come(model: Model) -> None:
    worker = model.worker(b"1")
    pending = model.reserve("room")
    model.directory.unlink(worker)
    model.worker(b"1")
    assert [doomed.life for doomed in model.doomed] == [pending.life]
    assert model.directory.find("room") is None


def test_a_worker_that_leaves_is_given_nothing(model: Model) -> None:
    leaving, staying = model.worker(b"1"), model.worker(b"2")
    model.directory.leave(leaving)
    assert {model.create(f"actor{number}").worker for number in range(20)} == {staying}
    model.directory.unlink(leaving)
    model.directory.leave(leaving)
    assert leaving.state is State.LOST
    model.directory.leave(staying)
    with pytest.raises(NoWorkers):
        model.reserve("room")


def test_what_a_dead_worker_had_is_remembered_for_an_hour(model: Model) -> None:
    worker = model.worker(b"1")
    model.directory.bury(worker, proved=False, now=model.now)
    model.directory.expired(model.now + 3599)
    assert model.worker(b"1") is worker
    model.directory.bury(worker, proved=False, now=model.now)
    model.directory.expired(model.now + 3601)
    assert model.worker(b"1") is not worker


def test_a_lease_goes_on_for_as_long_as_the_registry_stood_still(model: Model) -> None:
    worker = model.worker(b"1")
    model.directory.extend_leases(100)
    assert model.directory.expired(model.now + 115) == []
    assert model.directory.expired(model.now + 115.5) == [worker]


def test_patterns(model: Model) -> None:
    model.worker(b"1")
    for name in ("room.1", "room.2", "game", "Room.3"):
        model.create(name)
    found = {actor.name for actor in model.directory.actors("room.*")}
    assert found == {"room.1", "room.2"}
    assert len(list(model.directory.actors())) == 4


# ---- actors that come back -------------------------------------------------------------------------------


MAKING = Making(Definition("stream", Code.imported("module:init"), None, {}), {})


def create_lasting(model: Model, name: str) -> Actor:
    terms = Terms(restart="on-failure")
    actor = model.directory.reserve(
        name, kind="stream", runtime=None, create_id=b"", wall=model.wall, terms=terms, making=MAKING
    )
    assert model.directory.confirm(actor, model.now)
    return actor


@pytest.mark.parametrize("proved", [True, False])
def test_what_comes_back_keeps_its_name_until_it_does(model: Model, proved: bool) -> None:
    worker = model.worker(b"1")
    actor, other = create_lasting(model, "lasting"), model.create("other")
    model.directory.bury(worker, proved=proved, now=model.now)
    waiting = model.directory.find("lasting")
    assert waiting is not None
    assert model.directory.find("lasting") is waiting and waiting.state is State.WAITING
    assert waiting.coming and waiting.life == actor.life
    assert model.directory.find(other.name) is None
    with pytest.raises(ActorExists, match="being made again"):
        model.reserve("lasting")
    with pytest.raises(NoWorkers):
        model.directory.renew(waiting, model.wall)
    new = model.worker(b"2")
    again = model.directory.renew(waiting, model.wall)
    assert (again.worker, again.state, again.epoch > actor.epoch) == (new, State.PENDING, True)
    assert again.coming and model.directory.find("lasting") is again
    assert model.directory.confirm(again, model.now) and not again.coming


def test_a_worker_that_comes_back_first_brings_it_along(model: Model) -> None:
    worker = model.worker(b"1")
    actor = create_lasting(model, "lasting")
    model.directory.unlink(worker)
    model.directory.bury(worker, proved=False, now=model.now)
    waiting = model.directory.find("lasting")
    assert waiting is not None
    worker = model.worker(b"1", actor.life)
    found = model.directory.find("lasting")
    assert found is not None and found is not waiting
    assert (found.worker, found.state, found.life, found.making) == (
        worker,
        State.RUNNING,
        actor.life,
        MAKING,
    )
    assert model.doomed == []


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_worker_that_comes_back_later_must_end_its_copy(model: Model, confirmed: bool) -> None:
    worker = model.worker(b"1")
    actor = create_lasting(model, "lasting")
    model.directory.bury(worker, proved=False, now=model.now)
    waiting = model.directory.find("lasting")
    assert waiting is not None
    model.worker(b"2")
    again = model.directory.renew(waiting, model.wall)
    if confirmed:
        model.directory.confirm(again, model.now)
    model.worker(b"1", actor.life)
    assert [doomed.life for doomed in model.doomed] == [actor.life]
    assert model.directory.find("lasting") is again


def test_what_is_destroyed_while_it_waits_does_not_come_back(model: Model) -> None:
    worker = model.worker(b"1")
    actor = create_lasting(model, "lasting")
    model.directory.bury(worker, proved=False, now=model.now)
    waiting = model.directory.find("lasting")
    assert waiting is not None
    model.directory.give_up(waiting)
    assert model.directory.find("lasting") is None
    model.worker(b"1", actor.life)
    assert [doomed.life for doomed in model.doomed] == [actor.life]
    assert model.directory.find("lasting") is None


def test_what_is_to_end_for_good_is_not_set_aside(model: Model) -> None:
    worker = model.worker(b"1")
    actor = create_lasting(model, "lasting")
    model.directory.let_go(actor)
    model.directory.begin_end(actor)
    model.directory.bury(worker, proved=True, now=model.now)
    assert model.directory.find("lasting") is None


def test_delays_grow_with_lives_that_were_short_and_end_with_a_long_one(model: Model) -> None:
    model.worker(b"1")
    actor = create_lasting(model, "lasting")
    delays = []
    for _ in range(len(DELAYS) + 2):
        model.directory.set_aside(actor, model.now)
        waiting = model.directory.find("lasting")
        assert waiting is not None
        delays.append(delay(waiting))
        actor = model.directory.renew(waiting, model.wall)
        model.directory.confirm(actor, model.now)
    assert delays == [*DELAYS, DELAYS[-1], DELAYS[-1]]
    model.now += HEALTHY + 1
    model.directory.set_aside(actor, model.now)
    waiting = model.directory.find("lasting")
    assert waiting is not None and delay(waiting) == 0


def test_workers_that_are_told_to_end_one_after_another_delay_nothing(model: Model) -> None:
    model.worker(b"1")
    actor = create_lasting(model, "lasting")
    for _ in range(4):
        model.directory.bury(actor.worker, proved=True, now=model.now, reason=DRAINED)
        waiting = model.directory.find("lasting")
        assert waiting is not None
        assert delay(waiting) == 0
        model.worker(b"next")
        actor = model.directory.renew(waiting, model.wall)
        model.directory.confirm(actor, model.now)
    for _ in range(2):  # and excuse nothing
        model.directory.bury(actor.worker, proved=True, now=model.now)
        waiting = model.directory.find("lasting")
        assert waiting is not None
        model.worker(b"next")
        actor = model.directory.renew(waiting, model.wall)
        model.directory.confirm(actor, model.now)
    model.directory.bury(actor.worker, proved=True, now=model.now, reason=DRAINED)
    waiting = model.directory.find("lasting")
    assert waiting is not None
    assert delay(waiting) == DELAYS[1]


def test_a_name_that_another_took_is_left_to_it(model: Model) -> None:
    model.worker(b"1")
    actor = create_lasting(model, "lasting")
    model.directory.ended(actor)
    other = model.create("lasting")
    model.directory.set_aside(actor, model.now)
    assert model.directory.find("lasting") is other
