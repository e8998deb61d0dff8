"""``stractory``: the registry."""

from __future__ import annotations

from functools import partial

from stractory.commands.config import Parser, Settings, address, choice, seconds_from, size_to
from stractory.commands.daemon import (
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
from stractory.commands.keeping import ETCD, add_keeping_settings, audit_log, data_directory, open_store
from stractory.commands.logs import set_up_logging
from stractory.errors import ConfigError
from stractory.net import title
from stractory.net.stacks import dump_on_signal
from stractory.proof.keys import CLIENT, OPERATOR
from stractory.registry.placement import POLICIES

PROGRAM = "stractory"

SHORTEST_LEASE = 1.0
"""Seconds: workers fit their heartbeat to the lease, but a lease must outlast a busy moment of theirs."""

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes: MESSAGE_LIMIT of wire/codec, which --help need not load."""


def make_parser() -> Parser:
    """All that can be set."""
    parser = Parser(
        PROGRAM, section="registry", description="The registry: places actors and knows where they are."
    )
    parser.setting("listen", type=address, default="9000", help="where clients and workers find it")
    parser.setting(
        "advertise",
        type=address,
        help="where workers find it, unless at listen; other registries on the same etcd tell them",
    )
    parser.setting("placement", type=choice(*POLICIES), default="two-choices", help="who gets a new actor")
    parser.setting(
        "heartbeat-timeout",
        type=seconds_from(SHORTEST_LEASE),
        default="15",
        help=f"until a silent worker is given up; {SHORTEST_LEASE:g} or more",
    )
    add_keeping_settings(parser)
    for role, default in (("client", "1M"), ("operator", "64M")):
        parser.setting(
            f"{role}-message-limit",
            type=size_to(LARGEST_MESSAGE),
            default=default,
            help=f"most bytes of one message to the registry, with a key of the role {role}",
        )
    add_http_settings(parser, "a web page, its JSON API, /metrics, /livez and /readyz")
    add_common_settings(parser, links=0)
    parser.rule(_check)
    return parser


def _check(settings: Settings) -> None:
    """Raises ConfigError for what cannot be meant."""
    advertised = settings.advertise or settings.listen
    if settings.store == ETCD and advertised.is_everywhere:
        raise ConfigError(
            f"store = etcd: workers of other registries are told of this one, and cannot dial {advertised}: "
            f"set advertise = HOST:{advertised.port}"
        )


def main() -> int:
    """Run a registry until a signal ends it; returns the exit status."""
    settings = make_parser().parse()
    set_up_logging(settings.log_level, settings.log_format)
    warn_of_variables()
    raise_descriptor_limit()
    spare_the_collector()
    with plain_words(PROGRAM, settings.log_format):
        _serve(settings)
    return 0


def _serve(settings: Settings) -> None:
    # Here, so that --help need not load it.
    from stractory.registry.audit import Audit, missing
    from stractory.registry.directory import Directory
    from stractory.registry.server import MESSAGE_LIMITS, RegistryServer
    from stractory.registry.service import Registry
    from stractory.store.lines import Lines

    hangups = Hangups()
    dump_on_signal()
    binds = settings.listen, settings.http or settings.listen
    ring = load_keys(settings.key_file, *binds, of_registry=True)
    security = transport_security(settings)
    folder = data_directory(settings)
    store = open_store(settings, folder, ring)
    record = audit_log(settings, folder)
    lines = Lines("audit-log", record, missing) if record else None
    directory = Directory(lease=settings.heartbeat_timeout, place=POLICIES[settings.placement])
    registry = Registry(directory, store)
    server = RegistryServer(
        registry,
        settings.listen,
        ring,
        security=security,
        limits=connection_limits(settings),
        message_limits={
            **MESSAGE_LIMITS,
            CLIENT: settings.client_message_limit,
            OPERATOR: settings.operator_message_limit,
        },
        audit=Audit(lines.add if lines else None),
        registries=lambda: registry.peers.addresses,
    )
    registry.peers.join(str(settings.advertise or server.address))
    site = None
    if settings.http is not None:
        from stractory.http.sessions import Sessions
        from stractory.http.site import Site

        sessions = Sessions(ring)
        access = http_access(settings, ring, sessions)
        site = Site(settings.http, directory, registry, server, access, security)
        server.page_link = lambda key: site.link(sessions.invite(key))
    told = end_on_signals()
    hangups.act(partial(read_keys_again, ring, server.end_revoked))
    title.show(f"registry {server.address}")
    say_ready(f"stractory registry ready at {server.address}")
    told.wait()
    if site is not None:
        site.close()
    server.close()
    registry.close()
    store.close()
    if lines:
        lines.close()
