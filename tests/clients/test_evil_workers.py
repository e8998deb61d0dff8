"""What a worker tells of its actors is checked: above all, it cannot have a client do without keys."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from stractory.clients.workers import WorkerLinks
from stractory.clients.wrappers import Wrappers
from stractory.errors import ProtocolError
from stractory.net.serving import itself, log_failure
from stractory.net.trust import ANYBODY
from stractory.wire.info import ActorInfo, Location

KEY = bytes(32)


class Told(WorkerLinks):
    """Links to workers that give this answer."""

    def __init__(self, answer: Any) -> None:
        super().__init__(None, ANYBODY)
        self._answer = answer

    def _link(self, location: Location) -> Any:
        return SimpleNamespace(session=KEY)

    def _call(self, *args: Any) -> Any:
        return self._answer


def an_actor(kind: str = "rpc", *, public: bool = False) -> Location:
    return Location(ActorInfo("a", kind, "10.0.0.7:9001", 7, "running", 0.0, public, True))


def test_endpoints() -> None:
    assert Told([9003, None]).endpoint(an_actor("stream")) == "tcp://10.0.0.7:9003"
    assert Told([9003, None]).endpoint(an_actor(public=True)).curve is None
    assert Told([9003, KEY]).endpoint(an_actor()).curve is not None


@pytest.mark.parametrize(
    "answer",
    [[9003, None], [9003, b"short"], [9003, "x" * 32], [0, KEY], [65536, KEY], ["9003", KEY], [], None],
)
def test_no_endpoint_of_an_actor_that_is_not_public(answer: Any) -> None:
    with pytest.raises(ProtocolError, match=r"worker 10\.0\.0\.7:9001 told no proper endpoint of 'a'"):
        Told(answer).endpoint(an_actor())


@pytest.mark.parametrize("answer", [[70000, None], [-1, None], [9003, KEY], ["9003\x1b[2J", None]])
def test_no_endpoint_that_asks_for_no_key(answer: Any) -> None:
    for location in (an_actor("stream"), an_actor(public=True)):
        with pytest.raises(ProtocolError, match="no proper endpoint"):
            Told(answer).endpoint(location)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"wrapper": None, "options": {}},
        {"wrapper": ["name", None, None, KEY, b""], "options": 5},
    ],
)
def test_no_description(answer: Any) -> None:
    wrappers = Wrappers(Told(answer), True, itself)
    with pytest.raises(ProtocolError, match=r"proper description|malformed code"):
        wrappers.find(an_actor(), cast(Any, log_failure))
