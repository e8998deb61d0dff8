"""What happens to keys of etcd, from a revision on, without a gap whatever becomes of its members."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, NamedTuple

import gevent

from stractory.errors import StoreError, StoreUnreachable
from stractory.store.etcd import operations
from stractory.store.etcd.client import RETRY, Client
from stractory.store.etcd.operations import Entry

QUIET_LIMIT = 5.0
"""Seconds without an event after which another member is asked: this one may stand still.

One that has nothing to tell says so only every ten minutes.
"""


LINE_LIMIT = 64 * 1024 * 1024
"""Most bytes of events that are told at once; where they have more, what there is now is read instead."""


class Written(NamedTuple):
    """A key was written."""

    entry: Entry


class Deleted(NamedTuple):
    """A key was taken away, or its lease has ended."""

    key: bytes
    revision: int


class Compacted(NamedTuple):
    """What happened before this revision is not known any more: read all anew, and watch from there."""

    revision: int


Event = Written | Deleted | Compacted


def watch(client: Client, prefix: bytes, revision: int, quiet: float = QUIET_LIMIT) -> Iterator[list[Event]]:
    """All events of keys that begin so, from ``revision`` on; those of one revision come together.

    A member that goes away, or knows no leader, is replaced by another, which goes on from there. It ends
    after Compacted. For as long as no member answers it waits. Raises StoreError for what no member takes.
    """
    while True:
        asked = operations.range_of(prefix, operations.end_of(prefix)) | {"start_revision": str(revision)}
        began = time.monotonic()
        is_behind = False
        try:
            with client.watching(asked) as lines:
                while not is_behind:
                    with gevent.Timeout(quiet, TimeoutError("nothing was heard for long")):
                        line = lines.readline(LINE_LIMIT)
                    if len(line) == LINE_LIMIT:
                        events: list[Event] = [Compacted(revision)]
                    else:
                        told = _result(line)
                        client.identity.check(client.endpoints[0], told["header"], 0)
                        events = _events(told)
                        is_behind = (
                            bool(told.get("created")) and int(told["header"]["revision"]) < revision - 1
                        )
                    if events:
                        yield events
                    if events and isinstance(events[-1], Compacted):
                        gevent.sleep(RETRY)
                        return
                    if events:
                        revision = max(revision, _last(events) + 1)
                    else:
                        gevent.sleep(0)  # there may be more of these than the loop has turns
        except (OSError, HTTPException, *operations.MALFORMED):
            pass
        client.go_on()
        gevent.sleep(max(0.0, RETRY - (time.monotonic() - began)))
        if is_behind:  # late, or of a back-up: then this raises
            client.range(operations.range_of(prefix))


def _result(line: bytes) -> dict[str, Any]:
    """What a line tells. Raises StoreUnreachable where another member has to be asked, and MALFORMED."""
    told: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}  # else it was cut off
    result: dict[str, Any] | None = told.get("result")
    if result is None:
        raise StoreUnreachable(f"a watch of etcd has ended: {told.get('error', 'its connection broke')}")
    return result


def _events(result: dict[str, Any]) -> list[Event]:
    """Raises StoreError where etcd does not tell any."""
    if "compact_revision" in result:
        return [Compacted(int(result["compact_revision"]))]
    if result.get("canceled"):
        raise StoreError(f"etcd has ended a watch: {result.get('cancel_reason', 'it does not say why')}")
    return [_event(event) for event in result.get("events", ())]


def _event(told: dict[str, Any]) -> Event:
    if told.get("type") == "DELETE":
        return Deleted(operations.data(told["kv"]["key"]), int(told["kv"]["mod_revision"]))
    return Written(operations.entry(told["kv"]))


def _last(events: list[Event]) -> int:
    last = events[-1]
    return last.entry.revision if isinstance(last, Written) else last.revision
