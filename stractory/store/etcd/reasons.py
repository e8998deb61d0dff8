"""Why etcd does not do what it is asked, as errors of ours. Pure."""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple

from stractory.errors import StoreError, StoreFull, StoreUnreachable, StoreWithoutQuorum
from stractory.store.etcd.operations import MALFORMED


class Remedy(Enum):
    """What may be done about a request that failed.

    ``ELSEWHERE``: it was not done, and another member may do it. ``IN_DOUBT``: it may have been done, or be
    yet. ``NONE``: it was not done, and will not be.
    """

    ELSEWHERE = "elsewhere"
    IN_DOUBT = "in doubt"
    NONE = "none"


class Refusal(NamedTuple):
    """An error, and what may be done."""

    error: StoreError
    remedy: Remedy


_LONGEST = 300
"""Most characters of what a stranger may have said."""

_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED = 3, 8
"""Codes of gRPC."""

_NEVER_DONE = frozenset({5, 6, 7, 9, 11, 12, 16, _INVALID_ARGUMENT})
"""Not found, there already, forbidden, failed precondition, out of range, unimplemented, unauthenticated."""


def refusal(endpoint: str, status: int, body: bytes) -> Refusal:
    """Of an answer with this HTTP status, which is not 200."""
    try:
        told = json.loads(body)
        if isinstance(streamed := told["error"], dict):  # where answers go on, it says so in other words
            message, code = str(streamed["message"]), int(streamed["grpc_code"])
        else:
            message, code = str(told["message"]), int(told["code"])
    except MALFORMED:  # what stands before it, perhaps, and that may have passed it on
        return Refusal(
            StoreUnreachable(f"{endpoint} is no etcd: it answers with HTTP status {status}"), Remedy.IN_DOUBT
        )
    message = _short(message)
    if message == "etcdserver: no leader":  # it was looked for before anything else
        return Refusal(without_quorum(endpoint), Remedy.ELSEWHERE)
    if code == _RESOURCE_EXHAUSTED and "space" in message:
        advice = "make room by compaction and defragmentation, or raise its quota, then disarm the alarm"
        return Refusal(StoreFull(f"etcd is full ({message}): {advice}"), Remedy.NONE)
    if code == _RESOURCE_EXHAUSTED:  # too many requests
        return Refusal(StoreUnreachable(f"etcd at {endpoint} is overloaded: {message}"), Remedy.ELSEWHERE)
    if code in _NEVER_DONE:
        return Refusal(StoreError(f"etcd refuses: {message}"), Remedy.NONE)
    return Refusal(StoreUnreachable(f"etcd at {endpoint}: {message}"), Remedy.IN_DOUBT)


def no_answer(endpoint: str, why: object) -> Refusal:
    """Something that is no answer of etcd's, whatever it has done."""
    error = StoreUnreachable(f"{endpoint} does not answer as etcd does ({type(why).__name__}: {_short(why)})")
    return Refusal(error, Remedy.IN_DOUBT)


def _short(why: object) -> str:
    text = str(why)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def without_quorum(endpoint: str) -> StoreWithoutQuorum:
    """A member that answers knows no leader."""
    return StoreWithoutQuorum(
        f"etcd has no quorum: {endpoint} knows no leader, so too few of its members reach each other"
    )


def unreachable(endpoint: str, why: object) -> StoreUnreachable:
    """An endpoint that does not answer."""
    return StoreUnreachable(f"no endpoint of etcd answers; the last that was tried, {endpoint}: {why}")
