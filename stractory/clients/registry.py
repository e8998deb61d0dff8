"""The client's link to its registry: dialled at first use, and again when it broke."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.lock import RLock

from stractory.errors import LinkError, RegistryUnavailable, UnreachableError
from stractory.net.address import Address
from stractory.net.calls import Calls
from stractory.net.keys import CLIENT, OPERATOR, KeyRing
from stractory.net.link import Link, dial
from stractory.wire.dialling import Dial

RETRY_DELAY = 0.2
"""Seconds between attempts to reach a registry that was there before."""


class RegistryLink:
    """Calls the registry. ``on_link`` is told of each new link.

    A registry that never answered is an error at once: the address is likely wrong. One that did is waited
    for, within the time of the call, since it will be restarted.
    """

    def __init__(
        self, address: Address, keys: Callable[[], KeyRing], on_link: Callable[[Link], None]
    ) -> None:
        self.address = address
        self._keys = keys
        self._on_link = on_link
        self._dialling = RLock()
        self._hub: Any = None
        self._link: Link | None = None
        self._calls: Calls | None = None

    def call(self, method: str, *args: Any, timeout: float | None, repeat: bool = True) -> Any:
        """What the registry's method returns. Raises RegistryUnavailable, and what the method raises.

        When the link breaks under way it is called once more over a new one, unless ``repeat`` is False.
        """
        if self._hub not in (None, gevent.get_hub()):
            raise RuntimeError(
                "this client belongs to another thread; make one with background=True to share it"
            )
        self._hub = gevent.get_hub()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            calls = self._connected(deadline)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                return calls.call(method, *args, call_timeout=left)
            except LinkError as error:
                if not calls.stream.closed:
                    raise  # the registry's own trouble, told over a link that is well
                if not repeat:
                    raise RegistryUnavailable(
                        f"registry {self.address} went away during {method}()"
                    ) from error

    def _connected(self, deadline: float | None) -> Calls:
        with self._dialling:
            while self._calls is None or self._calls.stream.closed:
                try:
                    self._dial()
                except (UnreachableError, LinkError) as error:
                    if self._calls is None or (deadline is not None and time.monotonic() > deadline):
                        raise RegistryUnavailable(f"registry {self.address}: {error}") from None
                    gevent.sleep(RETRY_DELAY)
            return self._calls

    def _dial(self) -> None:
        link = dial(self.address, "registry", self._keys().credential(OPERATOR, CLIENT))
        try:
            stream = link.open(Dial("registry"), label=f"registry {self.address}")
            stream.wait_accepted()
        except BaseException:
            link.close()
            raise
        self._link, self._calls = link, Calls(stream)
        self._on_link(link)

    def close(self) -> None:
        """End the link."""
        if self._link is not None:
            self._link.close()
