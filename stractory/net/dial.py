"""Making a link from this side: connect, prove, read."""

from __future__ import annotations

from stractory.errors import StractoryError, UnreachableError
from stractory.net import sockets
from stractory.net.address import Address
from stractory.net.handshake import prove_to_server
from stractory.net.keys import Key
from stractory.net.link import Link, Serve


def dial(address: Address, purpose: str, credential: Key, serve: Serve | None = None) -> Link:
    """A proved link to what listens at ``address`` for ``purpose`` ("registry" or "worker").

    Raises UnreachableError, AuthError, VersionMismatch or ProtocolError, all naming the address.
    """
    sock = sockets.connect(address)
    peer = f"{purpose} {address}"
    try:
        prove_to_server(sock, purpose, credential)
    except StractoryError as error:
        sock.close()
        raise type(error)(f"{peer}: {error}") from None
    except OSError as error:
        sock.close()
        raise UnreachableError(f"{peer} broke off the handshake: {error.strerror or error}") from None
    except BaseException:
        sock.close()
        raise
    link = Link(sock, dialled=True, peer=peer, serve=serve)
    link.start()
    return link
