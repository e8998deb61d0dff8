"""One event to many: stractory.emit()."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult

from stractory.actors.emitter import Emitter, emit
from stractory.net.stream import Stream
from stractory.wire.occasions import JsonLines, Msgpack
from tests.actors.test_emitter import over_link, over_tcp
from tests.net.test_link import Pair
from tests.support.green import green_until


def heard_by(emitter: Emitter) -> list[Any]:
    """What comes from now on."""
    heard: list[Any] = []
    emitter.on("**", lambda *data: heard.append((emitter.event, *data)))
    return heard


def over_link_unread(pair: Pair) -> tuple[Emitter, Stream]:
    far: AsyncResult[Stream] = AsyncResult()
    pair.serve = lambda link, stream, dial: far.set(stream)
    near = Emitter(pair.open(), Msgpack())
    return near, far.get()


def test_a_thousand_hear_all_of_it_in_order(pair: Pair) -> None:
    ends = [over_link(pair) for _ in range(1000)]
    crowd = [near for near, _ in ends]
    heard = [heard_by(far) for _, far in ends]
    for number in range(0, 20, 2):
        assert emit(crowd, "all", number) == 1000
        assert all(each.emit("each", number + 1) for each in crowd)
    expected = [(("all", "each")[number % 2], number) for number in range(20)]
    green_until(lambda: all(len(each) >= len(expected) for each in heard))
    assert all(each == expected for each in heard)


def test_each_format_encodes_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: Counter[str] = Counter()

    def counting(kind: Any) -> Any:
        encode = kind.encode

        def count(event: list[Any]) -> Any:
            encoded[kind.__name__] += 1
            return encode(event)

        return staticmethod(count)

    ends = [way for _ in range(3) for way in (over_link(pair), over_tcp())]
    heard = [heard_by(far) for _, far in ends]
    for kind in (Msgpack, JsonLines):
        monkeypatch.setattr(kind, "encode", counting(kind))
    assert emit((near for near, _ in ends), "x", [1, {"two": 3}]) == 6
    green_until(lambda: all(heard))
    assert heard == [[("x", [1, {"two": 3}])]] * 6
    assert encoded == {"Msgpack": 1, "JsonLines": 1}


def test_what_one_format_cannot_carry_is_missed_there(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    (by_json, json_end), (by_link, link_end) = over_tcp(), over_link(pair)
    heard = [heard_by(far) for far in (json_end, link_end)]
    for _ in range(2):
        assert emit([by_json, by_link], "x", math.inf) == 1
    assert by_json.missed == 2 and by_link.missed == 0
    assert caplog.text.count("missed an event 'x'") == 1
    assert emit([by_json, by_link], "end", 0) == 2
    expected = [[("end", 0)], [("x", math.inf), ("x", math.inf), ("end", 0)]]
    green_until(lambda: [*map(len, heard)] == [*map(len, expected)])
    assert heard == expected


@pytest.mark.parametrize(
    ("event", "data", "kind"),
    [
        ("x", object(), TypeError),
        ("x", 2**70, OverflowError),  # which is in JSON
        ("x", "\ud800", ValueError),
        ("close", 1, ValueError),
        ("x.*", 1, ValueError),
        (None, 1, ValueError),
    ],
)
def test_what_cannot_travel_reaches_nobody(pair: Pair, event: Any, data: Any, kind: Any) -> None:
    ends = [over_tcp(), over_link(pair), over_tcp()]
    crowd = [near for near, _ in ends]
    heard = [heard_by(far) for _, far in ends]
    with pytest.raises(kind):
        emit(crowd, event, data)
    assert emit(crowd, "end") == 3
    green_until(lambda: all(heard))
    assert heard == [[("end",)]] * 3 and not any(near.missed for near in crowd)


def test_who_has_left_is_missed_and_who_is_no_emitter_refused(pair: Pair) -> None:
    (near, far), (left, _) = over_link(pair), over_link(pair)
    left.close()
    heard = heard_by(far)
    with pytest.raises(TypeError, match="not for a str"):
        emit([near, "far"], "x")  # type: ignore[list-item]
    assert emit([], "x") == 0
    assert emit({left, near}, "end") == 1 and left.missed == 1
    green_until(lambda: heard)
    assert heard == [("end",)]


def test_all_have_it_before_the_slow_are_waited_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stractory.net.backlog.PILE_LIMIT", 1_500_000)
    monkeypatch.setattr("stractory.net.backlog.PILE_PATIENCE", 60)
    (slow, unread), (near, far) = over_link_unread(pair), over_link(pair)
    heard = heard_by(far)
    crowd = [slow, near]
    big = ("x", bytes(2_000_000))
    emits = [gevent.spawn(emit, crowd, *big)]
    green_until(lambda: heard)
    assert heard == [big] and not emits[0].ready()
    emits.append(gevent.spawn(emit, [*reversed(crowd)], "y"))
    green_until(lambda: len(heard) == 2)
    crowd.clear()  # as those do who leave
    late = heard_by(Emitter(unread, Msgpack()))
    assert [each.get(timeout=10) for each in emits] == [2, 2]
    green_until(lambda: len(late) == 2)
    assert late == heard == [big, ("y",)]  # in one order everywhere


def test_one_that_takes_nothing_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stractory.net.backlog.PILE_LIMIT", 3_000_000)
    monkeypatch.setattr("stractory.net.backlog.PILE_PATIENCE", 0.1)
    (still, _unread), (near, far) = over_link_unread(pair), over_link(pair)
    heard = heard_by(far)
    sent = 1
    while emit([still, near], "x", bytes(100_000)) == 2:
        sent += 1
    assert still.closed and still.missed == 1 and not near.missed
    assert emit([still, near], "end") == 1
    green_until(lambda: ("end",) in heard)
    assert len(heard) == sent + 1
