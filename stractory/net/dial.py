"""Making a link from this side: connect, prove, read."""

from __future__ import annotations

from stractory.errors import StractoryError, UnreachableError
from stractory.net import sockets
from stractory.net.address import Address
from stractory.net.handshake import TIME_LIMIT, Credential, prove_to_server
from stractory.net.link import Link, Serve


def dial(
    address: Address,
    purpose: str,
    credential: Credential,
    serve: Serve | None = None,
    *,
    may_block: bool = False,
) -> Link:
    """A proved link to what listens at ``address`` for ``purpose`` ("registry" or "worker").

    ``may_block``: it may be silent for long, and is waited for without a limit.

    Raises UnreachableError, AuthError, StaleTicket, VersionMismatch or ProtocolError, all naming the address.
    """
    sock = sockets.connect(address)
    peer = f"{purpose} {address}"
    try:
        if may_block:
            sockets.tune_for_silence(sock)
        session = prove_to_server(sock, purpose, credential, None if may_block else TIME_LIMIT)
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
    link.session = session
    link.start()
    return link
