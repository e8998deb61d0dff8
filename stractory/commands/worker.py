"""``stractory-worker``: one worker."""

from __future__ import annotations

import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path

import gevent
from gevent.socket import wait_read

from stractory.commands.config import (
    Parser,
    Settings,
    address,
    addresses,
    choice,
    count,
    path,
    port_range,
    seconds,
    yes_no,
)
from stractory.commands.daemon import (
    COMMON,
    Hangups,
    add_common_settings,
    add_http_settings,
    connection_limits,
    end_on_signals,
    http_access,
    load_keys,
    plain_words,
    raise_descriptor_limit,
    read_keys_again,
    say_ready,
    spare_the_collector,
    transport_security,
    warn_of_variables,
)
from stractory.commands.logs import always_log, set_up_logging
from stractory.errors import StractoryError
from stractory.net import title
from stractory.net.address import Address
from stractory.net.process import die_with_parent
from stractory.net.stacks import dump_on_signal
from stractory.worker.blame import note_whose, whose
from stractory.worker.exits import outlive_exits
from stractory.worker.pool import READY
from stractory.worker.watchdog import Limits, Watchdog

PROGRAM = "stractory-worker"

HANDED_DOWN = (
    "registry",
    "working-dir",
    "actor-ports",
    "actor-port-range",
    "allow-public-actors",
    "max-actors",
    "code",
    "block-report",
    "block-interrupt",
    "block-exit",
    "isolated-limit",
    "tls-ca",
    *COMMON,
)
"""The settings that a pool has too and hands to its workers."""

NOT_ISOLATED = ("block-report", "block-interrupt", "block-exit", "isolated-limit")
"""Those of them that are 0 for the process of an isolated actor: it may block, and starts none itself."""


LINKS = 4096
"""Most links of a worker; each weighs some 2 KiB at rest, and what its streams do comes on top."""


def add_worker_settings(parser: Parser) -> None:
    """Declare HANDED_DOWN."""
    parser.setting(
        "registry", type=addresses, default="9000", help="where the registry is, or several with commas"
    )
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
        type=choice("no", "loopback", "yes"),
        default="loopback",
        help="where ports may need no key",
    )
    parser.setting("max-actors", type=count, default="0", help="most actors of a worker; 0: any number")
    parser.setting(
        "code", type=choice("any", "import"), default="any", help="of actors; import: none that travels"
    )
    blocked = "seconds without a turn of the event loop until"
    parser.setting("block-report", type=seconds, default="0.5", help=f"{blocked} that is logged; 0: never")
    parser.setting("block-interrupt", type=seconds, default="5", help=f"{blocked} its actor is stopped")
    parser.setting("block-exit", type=seconds, default="8", help=f"{blocked} the worker is ended")
    parser.setting(
        "isolated-limit",
        type=count,
        default="16",
        help="most actors with a process of their own, of a worker",
    )
    parser.setting(
        "tls-ca", type=path, help="the CA, a PEM file, of the certificates that others have to show"
    )
    add_common_settings(parser, LINKS)
    parser.rule(block_limits)


def block_limits(settings: Settings) -> Limits:
    """What block-... say. Raises ConfigError where they do not fit together."""
    limits = Limits(settings.block_report, settings.block_interrupt, settings.block_exit)
    limits.check()
    return limits


def make_parser() -> Parser:
    """All that can be set."""
    parser = Parser(
        PROGRAM, section="worker", description="One worker: runs the actors that a registry gives it."
    )
    parser.setting("listen", type=address, default="9001", help="where clients reach its actors")
    parser.setting(
        "end-with-stdin", type=yes_no, default="no", help="end when standard input does; for pools"
    )
    parser.setting(
        "isolated", type=count, help="descriptor of what is shared with the worker that started this one"
    )
    add_http_settings(parser, "/metrics, /livez and /readyz")
    add_worker_settings(parser)
    return parser


