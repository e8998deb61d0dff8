"""The record of who created and ended what, and of who was refused: a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from stractory.net.address import spell
from stractory.net.seldom import Seldom
from stractory.proof.handshake import Identity
from stractory.wire.info import ActorInfo

REFUSALS = 100
"""Refusals of a kind that have a line each within 10 seconds; of more the number, as strangers cause them."""

DIGITS = 12
"""Hexadecimal digits of a definition's digest: enough to tell it by."""

OK = "ok"

Method = Callable[..., ActorInfo | None]

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Audit:
    """``add`` takes each line; without it nothing is recorded."""

    def __init__(self, add: Callable[[str], None] | None = None) -> None:
        self._add = add
        self._refusals: Seldom[dict[str, Any]] = Seldom(self._tell_refusal, REFUSALS)

    def creating(self, create: Method, by: Identity, peer: Any) -> Method:
        """``create``, with a record of each call; ``peer`` is the address that it comes from."""
        who = _who(by, peer)

        def call(name: Any, digest: Any, *args: Any) -> ActorInfo | None:
            try:
                made = create(name, digest, *args)
            except BaseException as error:
                self._tell("create", error, who, name=name, digest=digest)
                raise
            self._tell("create", None, who, name=name, digest=digest, info=made)
            return made

        return create if self._add is None else call

    def destroying(
        self, destroy: Method, find: Callable[[str], ActorInfo | None], by: Identity, peer: Any
    ) -> Method:
        """``destroy``, likewise. ``find`` tells who has a name."""
        who = _who(by, peer)

        def call(name: Any, *args: Any) -> None:
            info = find(name) if isinstance(name, str) else None
            try:
                destroy(name, *args)
            except BaseException as error:
                self._tell("destroy", error, who, name=name, info=info)
                raise
            self._tell("destroy", None, who, name=name, info=info)

        return destroy if self._add is None else call

    def draining(self, drain: Callable[..., Any], by: Identity, peer: Any) -> Callable[..., Any]:
        """``drain``, likewise."""
        who = _who(by, peer)

        def call(worker: Any, *args: Any) -> Any:
            try:
                outcome = drain(worker, *args)
            except BaseException as error:
                self._tell("drain", error, who, worker=worker)
                raise
            self._tell("drain", None, who, worker=worker)
            return outcome

        return drain if self._add is None else call

    def refused(
        self, event: str, error: Exception, peer: Any, by: Identity | None = None, name: Any = None
    ) -> None:
        """A proof that failed, or what the role that was proved may not do to ``name``."""
        fields = _fields(event, error, _who(by, peer), name=name)
        self._refusals.hear(f"{event}: {type(error).__name__}", fields)

    def _tell_refusal(self, fields: dict[str, Any], more: int) -> None:
        if self._add is not None:
            self._add(_encode({**fields, "times": more} if more else fields))

    def _tell(self, *args: Any, **more: Any) -> None:
        if self._add is not None:
            self._add(_encode(_fields(*args, **more)))


def missing(count: int) -> str:
    """The line that stands for so many others."""
    return _encode({"time": _now(), "event": "missing", "times": count})


def _who(by: Identity | None, peer: Any) -> dict[str, Any]:
    return {"by": {"role": by.role, "name": by.name} if by else None, "from": spell(peer)}


def _fields(
    event: str,
    error: BaseException | None,
    who: dict[str, Any],
    *,
    name: Any = None,
    digest: Any = None,
    info: ActorInfo | None = None,
    worker: Any = None,
) -> dict[str, Any]:
    return {
        "time": _now(),
        "event": event,
        "name": name[:512] if isinstance(name, str) else None,
        "kind": info.kind if info else None,
        "definition": digest.hex()[:DIGITS] if isinstance(digest, bytes) else None,
        "epoch": info.epoch if info else None,
        "worker": info.worker if info else worker[:512] if isinstance(worker, str) else None,
        **who,
        "outcome": type(error).__name__ if error else OK,
    }


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
