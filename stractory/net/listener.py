"""The one place that binds a port: registries, workers and actors' own ports all listen through it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from socket import SO_REUSEADDR, SOL_SOCKET
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gevent.server import StreamServer
from gevent.socket import socket

from stractory.errors import ConfigError, PortUnavailable, StractoryError
from stractory.net import sockets
from stractory.net.address import Address, spell
from stractory.net.descriptors import descriptors, is_lack
from stractory.net.headers import LeftAtOnce
from stractory.net.secured import Connection, TlsStream
from stractory.net.seldom import refused
from stractory.net.sockets import SocketStream

if TYPE_CHECKING:
    from stractory.net.certificates import Certificate

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections the kernel holds before we take them."""

AT_ONCE = 16
"""Connections that are taken in one turn of the loop: however many come, those before them get on."""

Handle = Callable[[Connection, Any], None]


class TransportSecurity(NamedTuple):
    """What the ports of a process do about the network.

    With a ``certificate`` connections are for TLS, which begins with their proof. Without one what passes
    can be read: beyond loopback nothing listens so, unless ``insecure_plaintext`` says that the network is
    trusted.
    """

    certificate: Certificate | None = None
    insecure_plaintext: bool = False

    def check(self, address: Address, name: str) -> None:
        """Raises ConfigError where ``name`` may not listen."""
        if self._is_exposed(address) and not self.insecure_plaintext:
            raise ConfigError(
                f"{name} would listen at {address}, beyond loopback, in plain text; "
                "set tls = auto, or insecure-plaintext = yes on a network you trust"
            )

    def warn(self, address: Address, name: str) -> None:
        """Log it where ``name``, which listens now, can be read."""
        if self._is_exposed(address):
            log.warning(
                "%s listens at %s in plain text: anyone on the way can read and alter it", name, address
            )

    def _is_exposed(self, address: Address) -> bool:
        return self.certificate is None and not address.is_loopback


PLAIN = TransportSecurity()
"""In plain text, on loopback."""

_PUBLIC = TransportSecurity(insecure_plaintext=True)


class _Server(StreamServer):
    """Takes no connections while the process has few descriptors left: they wait in the kernel."""

    max_accept = AT_ONCE

    @classmethod
    def get_listener(cls, address: Any, backlog: Any = None, family: Any = None) -> socket:
        """As gevent's, but where the port is taken no socket is left until garbage is collected."""
        sock = socket(family=family)
        try:
            sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(backlog)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock

    def full(self) -> bool:
        """Asked before each."""
        if not descriptors.scarce:
            return False
        descriptors.call_when_enough(self._go_on)
        return True

    def _go_on(self) -> None:
        if self.started:
            self.start_accepting()

    def do_read(self) -> Any:
        """The next one; None for none."""
        try:
            return super().do_read()
        except OSError as error:
            if is_lack(error):
                self.stop_accepting()
                descriptors.call_when_enough(self._go_on)
            elif error.errno != errno.ECONNABORTED:  # who gave up before it was taken is none
                raise
            return None


class Listener:
    """Listens at ``address`` (port 0: any free one) and gives each connection a green thread of ``handle``.

    Raises ConfigError where ``security`` does not let it, and PortUnavailable when the port is taken.

    ``handle(sock, address)`` may raise StractoryError or OSError: the connection ends, and a line is logged
    for many that end so.
    """

    def __init__(
        self, address: Address, handle: Handle, *, name: str, security: TransportSecurity = PLAIN
    ) -> None:
        security.check(address, name)
        self.name = name
        self._certificate = security.certificate
        self._handle = handle
        self._server = _Server(address, self._serve, backlog=BACKLOG)
        try:
            self._server.start()
        except OSError as error:
            unavailable = PortUnavailable(f"{name} cannot listen at {address}: {sockets.plain(error)}")
            unavailable.errno = error.errno
            raise unavailable from None
        self.address = Address(address.host, self._server.server_port or address.port)
        security.warn(self.address, name)

    def __repr__(self) -> str:
        return f"<Listener {self.name} at {self.address}>"

    def _serve(self, sock: socket, peer: Any) -> None:
        connection: Connection = sock
        try:
            sockets.tune(sock)
            if self._certificate is not None:  # taken over, as gevent closes sock when this is done
                connection = TlsStream(SocketStream.over(sock), self._certificate.engine())
            self._handle(connection, peer)
        except (StractoryError, OSError) as error:
            why = error if isinstance(error, StractoryError) else sockets.plain(error)
            text = f"{self.name}: connection from {spell(peer)} ended: {why}"
            level = logging.INFO if isinstance(error, LeftAtOnce) else logging.WARNING
            refused(f"{self.name}: {type(error).__name__}", text, level, peer=spell(peer))
            connection.close()

    def close(self) -> None:
        """Take no more connections; those there are go on."""
        self._server.close()


class Bindable(Protocol):
    """A ZeroMQ server. ``endpoint``: where it is bound."""

    @property
    def endpoint(self) -> str: ...
    def bind(self, endpoint: str) -> Any: ...


class Ports:
    """Where actors' own ports are: on ``host``, in ``numbers`` or anywhere free; else as Listeners are."""

    def __init__(self, host: str, numbers: range | None, security: TransportSecurity = PLAIN) -> None:
        self.host = host
        self._numbers = numbers
        self._security = security

    def listen(self, handle: Handle, name: str, *, public: bool = False) -> Listener:
        """A listener on the first free port. Raises PortUnavailable when the range is used up.

        A ``public`` one has its actor's own protocol and no TLS; whether it may be is not asked here.
        """
        security = _PUBLIC if public else self._security
        for number in self._numbers or (0,):
            try:
                return Listener(Address(self.host, number), handle, name=name, security=security)
            except PortUnavailable as error:
                if is_lack(error):
                    raise
        raise self._used_up(name)

    def lend(self, server: Bindable, name: str, *, encrypted: bool = False, public: bool = False) -> Address:
        """Where ``server``, which binds itself, now listens: the first free port. Raises as listen().

        ``encrypted``: by its own protocol.
        """
        security = TransportSecurity(None, public or self._security.insecure_plaintext)
        for number in self._numbers or (0,):
            if not encrypted:
                security.check(Address(self.host, number), name)
            try:
                server.bind(f"tcp://{self.host}:{number or '*'}")
            except Exception as error:  # ZeroMQ's errors have no root in the standard library
                if getattr(error, "errno", None) != errno.EADDRINUSE:
                    raise
                continue
            address = Address(self.host, int(server.endpoint.rpartition(":")[2]))
            if not encrypted:
                security.warn(address, name)
            return address
        raise self._used_up(name)

    def _used_up(self, name: str) -> PortUnavailable:
        return PortUnavailable(f"no free port on {self.host} for {name} in {_spell_range(self._numbers)}")


def _spell_range(numbers: range | None) -> str:
    return f"{numbers[0]}-{numbers[-1]}" if numbers else "any"
