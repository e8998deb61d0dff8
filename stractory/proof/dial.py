"""Making a link from this side: connect, prove, read."""

from __future__ import annotations

from stractory.errors import StractoryError, UnreachableError
from stractory.net import sockets
from stractory.net.address import Address
from stractory.net.link import Link, Serve
from stractory.net.trust import ANYBODY, Trust
from stractory.proof.handshake import TIME_LIMIT, Credential, prove_to_server


def dial(
    address: Address,
    purpose: str,
    credential: Credential,
    serve: Serve | None = None,
    trust: Trust = ANYBODY,
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
        proved = prove_to_server(sock, purpose, credential, None if may_block else TIME_LIMIT, trust)
    except StractoryError as error:
        sock.close()
        raise type(error)(f"{peer}: {error}") from None
    except OSError as error:
        sock.close()
        raise UnreachableError(f"{peer} broke off the handshake: {error.strerror or error}") from None
    except BaseException:
        sock.close()
        raise
    link = Link(proved.connection, dialled=True, peer=peer, serve=serve)
    link.session = proved.session
    link.start()
    return link
