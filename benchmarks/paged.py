"""A page over a directory in which actors come and go: ``python benchmarks/paged.py RATE THERE``.

Prints where it is; then RATE actors come each second, and as many go, so that THERE stay, until it is
killed. There are no links: all that the process does for others is for those who have the page open.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

import gevent

from stractory.http.access import Access
from stractory.http.events import Events
from stractory.http.loads import Loads
from stractory.http.pages import Pages
from stractory.http.picture import Picture
from stractory.http.server import PageServer
from stractory.http.sessions import Sessions
from stractory.net.address import Address
from stractory.net.process import Process
from stractory.proof.keys import Key, KeyRing
from stractory.registry.directory import Directory
from stractory.registry.survey import Survey

STEP = 0.01
WORKERS = 8


def main(rate: int, there: int) -> None:
    path = Path("none")
    keys, directory = KeyRing([Key.new_master(path)], path), Directory()
    access, loads = Access(keys, Sessions(keys), is_open=True), Loads(Survey(directory, {}))
    events = Events(Picture(directory, loads, {}), loads, access.admits)
    print(PageServer(Address("127.0.0.1", 0), Pages(access, events)).address, flush=True)
    for number in range(WORKERS):
        address, process = f"127.0.0.1:{9001 + number}", Process("elsewhere", number, 0)
        directory.register(
            b"%d" % number, address=address, process=process, runtime="any", reports=[], now=0.0
        )
    come_and_go(directory, rate, there)


def come_and_go(directory: Directory, rate: int, there: int) -> None:
    """For ever."""
    names: deque[str] = deque()
    number, began = 0, time.monotonic()
    while True:
        if number >= (time.monotonic() - began) * rate + there:
            gevent.sleep(STEP)
            continue
        number += 1
        name = f"bench.actor.{number}"
        actor = directory.reserve(name, kind="stream", runtime=None, create_id=b"", wall=time.time())
        directory.confirm(actor, time.monotonic())
        names.append(name)
        if len(names) > there and (old := directory.find(names.popleft())):
            directory.begin_end(old)
            directory.ended(old)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
