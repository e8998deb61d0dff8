"""State that is durable before anybody hears of it: ``snapshot="each call"``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from stractory.actors.snapshots import Commit, Keeping, Snapshots, left
from stractory.errors import CallTimeout, SnapshotFailed
from stractory.net.serving import Hold, Methods, gives_items
from stractory.net.turns import Turns
from stractory.wire.codec import encode_value, unpack

_UNCHANGEABLE = frozenset({type(None), bool, int, float, str, bytes})
"""Types of values that stay as they are."""

HELD_LIMIT = 16 * 1024 * 1024
"""Bytes of one-way calls that wait for one snapshot: the call that makes them cannot wait for that itself."""


class SnapshotsOfEachCall(Snapshots):
    """State that is durable before a call is answered, or anything is sent one way that may tell of it.

    Calls run one at a time, or there might be no moment of rest. Those that end while a snapshot is on its
    way share the next.
    """

    _always_due = True

    def __init__(self, made: Any, keeping: Keeping) -> None:
        super().__init__(made, keeping)
        if not self.any_time:
            self._turns = Turns(1)

    @property
    def hold(self) -> Hold:
        return self._hold

    def serving(self, methods: Methods, turns: AbstractContextManager[Any] | None) -> Methods:
        return super().serving(methods, turns if self.any_time else None)

    def _watch(self) -> None:
        """It is taken when a call has ended, and when one on its way has arrived."""

    def _try_again(self) -> None:
        """The next call does."""

    def _as_it_is(self, value: Any) -> Any:
        """A copy: it may be part of the state, and would tell of changes that are not durable."""
        if type(value) in _UNCHANGEABLE or gives_items(value):
            return value
        try:
            return unpack(encode_value(value, "result"))
        except (TypeError, ValueError, OverflowError):  # of functions, or what cannot be sent at all
            return value

    def _settle(self, commit: Commit) -> None:
        if commit.wait(left()) is None:
            raise CallTimeout("it has run, but its state was not durable in time")
        if commit.value:
            raise SnapshotFailed(
                f"the call has run, but the state of {self._keeping.name!r} is not kept: {commit.value}"
            )

    def _hold(self, send: Callable[[], object], size: int) -> None:
        """It is sent with the state that may have led to it; at once where all is durable."""
        if self._ended:
            send()
        elif self._under_way or self._next is not None:
            self._hold_back(self._changed(), send, size)
        elif self._sending is not None:
            self._hold_back(self._sending, send, size)
        else:
            send()

    def _hold_back(self, commit: Commit, send: Callable[[], object], size: int) -> None:
        if commit.held and commit.held_size + size > HELD_LIMIT:
            raise SnapshotFailed(
                f"what {self._keeping.name!r} has sent one way before its state is durable has reached "
                f"{HELD_LIMIT} bytes: send less in one call, or call and wait for the answer"
            )
        commit.held.append(send)
        commit.held_size += size
