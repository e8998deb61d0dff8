"""What is asked of etcd and what it answers, in the JSON of its gateway. Pure.

Bytes travel as base64, and numbers of 64 bits as text. What equals nothing (0, false, no bytes) is left out
of answers.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Operation = Mapping[str, Any]
"""One of a transaction."""

Comparison = Mapping[str, Any]
"""What has to be so for a transaction to do what it is to do."""


MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What is raised where something is read that is no answer of etcd's."""


class Entry(NamedTuple):
    """``revision``: of all etcd has, when this key was written last."""

    key: bytes
    value: bytes
    revision: int


class Found(NamedTuple):
    """Entries of a range, and the revision of all at that moment."""

    entries: list[Entry]
    revision: int
    more: bool = False


class Outcome(NamedTuple):
    """Of a transaction: whether its comparisons held, what each operation gave, the revision after it."""

    succeeded: bool
    responses: list[Any]
    revision: int


def text(data: bytes) -> str:
    """As JSON has bytes."""
    return b64encode(data).decode("ascii")


def data(text: str) -> bytes:
    """Bytes as JSON has them."""
    return b64decode(text)


def end_of(prefix: bytes) -> bytes:
    """The end of the range of all keys that begin so; its last byte is not 255."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


# ---- asking ----------------------------------------------------------------------------------------------


def range_of(
    key: bytes, end: bytes = b"", *, limit: int = 0, revision: int = 0, keys_only: bool = False
) -> dict[str, Any]:
    """One key, or all from ``key`` to before ``end``; at a revision, or as it is now."""
    asked: dict[str, Any] = {"key": text(key)}
    if end:
        asked["range_end"] = text(end)
    if limit:
        asked["limit"] = limit
    if revision:
        asked["revision"] = str(revision)
    if keys_only:
        asked["keys_only"] = True
    return asked


def look(key: bytes, *, keys_only: bool = False) -> Operation:
    """Read a key in a transaction."""
    return {"request_range": range_of(key, keys_only=keys_only)}


def put(key: bytes, value: bytes, lease: int = 0) -> Operation:
    """Write a key, for as long as the lease lives if there is one."""
    written = {"key": text(key), "value": text(value)}
    return {"request_put": {**written, "lease": str(lease)} if lease else written}


def delete(key: bytes) -> Operation:
    """Take a key away."""
    return {"request_delete_range": {"key": text(key)}}


def unchanged(key: bytes, revision: int) -> Comparison:
    """Nobody has written the key since this revision; with 0, it is not there."""
    return {"key": text(key), "target": "MOD", "mod_revision": str(revision)}


def present(key: bytes) -> Comparison:
    """The key is there."""
    return {"key": text(key), "target": "VERSION", "result": "GREATER", "version": "0"}


def none_below(prefix: bytes) -> Comparison:
    """No key begins so."""
    whole = {"key": text(prefix), "range_end": text(end_of(prefix))}
    return {**whole, "target": "CREATE", "create_revision": "0"}


def transaction(
    compare: Iterable[Comparison], then: Iterable[Operation], otherwise: Iterable[Operation] = ()
) -> dict[str, Any]:
    """Do ``then`` if all comparisons hold, else ``otherwise``."""
    return {"compare": [*compare], "success": [*then], "failure": [*otherwise]}


def nested(asked: Mapping[str, Any]) -> Operation:
    """A transaction as an operation of another: what it compares is its own affair."""
    return {"request_txn": asked}


# ---- answers ---------------------------------------------------------------------------------------------


def entry(told: Mapping[str, Any]) -> Entry:
    """A key with its value, if it was asked for."""
    return Entry(data(told["key"]), data(told.get("value", "")), int(told["mod_revision"]))


def found(told: Mapping[str, Any]) -> Found:
    """What a range has."""
    entries = [entry(one) for one in told.get("kvs", ())]
    return Found(entries, int(told["header"]["revision"]), bool(told.get("more")))


def outcome(told: Mapping[str, Any]) -> Outcome:
    """Of a whole transaction, or of a nested one."""
    revision = int(told["header"].get("revision", 0))
    return Outcome(bool(told.get("succeeded")), told.get("responses", []), revision)


def checked(asked: Mapping[str, Any], told: Mapping[str, Any]) -> Outcome:
    """Of a transaction: each operation that was to be done has its response. Raises MALFORMED."""
    found = outcome(told)
    done = asked["success" if found.succeeded else "failure"]
    for operation, response in zip(done, found.responses, strict=True):
        match operation:
            case {"request_txn": nested}:
                checked(nested, response["response_txn"])
            case {"request_range": _}:
                looked(response)
    return found


def of_nested(response: Mapping[str, Any]) -> Outcome:
    """What became of a nested transaction."""
    return outcome(response["response_txn"])


def looked(response: Mapping[str, Any]) -> Entry | None:
    """What look() found."""
    entries = response["response_range"].get("kvs", ())
    return entry(entries[0]) if entries else None
