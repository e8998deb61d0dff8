"""Tells a registry which definition's code has ended a worker, for the worker cannot any more.

A program of its own, started by the watchman as ``python -m stractory.worker.accusation REGISTRIES KEY-FILE
TLS-CA MARK``. REGISTRIES have commas between them, any of them will do; TLS-CA may be empty; MARK is the
beginning of the definition's digest, in hexadecimal.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import gevent

from stractory.errors import AuthError, StractoryError
from stractory.net.address import address
from stractory.net.calls import Calls
from stractory.net.trust import Trust
from stractory.proof import keys
from stractory.proof.dial import dial
from stractory.wire.dialling import Dial

ATTEMPTS = 60
"""One a second: registries that are away for longer do not learn of it."""


def main() -> None:
    registries, key_file, ca, mark = sys.argv[1:]
    for _ in range(ATTEMPTS):
        for registry in registries.split(","):
            try:
                tell(registry, Path(key_file), bytes.fromhex(mark), Trust(ca or None))
                return
            except AuthError:
                return  # the worker was told, and has written it down
            except (StractoryError, OSError):
                continue
        gevent.sleep(1.0)


def tell(registry: str, key_file: Path, mark: bytes, trust: Trust) -> None:
    """Raises StractoryError, OSError."""
    credential = keys.load(key_file).credential(keys.NODE)
    with closing(dial(address(registry), "registry", credential, trust=trust)) as link:
        stream = link.open(Dial("registry"), label=f"registry {registry}")
        stream.wait_accepted()
        Calls(stream).call("blame", mark, call_timeout=5.0)


if __name__ == "__main__":
    main()
