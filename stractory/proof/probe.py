"""Whether somebody listens who answers, without a proof of anything."""

from __future__ import annotations

import time

import gevent

from stractory.errors import UnreachableError
from stractory.net import sockets
from stractory.net.address import Address

FIRST_WORDS = (b"STRC", b"STRT")
"""How whoever listens begins: with the handshake, or by announcing TLS."""

ALL = 4096
"""More bytes than it says before it is answered."""


def probe(address: Address, limit: float) -> float:
    """Seconds until what listens there has said its first word: so its loop turns.

    Raises UnreachableError naming the address, also after ``limit`` seconds.
    """
    began = time.monotonic()
    silent = UnreachableError(f"{address} did not answer within {limit:g} s")
    with gevent.Timeout(limit, silent):
        sock = sockets.connect(address)
        try:
            heard = sock.recv(ALL)  # what is left unread would be a reset to the other side, not an end
        except OSError as error:
            raise UnreachableError(f"{address} broke off: {sockets.plain(error)}") from None
        finally:
            sock.close()
    if not heard.startswith(FIRST_WORDS):
        raise UnreachableError(f"what listens at {address} is no stractory")
    return time.monotonic() - began
