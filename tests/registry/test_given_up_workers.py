"""Workers that were given up without proof, where other registries may hear them. Pure.

What comes back is begun elsewhere only as long as its last worker is dead for all registries.
"""

from __future__ import annotations

import pytest

from stractory.registry.records import Actor, State
from stractory.wire.life import Phase, Report
from tests.registry.test_sharing import Sharing, Watcher, bury, lasting, learn_lasting, report_lasting

WORKER = b"1"


@pytest.fixture
def sharing() -> Sharing:
    """A worker was given up that had an actor which comes back."""
    sharing = Sharing()
    learn_lasting(sharing)
    report_lasting(sharing)
    bury(sharing, proved=False)
    return sharing


def there(sharing: Sharing) -> Actor:
    actor = sharing.directory.find("room")
    assert actor is not None
    return actor


def renewed(sharing: Sharing) -> Actor:
    """Its next life, of which the store has still to say whether it is one."""
    return sharing.directory.renew(there(sharing), 1.0)


def test_the_next_life_begins_if_the_worker_is_dead(sharing: Sharing) -> None:
    assert there(sharing).lost_with == WORKER
    actor = renewed(sharing)
    assert (actor.lost_with, actor.worker.id) == (WORKER, b"2")
    sharing.directory.keep(actor, 102)
    assert actor.lost_with == b""


def test_a_proved_death_is_no_condition() -> None:
    sharing = Sharing()
    learn_lasting(sharing)
    report_lasting(sharing)
    bury(sharing)
    assert there(sharing).lost_with == b""


def test_what_another_registry_hears_is_where_it_was(sharing: Sharing) -> None:
    assert sharing.directory.hear_of(WORKER, 3.0)
    assert sharing.state("room") == (100, State.LOST)
    assert sharing.directory.lookup("room").worker.id == WORKER
    assert sharing.directory.hear_of(WORKER, 3.0) is None
    report_lasting(sharing)
    assert sharing.state("room") == (100, State.RUNNING)


def test_what_does_not_come_back_is_where_it_was_as_well() -> None:
    sharing = Sharing()
    sharing.report("room", 100)
    bury(sharing, proved=False)
    assert sharing.state("room") is None
    sharing.directory.hear_of(WORKER, 3.0)
    assert sharing.state("room") == (100, State.LOST)
    sharing.report("room", 100)
    assert sharing.state("room") == (100, State.RUNNING)


def test_what_was_freed_meanwhile_is_not_there() -> None:
    sharing = Sharing()
    sharing.report("room", 100)
    bury(sharing, proved=False)
    sharing.directory.forget("room", 102)
    sharing.directory.hear_of(WORKER, 3.0)
    assert sharing.state("room") is None


def test_it_can_be_lost_again(sharing: Sharing) -> None:
    sharing.directory.hear_of(WORKER, 3.0)
    bury(sharing, proved=False)
    assert sharing.state("room") == (100, State.WAITING)
    assert there(sharing).lost_with == WORKER


def test_what_the_store_refuses_is_where_it_was(sharing: Sharing) -> None:
    actor = renewed(sharing)
    sharing.directory.hear_of(WORKER, 3.0)
    sharing.directory.withdraw(actor)
    assert sharing.state("room") == (100, State.LOST)


def test_the_store_may_refuse_it_before_this_registry_hears_why(sharing: Sharing) -> None:
    sharing.directory.withdraw(renewed(sharing))
    assert sharing.state("room") == (100, State.WAITING)
    sharing.directory.hear_of(WORKER, 3.0)
    assert sharing.state("room") == (100, State.LOST)


def test_what_the_worker_does_not_have_any_more_is_made_again(sharing: Sharing) -> None:
    watcher = Watcher()
    sharing.directory.observers.append(watcher)
    sharing.register(WORKER)
    assert sharing.state("room") == (100, State.WAITING)
    assert watcher.waiting == [there(sharing)]
    assert there(sharing).lost_with == b""


def test_nor_is_it_there_if_the_worker_came_while_it_was_made_again(sharing: Sharing) -> None:
    actor = renewed(sharing)
    sharing.register(WORKER)
    sharing.directory.withdraw(actor)
    assert sharing.state("room") == (100, State.WAITING)
    assert there(sharing).lost_with == b""


def test_what_the_worker_brings_while_it_is_made_again_is_there(sharing: Sharing) -> None:
    actor = renewed(sharing)
    sharing.register(WORKER, Report(lasting("room", 100), Phase.RUNNING))
    sharing.directory.withdraw(actor)
    assert sharing.state("room") == (100, State.RUNNING)
