"""Commands that check: ping, check-config; and link, by which a browser can look."""

from __future__ import annotations

import time
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from gevent.pool import Pool

from stractory.commands.config import sections_of
from stractory.commands.ctl.exits import FAILED, UNREACHABLE, WELL
from stractory.commands.ctl.session import Session
from stractory.commands.ctl.text import Column, milliseconds, yes
from stractory.errors import ConfigError, UnreachableError
from stractory.net.address import address
from stractory.proof import bearer, keys
from stractory.proof.keys import CLIENT, NODE, OPERATOR
from stractory.proof.probe import probe

PATIENCE = 5.0
"""Seconds that a worker has to answer, unless ``--timeout`` says otherwise."""

PINGED = (
    *(Column("what"), Column("address"), Column("reachable", yes), Column("seconds", milliseconds, "time")),
    Column("problem"),
)
SECTIONS = (
    Column("section", lambda section: section or ""),
    Column("mistake", lambda mistake: mistake or "none"),
)


def ping(session: Session) -> int:
    """The registry by a call; others, and each worker, by a connection, until it says its first word."""
    client = session.client
    client.workers(timeout=session.timeout)  # dials, which is not to count
    began = time.monotonic()
    workers = sorted(client.workers(timeout=session.timeout))
    took = time.monotonic() - began
    here = client.registry
    others = [("registry", address) for address in client.registries if address != here]
    others += [("isolated" if worker.isolated else "worker", worker.address) for worker in workers]
    rows = [_row("registry", here, took)]
    rows += Pool(len(others) or 1).map(partial(_ping, session.endless or PATIENCE), others)
    count = len(client.registries)  # in an order of the client's own, as many are to be spread
    rows[:count] = sorted(rows[:count], key=itemgetter("address"))
    session.output.table(PINGED, rows)
    return WELL if all(row["reachable"] for row in rows) else UNREACHABLE


def _ping(limit: float, pinged: tuple[str, str]) -> dict[str, Any]:
    what, where = pinged
    try:
        return _row(what, where, probe(address(where), limit))
    except UnreachableError as error:
        return _row(what, where, None, str(error))


def _row(what: str, address: str, seconds: float | None, problem: str = "") -> dict[str, Any]:
    reachable = seconds is not None
    return {"what": what, "address": address, "reachable": reachable, "seconds": seconds, "problem": problem}


def link(session: Session) -> None:
    """What lets a browser in, or with --bearer a program, by the key there is here."""
    if session.arguments.bearer:
        token = bearer.make(keys.load(session.key_file).credential(CLIENT, OPERATOR, NODE))
        session.output.value({"bearer": token} if session.output.json else token)
    else:
        link = session.client.page_link(timeout=session.timeout)
        session.output.value({"link": link} if session.output.json else link)


def check_config(session: Session) -> int:
    """Each section, as its program would read it; the files that it names are not opened."""
    file = session.arguments.file
    rows = []
    try:
        for section in sections_of(file):
            rows.append({"section": section, "mistake": _mistake(section, file)})
    except ConfigError as error:
        rows.append({"section": None, "mistake": str(error)})
    session.output.table(SECTIONS, rows)
    return FAILED if any(row["mistake"] for row in rows) else WELL


def _mistake(section: str, file: Path) -> str | None:
    from stractory.commands import registry, worker, workers  # here, as ping needs none of them

    parsers = {"registry": registry.make_parser, "worker": worker.make_parser, "workers": workers.make_parser}
    try:
        parsers[section]().check(file)
    except ConfigError as error:
        return str(error)
    return None
