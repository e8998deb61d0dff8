"""The client's link to one of its registries: dialled at first use, and again when it broke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import gevent
from gevent.lock import RLock

from stractory.clients.addresses import Addresses
from stractory.clients.deadline import GRACE, Deadline
from stractory.errors import (
    AuthError,
    LinkError,
    RegistryUnavailable,
    UnknownDefinition,
    UnreachableError,
    VersionMismatch,
)
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.link import Link
from stractory.net.trust import Trust
from stractory.proof.dial import dial
from stractory.proof.handshake import TIME_LIMIT, Credential
from stractory.proof.keys import CLIENT, OPERATOR, KeyRing
from stractory.wire.dialling import Dial
from stractory.wire.shipping import Definition

RETRY_DELAY = 0.2
"""Seconds between attempts to reach a registry that was there before."""

REFUSALS = (AuthError, VersionMismatch)
"""What a registry has against this client. No waiting helps, but another may know better."""


class RegistryLink:
    """Calls the registry at one of ``addresses``. ``on_link`` is told of each new link.

    It stays with the one that it has reached. When that link breaks, or there is none, each is tried at once,
    in their order. Where none ever answered that is an error: the addresses are likely wrong. Else they are
    waited for, within the time of the call, since one will be restarted.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        keys: Callable[[], KeyRing],
        on_link: Callable[[Link], None],
        trust: Trust,
    ) -> None:
        self.addresses = Addresses(addresses)
        self._linked: Address | None = None  # the last that answered
        self._keys = keys
        self._trust = trust
        self._on_link = on_link
        self._dialling = RLock()
        self._closings = 0
        self._link: Link | None = None
        self._calls: Calls | None = None
        self._defined: set[bytes] = set()  # digests of definitions that it was told over this link

    @property
    def address(self) -> Address:
        """The registry that it is linked to, or was; before that, the one that is tried first."""
        return self._linked or self.addresses.next

    @property
    def closed(self) -> bool:
        """Whether close() was the last that was done with it, or nothing yet."""
        return self._calls is None

    def call(
        self,
        method: str,
        *args: Any,
        deadline: Deadline,
        tell_time: bool = False,
        tries: float = 2,
        defined: Definition | None = None,
    ) -> Any:
        """What the registry's method returns. Raises RegistryUnavailable, and what the method raises.

        It is the caller who cuts the call off at its deadline; with ``tell_time`` the registry is told of it,
        by the last argument. When the link breaks under way it is called again over a new one, until there
        were so many ``tries``, however many registries there are: it may be this call that ends them.
        ``defined`` is a definition that the registry has to know for it.
        """
        gone: dict[str, None] = {}  # in the order in which they went
        for tried in count(1):
            calls = self._calls
            if calls is None or calls.stream.closed:
                calls = self._connected(deadline)
            told = (deadline.told(),) if tell_time else ()
            try:
                if defined is not None and defined.digest not in self._defined:
                    calls.post("define", (defined.packed,), {})
                    self._defined.add(defined.digest)
                return calls.request(method, (*args, *told), {}, None)
            except UnknownDefinition:  # it was told of many others since
                if tried >= tries or defined is None:
                    raise
                self._defined.discard(defined.digest)
            except LinkError as error:
                if not calls.stream.closed:
                    raise  # the registry's own trouble, told over a link that is well
                if self._calls is None:
                    raise RegistryUnavailable(f"this client was closed during {method}()") from error
                gone[calls.stream.label] = None
                if tried >= tries or deadline.passed:
                    raise RegistryUnavailable(f"{' and '.join(gone)} went away during {method}()") from error
                if tried > 1:
                    gevent.sleep(RETRY_DELAY)
        raise AssertionError("not reached")

    def _connected(self, deadline: Deadline) -> Calls:
        them = " and ".join(map(_label, self.addresses.all))
        unavailable = deadline.limit(f"{them} did not answer", RegistryUnavailable, grace=GRACE / 2)
        closings = self._closings
        with unavailable, self._dialling:
            while self._calls is None or self._calls.stream.closed:
                errors = self._dial_any(closings)
                if not errors:
                    continue
                why = "; ".join(errors)
                if all(isinstance(error, REFUSALS) for error in errors.values()):
                    raise type(next(iter(errors.values())))(why)
                if self._linked is None:
                    raise RegistryUnavailable(f"no link to the registry: {why}")
                if not deadline.allows(RETRY_DELAY):  # said now, for it tells more than that time is up
                    late = deadline.spell("the registry did not come back")
                    raise RegistryUnavailable(f"{late}: {why}")
                gevent.sleep(RETRY_DELAY)
            return self._calls

    def _dial_any(self, closings: int) -> dict[str, Exception]:
        """The first that answers; else what was wrong with each, in words that name its address."""
        credential = self._keys().credential(OPERATOR, CLIENT)
        errors: dict[str, Exception] = {}
        for address in self.addresses.round():
            if self._closings != closings:
                raise RegistryUnavailable("this client was closed while its registry was away")
            try:
                self._dial(address, credential)
                return {}
            except (*REFUSALS, UnreachableError, LinkError) as error:
                text = str(error)
                errors[text if str(address) in text else f"{address}: {text}"] = error
        return errors

    def _dial(self, address: Address, credential: Credential) -> None:
        link = dial(address, "registry", credential, trust=self._trust)
        try:
            stream = link.open(Dial("registry"), label=_label(address))
            stream.settimeout(TIME_LIMIT)
            limit = stream.wait_accepted()
            stream.settimeout(None)
        except BaseException as error:
            link.close(linger=0)
            if isinstance(error, TimeoutError):
                raise UnreachableError(str(error)) from None
            raise
        replaced, self._link, self._calls = self._link, link, Calls(stream, sends=limit)
        self._linked = address
        self._defined.clear()
        if replaced is not None:
            replaced.close(linger=0)  # it may be well, if only the stream was given up
        self._on_link(link)

    def close(self) -> None:
        """End the link, and the calls that wait for an answer."""
        self._closings += 1
        link, self._link, self._calls = self._link, None, None
        if link is not None:
            link.close()


def _label(address: Address) -> str:
    return f"registry {address}"
