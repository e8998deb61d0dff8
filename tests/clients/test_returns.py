"""The search for the next lives of actors, with a registry that is the test's."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import gevent
import pytest

from stractory.clients import returns
from stractory.clients.deadline import Deadline
from stractory.clients.returns import NAMES_LIMIT, Returns
from stractory.errors import ActorLost, ActorNotFound, AuthError, RegistryUnavailable
from stractory.wire.info import ActorInfo, Location
from tests.support.green import green_until


class Waiting:
    """What waits for another life. ``became``: the stream it was given, or "given up"."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.attached = 0.0
        self.tries = 0
        self.returning = True
        self.became: Any = None

    def attach(self, info: ActorInfo, stream: Any) -> None:
        self.became = stream

    def give_up(self) -> None:
        self.became = "given up"


def location(name: str, state: str = "running") -> Location:
    return Location(ActorInfo(name, "eventemitter", "worker", 2, state, 0.0, False, False))


class Search:
    """A search, what it asked, and the answers: each is called with names, the last one again and again."""

    def __init__(self, *answers: Callable[[Sequence[str]], Any]) -> None:
        self.asked: list[list[str]] = []
        self.opened: list[str] = []
        self.failures: list[Exception] = []  # of the next openings
        self._answers = list(answers)
        self.returns = Returns(self._lookup, self._open)

    def _lookup(self, names: Sequence[str], deadline: Deadline) -> list[Location | None]:
        self.asked.append(list(names))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        found = answer(names)
        if isinstance(found, Exception):
            raise found
        return found

    def _open(self, lasting: Any, location: Location) -> Any:
        self.opened.append(location.info.name)
        if self.failures:
            raise self.failures.pop(0)
        return f"stream of {location.info.name}"

    def add(self, *names: str) -> list[Waiting]:
        waiting = [Waiting(name) for name in names]
        for each in waiting:
            self.returns.add(each)  # type: ignore[arg-type]
        return waiting


def all_there(names: Sequence[str]) -> list[Location]:
    return [location(name) for name in names]


def all_gone(names: Sequence[str]) -> list[None]:
    return [None for name in names]


def away(names: Sequence[str]) -> Exception:
    return RegistryUnavailable("it is away")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returns, "DELAYS", (0.01, 0.02))


def test_what_was_lost_together_is_looked_up_together() -> None:
    search = Search(all_there)
    names = [f"a{number}" for number in range(2 * NAMES_LIMIT + 1)]
    waiting = search.add(*names)
    green_until(lambda: all(each.became for each in waiting))
    assert [each.became for each in waiting] == [f"stream of {name}" for name in names]
    assert [len(asked) for asked in search.asked] == [NAMES_LIMIT, NAMES_LIMIT, 1]
    (late,) = search.add("late")  # when it had come to rest
    green_until(lambda: late.became == "stream of late")


def test_a_registry_that_is_away_is_asked_again_for_the_same() -> None:
    search = Search(away, away, away, all_there)
    waiting = search.add("a", "b")
    green_until(lambda: all(each.became for each in waiting))
    assert search.asked == [["a", "b"]] * 4
    assert sorted(search.opened) == ["a", "b"]


def test_what_is_coming_is_waited_for_and_what_is_gone_given_up() -> None:
    search = Search(
        lambda names: [location("a", "waiting"), None], lambda names: [location("a", "pending")], all_there
    )
    coming, gone = search.add("a", "b")
    green_until(lambda: coming.became == "stream of a" and gone.became == "given up")
    assert search.asked == [["a", "b"], ["a"], ["a"]]


@pytest.mark.parametrize("stale", [ActorLost("gone"), OSError("refused")])
def test_a_location_that_is_stale_is_looked_up_again(stale: Exception) -> None:
    search = Search(all_there)
    search.failures = [stale]
    (waiting,) = search.add("a")
    green_until(lambda: waiting.became == "stream of a")
    assert search.asked == [["a"], ["a"]]


@pytest.mark.parametrize("error", [ActorNotFound("another kind"), AuthError("not you")])
def test_what_no_waiting_helps_against(error: Exception) -> None:
    search = Search(all_there)
    search.failures = [error]
    (waiting,) = search.add("a")
    green_until(lambda: waiting.became == "given up")
    assert search.asked == [["a"]]


def test_one_that_needs_none_any_more() -> None:
    search = Search(away, all_there)
    (waiting,) = search.add("a")
    green_until(lambda: search.asked)
    waiting.returning = False
    green_until(lambda: waiting.became == "given up")
    assert not search.opened


def test_nothing_is_looked_for_once_the_client_parts() -> None:
    search = Search(away)
    (before,) = search.add("a")
    green_until(lambda: search.asked)
    with search.returns.shut():
        (meanwhile,) = search.add("b")
    assert before.became == meanwhile.became == "given up"
    asked = len(search.asked)
    gevent.idle()
    assert len(search.asked) == asked
    search._answers = [all_there]
    (after,) = search.add("c")
    green_until(lambda: after.became == "stream of c")
    assert search.asked[asked:] == [["c"]]


def test_a_search_that_nobody_holds_ends() -> None:
    search = Search(away)
    asked = search.asked
    search.add("a")
    green_until(lambda: asked)
    searcher, reference = search.returns._searcher, weakref.ref(search.returns)
    assert searcher is not None
    del search
    green_until(lambda: (gc.collect(), reference() is None)[1])
    searcher.join(20)
    assert searcher.dead
