"""``stractory-workers``: a pool of workers, each a process of its own."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

from stractory.commands.config import Parser, Settings, addresses, count, port_range, seconds
from stractory.commands.daemon import (
    Hangups,
    end_on_signals,
    load_keys,
    plain_words,
    say_ready,
    warn_of_variables,
)
from stractory.commands.logs import set_up_logging, with_slot
from stractory.commands.worker import HANDED_DOWN, add_worker_settings
from stractory.errors import ConfigError
from stractory.net import title
from stractory.net.address import DEFAULT_HOST, Address
from stractory.net.stacks import dump_on_signal
from stractory.worker.pool import Pool, numbered

PROGRAM = "stractory-workers"


def make_parser() -> Parser:
    """All that can be set."""
    parser = Parser(PROGRAM, section="workers", description="A pool: one worker process for each address.")
    parser.setting(
        "listen", type=addresses, help="where the workers listen, such as 9001,9002; or give workers"
    )
    parser.setting("workers", type=count, help="so many workers on free ports")
    parser.setting(
        "respawn-delay", type=seconds, default="1", help="seconds until a dead worker is started again"
    )
    parser.setting(
        "http-ports", type=port_range, help="of loopback, where each worker serves what http says of one"
    )
    add_worker_settings(parser)
    parser.alternatives("listen", "workers")
    parser.rule(check_members)
    return parser


def check_members(settings: Settings) -> None:
    """Raises ConfigError unless it is said which workers there are to be, once, with ports for all."""
    if settings.workers == 0:
        raise ConfigError("a pool has at least one worker, not 0")
    if bool(settings.listen) == bool(settings.workers):
        raise ConfigError("give either listen (addresses) or workers (how many)")
    ports, needed = settings.http_ports, settings.workers or len(settings.listen)
    if ports and len(ports) < needed:
        raise ConfigError(f"http-ports has {len(ports)} ports, and there are {needed} workers")


def main() -> int:
    """Run a pool until a signal ends it; returns the exit status."""
    settings = make_parser().parse()
    set_up_logging(settings.log_level, settings.log_format)
    warn_of_variables()
    with plain_words(PROGRAM, settings.log_format):
        return _run(settings)


def _run(settings: Settings) -> int:
    hangups = Hangups()
    listen = settings.listen or [Address(DEFAULT_HOST, 0)] * settings.workers
    load_keys(settings.key_file, *listen)  # made once, here, rather than by all workers at once
    told = end_on_signals()
    command = [
        sys.executable,
        str(Path(sys.argv[0]).resolve().with_name("stractory-worker")),
        *settings.as_arguments(HANDED_DOWN),
        "--end-with-stdin",
    ]
    commands = [[*command, f"--listen={address}"] for address in listen]
    for each, port in zip(commands, settings.http_ports or (), strict=False):
        each.append(f"--http={Address(DEFAULT_HOST, port)}")
    mark = with_slot if settings.log_format == "json" else numbered
    pool = Pool(commands, settings.respawn_delay, mark)
    hangups.act(partial(pool.pass_on, signal.SIGHUP))
    dump_on_signal(pass_on=pool.pass_on)
    title.show(f"pool of {len(listen)}")
    pool.start()
    if pool.wait_ready(told):
        say_ready(f"stractory pool ready: {len(listen)} worker{'s' * (len(listen) > 1)}")
        told.wait()
    pool.close()
    return pool.status