def child_command(settings: Settings) -> list[str]:
    """How to start a worker as this one for an actor that may block; ``--isolated`` follows."""
    return [
        sys.executable,
        str(Path(sys.argv[0]).resolve()),
        *settings.as_arguments([name for name in HANDED_DOWN if name not in NOT_ISOLATED]),
        *(f"--{name}=0" for name in NOT_ISOLATED),
        f"--listen={Address(settings.listen.host, 0)}",
        "--end-with-stdin",
    ]


def main() -> int:
    """Run a worker until a signal ends it; returns the exit status."""
    settings = make_parser().parse()
    set_up_logging(settings.log_level, settings.log_format)
    warn_of_variables()
    logging.root.handlers[0].addFilter(note_whose)
    logging.getLogger("zerorpc").setLevel(logging.CRITICAL)  # it logs what its clients are told anyway
    raise_descriptor_limit()
    spare_the_collector()
    with plain_words(PROGRAM, settings.log_format):
        _serve(settings, block_limits(settings))
    return 0


def _serve(settings: Settings, limits: Limits) -> None:
    # Here, so that neither --help nor a pool need load it.
    from stractory.clients.client import Client
    from stractory.net.trust import Trust
    from stractory.worker.isolation import Children
    from stractory.worker.server import WorkerServer
    from stractory.worker.voucher import Voucher

    voucher = None
    if settings.isolated is not None:
        die_with_parent()
        voucher = Voucher(settings.isolated)
    hangups = Hangups()
    children = Children(child_command(settings), os.getcwd(), settings.isolated_limit)
    dump_on_signal(whose, children.pass_on)
    keys = load_keys(settings.key_file, settings.listen, settings.http or settings.listen)
    security, trust = transport_security(settings), Trust(settings.tls_ca)
    _work_in(settings.working_dir)
    outlive_exits()
    server = WorkerServer(
        settings.listen,
        settings.registry,
        keys,
        make_client=lambda: Client(server.membership.addresses(), key_file=keys.path, tls_ca=trust.ca),
        eager_ports=settings.actor_ports == "eager",
        port_range=settings.actor_port_range,
        allow_public=settings.allow_public_actors,
        max_actors=settings.max_actors,
        imports_only=settings.code == "import",
        security=security,
        trust=trust,
        limits=connection_limits(settings),
        children=children,
        voucher=voucher,
    )
    always_log(worker=str(server.address))
    title.show(f"worker {server.address}")
    told = end_on_signals()
    server.dismissed = told.set

    def keys_changed() -> None:
        server.keys_changed()
        children.pass_on(signal.SIGHUP)

    hangups.act(partial(read_keys_again, keys, keys_changed))
    watchdog = None
    if any(limits):
        accuse = [sys.executable, "-m", "stractory.worker.accusation"]
        registries = ",".join(map(str, settings.registry))
        watchdog = Watchdog(limits, [*accuse, registries, str(keys.path), str(trust.ca or "")])
        watchdog.start()
    if settings.http is not None:
        from stractory.http.pages import Health, Pages
        from stractory.http.server import PageServer
        from stractory.http.sessions import Sessions
        from stractory.http.worker import WorkerMetrics

        metrics = WorkerMetrics(server.membership, server.links, watchdog)
        health = Health(metrics.page, lambda: server.membership.obstacle)
        PageServer(settings.http, Pages(http_access(settings, keys, Sessions(keys)), health), security)
    if settings.end_with_stdin:
        gevent.spawn(wait_read, sys.stdin.fileno()).link(lambda ended: told.set())
    membership = gevent.spawn(server.membership.run)
    membership.link(lambda ended: told.set())
    if voucher is None:
        ready = gevent.spawn(server.membership.registered.wait)
        ready.link(lambda ready: say_ready(f"{READY}{server.address}"))
        ready.link(lambda ready: limits.check_lease(server.membership.standing.lease))
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
