"""``stractory``: the registry."""

from __future__ import annotations

from stractory.commands.config import Parser, Settings, address, choice, seconds_from
from stractory.commands.daemon import (
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
from stractory.registry.directory import Directory
from stractory.registry.placement import POLICIES
from stractory.registry.server import RegistryServer
from stractory.registry.service import Registry

PROGRAM = "stractory"

SHORTEST_LEASE = 1.0
"""Seconds: workers fit their heartbeat to the lease, but a lease must outlast a busy moment of theirs."""


def make_parser() -> Parser:
    """All that can be set."""
    parser = Parser(
        PROGRAM, section="registry", description="The registry: places actors and knows where they are."
    )
    parser.setting("listen", type=address, default="9000", help="where clients and workers find it")
    parser.setting("placement", type=choice(*POLICIES), default="two-choices", help="who gets a new actor")
    parser.setting(
        "heartbeat-timeout",
        type=seconds_from(SHORTEST_LEASE),
        default="15",
        help=f"until a silent worker is given up; {SHORTEST_LEASE:g} or more",
    )
    add_common_settings(parser)
    return parser


def main() -> int:
    """Run a registry until a signal ends it; returns the exit status."""
    settings = make_parser().parse()
    set_up_logging(settings.log_level)
    warn_of_variables()
    raise_descriptor_limit()
    spare_the_collector()
    with plain_words(PROGRAM):
        _serve(settings)
    return 0


def _serve(settings: Settings) -> None:
    directory = Directory(lease=settings.heartbeat_timeout, place=POLICIES[settings.placement])
    server = RegistryServer(
        Registry(directory),
        settings.listen,
        load_keys(settings.key_file, settings.listen),
        insecure_plaintext=settings.insecure_plaintext,
    )
    told = end_on_signals()
    say_ready(f"stractory registry ready at {server.address}")
    told.wait()
    server.close()
