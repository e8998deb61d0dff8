"""The client's link to its registry: dialled at first use, and again when it broke."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import gevent
from gevent.lock import RLock

from stractory.clients.deadline import GRACE, Deadline
from stractory.errors import (
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
from stractory.proof.handshake import TIME_LIMIT
from stractory.proof.keys import CLIENT, OPERATOR, KeyRing
from stractory.wire.dialling import Dial
from stractory.wire.shipping import Definition

RETRY_DELAY = 0.2
"""Seconds between attempts to reach a registry that was there before."""


class RegistryLink:
    """Calls the registry. ``on_link`` is told of each new link.

    A registry that never answered is an error at once: the address is likely wrong. One that did is waited
    for, within the time of the call, since it will be restarted.
    """

    def __init__(
        self,
        address: Address,
        keys: Callable[[], KeyRing],
        on_link: Callable[[Link], None],
        trust: Trust,
    ) -> None:
        self.address = address
        self._keys = keys
        self._trust = trust
        self._on_link = on_link
        self._dialling = RLock()
        self._answered = False  # it was there once
        self._closings = 0
        self._link: Link | None = None
        self._calls: Calls | None = None
        self._defined: set[bytes] = set()  # digests of definitions that it was told over this link

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
        were so many ``tries``. ``defined`` is a definition that the registry has to know for it.
        """
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
                if tried >= tries or deadline.passed:
                    raise RegistryUnavailable(
                        f"registry {self.address} went away during {method}()"
                    ) from error
                if tried > 1:
                    gevent.sleep(RETRY_DELAY)
        raise AssertionError("not reached")

    def _connected(self, deadline: Deadline) -> Calls:
        unavailable = deadline.limit(
            f"registry {self.address} did not answer", RegistryUnavailable, grace=GRACE / 2
        )
        closings = self._closings
        with unavailable, self._dialling:
            while self._calls is None or self._calls.stream.closed:
                if self._closings != closings:
                    raise RegistryUnavailable("this client was closed while its registry was away")
                try:
                    self._dial()
                except VersionMismatch:  # a LinkError, but no waiting helps
                    raise
                except (UnreachableError, LinkError) as error:
                    if not self._answered:
                        raise RegistryUnavailable(f"no link to the registry: {self._why(error)}") from None
                    if not deadline.allows(RETRY_DELAY):  # said now, for it tells more than that time is up
                        late = deadline.spell("the registry did not come back")
                        raise RegistryUnavailable(f"{late}: {self._why(error)}") from None
                    gevent.sleep(RETRY_DELAY)
            return self._calls

    def _dial(self) -> None:
        credential = self._keys().credential(OPERATOR, CLIENT)
        link = dial(self.address, "registry", credential, trust=self._trust)
        try:
            stream = link.open(Dial("registry"), label=f"registry {self.address}")
            stream.settimeout(TIME_LIMIT)
            limit = stream.wait_accepted()
            stream.settimeout(None)
        except BaseException as error:
            link.close(linger=0)
            if isinstance(error, TimeoutError):
                raise UnreachableError(str(error)) from None
            raise
        replaced, self._link, self._calls = self._link, link, Calls(stream, sends=limit)
        self._defined.clear()
        self._answered = True
        if replaced is not None:
            replaced.close(linger=0)  # it may be well, if only the stream was given up
        self._on_link(link)

    def _why(self, error: Exception) -> str:
        """In words that name the address, once."""
        text = str(error)
        return text if str(self.address) in text else f"{self.address}: {text}"

    def close(self) -> None:
        """End the link, and the calls that wait for an answer."""
        self._closings += 1
        link, self._link, self._calls = self._link, None, None
        if link is not None:
            link.close()
