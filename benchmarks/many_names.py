"""A registry with very many names: ``python benchmarks/many_names.py KEY COUNT`` prints its figures as JSON.

A process of its own, so that its memory is that of the names. It serves look-ups until it is killed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import gevent
from measuring import resident, seconds

from stractory.commands.daemon import spare_the_collector
from stractory.net.address import Address
from stractory.net.process import Process
from stractory.proof import keys
from stractory.registry.directory import Directory
from stractory.registry.server import RegistryServer
from stractory.registry.service import Registry

FOR_EVER = 1e9
"""Seconds of the lease: the worker that all names are on is made up, and shows no sign of life."""


def main(key_file: str, count: int) -> None:
    spare_the_collector()
    directory = Directory(lease=FOR_EVER)
    spent = seconds(lambda: fill(directory, count))
    ring = keys.load(Path(key_file), create=True)
    server = RegistryServer(Registry(directory, settling=0), Address("127.0.0.1", 0), ring)
    figures = {"address": str(server.address), "memory": resident(os.getpid()), "seconds": spent}
    print(json.dumps(figures), flush=True)
    gevent.wait()


def fill(directory: Directory, count: int) -> None:
    """Each name is reserved and confirmed, as by the creation of its actor."""
    id, now = os.urandom(16), time.monotonic()
    process = Process("made up", 1, 1)
    directory.register(id, address="127.0.0.1:1", process=process, runtime="any", reports=(), now=now)
    for index in range(count):
        actor = directory.reserve(
            f"name.{index}", kind="rpc", runtime=None, create_id=os.urandom(16), wall=time.time()
        )
        directory.confirm(actor, time.monotonic())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
