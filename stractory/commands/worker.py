"""``stractory-worker``: one worker."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import gevent
from gevent.socket import wait_read

from stractory.clients.client import Client
from stractory.commands.config import Parser, Settings, address, choice, path, port_range, yes_no
from stractory.commands.daemon import (
    COMMON,
    add_common_settings,
    end_on_signals,
    load_keys,
    plain_words,
    raise_descriptor_limit,
    say_ready,
    set_up_logging,
    spare_the_collector,
    warn_of_variables,
)
from stractory.errors import StractoryError
from stractory.worker.exits import outlive_exits
from stractory.worker.pool import READY
from stractory.worker.ports import PUBLIC_CHOICES
from stractory.worker.server import WorkerServer

PROGRAM = "stractory-worker"

HANDED_DOWN = (
    "registry",
    "working-dir",
    "actor-ports",
    "actor-port-range",
    "allow-public-actors",
    *COMMON,
)
"""The settings that a pool has too and hands to its workers."""


def add_worker_settings(parser: Parser) -> None:
    """Declare HANDED_DOWN."""
    parser.setting("registry", type=address, default="9000", help="where the registry is")
    parser.setting(
        "working-dir",
        type=path,
        default=".",
        aliases=["--workingDir"],
        help="folder to run in and import from",
    )
    parser.setting(
        "actor-ports",
        type=choice("on-demand", "eager"),
        default="on-demand",
        help="when an actor's own port opens",
    )
    parser.setting(
        "actor-port-range", type=port_range, help="where those ports are; by default anywhere free"
    )
    parser.setting(
        "allow-public-actors",
        type=choice(*PUBLIC_CHOICES),
        default="loopback",
        help="where ports may need no key",
    )
    add_common_settings(parser)


def make_parser() -> Parser:
    """All that can be set."""
    parser = Parser(
        PROGRAM, section="worker", description="One worker: runs the actors that a registry gives it."
    )
    parser.setting("listen", type=address, default="9001", help="where clients reach its actors")
    parser.setting(
        "end-with-stdin", type=yes_no, default="no", help="end when standard input does; for pools"
    )
    add_worker_settings(parser)
    return parser


def main() -> int:
    """Run a worker until a signal ends it; returns the exit status."""
    settings = make_parser().parse()
    set_up_logging(settings.log_level)
    warn_of_variables()
    logging.getLogger("zerorpc").setLevel(logging.CRITICAL)  # it logs what its clients are told anyway
    raise_descriptor_limit()
    spare_the_collector()
    with plain_words(PROGRAM):
        _serve(settings)
    return 0


def _serve(settings: Settings) -> None:
    keys = load_keys(settings.key_file, settings.listen)
    _work_in(settings.working_dir)
    outlive_exits()
    server = WorkerServer(
        settings.listen,
        settings.registry,
        keys,
        make_client=lambda: Client(settings.registry, key_file=keys.path),
        eager_ports=settings.actor_ports == "eager",
        port_range=settings.actor_port_range,
        allow_public=settings.allow_public_actors,
        insecure_plaintext=settings.insecure_plaintext,
    )
    told = end_on_signals()
    if settings.end_with_stdin:
        gevent.spawn(wait_read, sys.stdin.fileno()).link(lambda ended: told.set())
    membership = gevent.spawn(server.membership.run)
    membership.link(lambda ended: told.set())
    gevent.spawn(server.membership.registered.wait).link(lambda ready: say_ready(f"{READY}{server.address}"))
    told.wait()
    server.close()
    if membership.ready() and membership.value is not None:
        raise membership.value


def _work_in(folder: Path) -> None:
    """Run in ``folder`` and import from it first."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise StractoryError(f"cannot work in {folder}: {error.strerror}") from None
    sys.path.insert(0, os.getcwd())
