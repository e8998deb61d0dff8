"""A client of etcd's JSON gateway: one of several endpoints answers, whichever does.

A request has about a second. What is tried again, at the next endpoint, and why that does no harm:

* **range**: reading twice changes nothing.
* **keep_alive**: a lease that is renewed twice lives as long as one that is renewed later.
* **grant**: the lease has an id that the caller has chosen, so the second time it is there already.
* **revoke**: the second time it is gone already.
* **transact**: only where it has certainly not been done. Otherwise InDoubt is raised, and whoever has asked
  knows how to look whether it was.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPResponse
from typing import Any, TypeVar

import gevent

from stractory.errors import StoreError, StoreUnreachable, StoreWithoutQuorum
from stractory.store.etcd import operations
from stractory.store.etcd.connection import FAILURES, Credentials, Member, NotSent, Security, whole
from stractory.store.etcd.identity import Identity
from stractory.store.etcd.operations import Comparison, Found, Operation, Outcome
from stractory.store.etcd.reasons import Remedy, no_answer, refusal, unreachable

T = TypeVar("T")

REQUEST_LIMIT = 1.0
"""Seconds that a member has to answer."""

RETRY = 0.05
"""Seconds before all members are tried once more."""

KEEP_ALIVES = 15
"""Most leases that are renewed by one request: the gateway answers more of them without order or end."""


class InDoubt(Exception):
    """A transaction may have been done, or be yet; ``reason``: why nobody knows."""

    def __init__(self, reason: StoreError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Client:
    """Of the etcd with these ``endpoints``: URLs of its members, with ``http`` or ``https``."""

    def __init__(self, endpoints: Sequence[str], credentials: Credentials | None = None) -> None:
        """Raises ConfigError for certificates that cannot be used."""
        secured = any(endpoint.startswith("https:") for endpoint in endpoints)
        security = Security(credentials or Credentials()) if secured else None
        self._members = deque(Member(endpoint, security) for endpoint in endpoints)
        self._security = security
        self.identity = Identity()

    @property
    def endpoints(self) -> list[str]:
        """Those of the members, that which is asked next first."""
        return [member.endpoint for member in self._members]

    def another(self) -> Client:
        """One of the same etcd, which asks whichever member it likes."""
        client = Client(())
        client._members.extend(Member(member.endpoint, self._security) for member in self._members)
        client._security = self._security
        client.identity = self.identity
        return client

    def close(self) -> None:
        """Give up the connections that are kept."""
        for member in self._members:
            member.close()

    # ---- keys ----------------------------------------------------------------------------------------

    def range(self, asked: Mapping[str, Any], patience: float = 0.0) -> Found:
        """What operations.range_of() asks for. Raises StoreError."""
        since = self.identity.revision

        def read(endpoint: str, body: bytes) -> Found:
            told = json.loads(body)
            found = operations.found(told)
            self.identity.check(endpoint, told["header"], since)
            return found

        return self._repeat("/v3/kv/range", _json(asked), patience, read)

    def transact(
        self, compare: Sequence[Comparison], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Outcome:
        """Do ``then`` if all comparisons hold, else ``otherwise``. Raises StoreError, or InDoubt."""
        asked = operations.transaction(compare, then, otherwise)
        since = self.identity.revision

        def read(endpoint: str, body: bytes) -> Outcome:
            told = json.loads(body)
            outcome = operations.checked(asked, told)
            self.identity.check(endpoint, told["header"], since)
            return outcome

        return self._once("/v3/kv/txn", _json(asked), read)

    # ---- leases --------------------------------------------------------------------------------------

    def grant(self, id: int, seconds: int, patience: float = 0.0) -> None:
        """Make a lease. Raises StoreError."""
        try:
            self._repeat("/v3/lease/grant", _json({"ID": str(id), "TTL": str(seconds)}), patience, _any)
        except StoreError as error:
            if "lease already exists" not in str(error):
                raise

    def revoke(self, id: int, patience: float = 0.0) -> None:
        """End a lease, with the keys that it keeps. Raises StoreError."""
        try:
            self._repeat("/v3/lease/revoke", _json({"ID": str(id)}), patience, _any)
        except StoreError as error:
            if "lease not found" not in str(error):
                raise

    def keep_alive(self, ids: Sequence[int], patience: float = 0.0) -> dict[int, int]:
        """Renew at most KEEP_ALIVES leases; the seconds that each has now, 0 of one that is gone.

        Raises StoreError.
        """
        lines = b"\n".join(_json({"ID": str(id)}) for id in ids)
        return self._repeat("/v3/lease/keepalive", lines, patience, _renewed)

    # ---- watches -------------------------------------------------------------------------------------

    @contextmanager
    def watching(self, asked: Mapping[str, Any]) -> Iterator[HTTPResponse]:
        """The lines of a watch, from one member. Raises FAILURES, and StoreError for a refusal."""
        member = self._members[0]
        with member.stream("/v3/watch", _json({"create_request": asked}), REQUEST_LIMIT) as response:
            if response.status != HTTPStatus.OK:
                raise refusal(member.endpoint, response.status, whole(response)).error
            yield response

    def prefer_leader(self) -> None:
        """Ask the member that leads first, from now on, if one of these does and says so in time.

        All of them together have the time of one request: leases are not renewed meanwhile.
        """
        with gevent.Timeout(REQUEST_LIMIT, False):  # type: ignore[arg-type]  # as its documents say
            for member in [*self._members]:
                if _leads(member):
                    self._members.rotate(-self._members.index(member))
                    return

    def go_on(self) -> None:
        """The member that was asked is no good: ask another the next time."""
        self._members.rotate(-1)

    # ---- requests ------------------------------------------------------------------------------------

    def _repeat(self, path: str, asked: bytes, patience: float, read: Callable[[str, bytes], T]) -> T:
        """The answer of whichever member gives one; each is tried for as long as the patience, but once."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._once(path, asked, read, repeat=True)
            except StoreUnreachable:
                if time.monotonic() >= deadline:
                    raise
            gevent.sleep(RETRY)

    def _once(self, path: str, asked: bytes, read: Callable[[str, bytes], T], repeat: bool = False) -> T:
        """What is ``read`` in the answer of a member, whose endpoint that is told as well.

        The next is asked where one has certainly not done it, or with ``repeat``. Raises StoreError, InDoubt.
        """
        last: StoreError | None = None
        for _ in range(len(self._members)):
            member = self._members[0]
            try:
                answer = member.ask(path, asked, REQUEST_LIMIT)
                if answer.status == HTTPStatus.OK:
                    return read(member.endpoint, answer.body)
                error, remedy = refusal(member.endpoint, *answer)
            except StoreUnreachable as lie:
                error, remedy = lie, Remedy.IN_DOUBT
            except NotSent as failure:
                error, remedy = unreachable(member.endpoint, failure), Remedy.ELSEWHERE
            except FAILURES as failure:
                error, remedy = unreachable(member.endpoint, failure), Remedy.IN_DOUBT
            except operations.MALFORMED as failure:
                error, remedy = no_answer(member.endpoint, failure)
            if remedy is Remedy.NONE:
                raise error
            self.go_on()
            if remedy is Remedy.IN_DOUBT and not repeat:
                raise InDoubt(error)
            if last is None or isinstance(error, StoreWithoutQuorum):  # which tells more
                last = error
        assert last is not None  # noqa: S101  # for the type checker: there is an endpoint
        raise last


def _leads(member: Member) -> bool:
    """Whether it does, and says so."""
    with suppress(*FAILURES, *operations.MALFORMED):
        told = json.loads(member.ask("/v3/maintenance/status", b"{}", REQUEST_LIMIT).body)
        return "leader" in told and bool(told["leader"] == told["header"]["member_id"])
    return False


def _any(endpoint: str, body: bytes) -> bytes:
    """Nobody looks at it."""
    return body


def _renewed(endpoint: str, body: bytes) -> dict[int, int]:
    """The seconds that each lease has."""
    renewed = [json.loads(line)["result"] for line in body.splitlines() if b'"result"' in line]
    return {int(lease["ID"]): int(lease.get("TTL", 0)) for lease in renewed}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
