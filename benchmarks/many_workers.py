"""Very many workers in one process: ``python benchmarks/many_workers.py ADDRESS KEY COUNT``.

Prints, when all are registered, how many seconds that took; they work until the process is killed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import gevent
from measuring import PATIENCE

import stractory
from stractory.net.address import Address, address
from stractory.proof import keys
from stractory.worker.server import WorkerServer


def main(registry: str, key_file: str, count: int) -> None:
    ring, began = keys.load(Path(key_file)), time.perf_counter()
    servers = [
        WorkerServer(
            Address("127.0.0.1", 0),
            [address(registry)],
            ring,
            make_client=lambda: stractory.client(registry, key_file=key_file),
        )
        for _ in range(count)
    ]
    for server in servers:
        gevent.spawn(server.membership.run)
    for server in servers:
        if not server.membership.registered.wait(PATIENCE):
            raise TimeoutError(f"worker {server.address} was not registered in {PATIENCE:g} s")
    print(time.perf_counter() - began, flush=True)
    gevent.wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
