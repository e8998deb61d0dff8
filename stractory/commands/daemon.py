"""What the daemons share: common settings, logging, signals, and plain words for a failed start."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event

from stractory.commands.config import Parser, Settings, choice, count, hosts, path, yes_no
from stractory.commands.variables import misspelled
from stractory.errors import AuthError, ConfigError, StractoryError
from stractory.net.address import Address, address
from stractory.net.descriptors import descriptors
from stractory.proof import keys
from stractory.proof.admission import USUAL, ConnectionLimits

if TYPE_CHECKING:
    from stractory.http.access import Access
    from stractory.http.sessions import Sessions
    from stractory.net.listener import TransportSecurity

log = logging.getLogger(__name__)

COMMON = (
    "key-file",
    "tls",
    "insecure-plaintext",
    "unproved-limit",
    "unproved-limit-per-source",
    "links-limit",
    "log-level",
    "log-format",
)
"""Settings that every daemon has; a pool hands them to its workers."""


def add_common_settings(parser: Parser, links: int) -> None:
    """Declare COMMON. ``links``: the default of links-limit."""
    parser.setting("key-file", type=path, default=str(keys.default_path()), help="the cluster key")
    parser.setting("tls", type=tls, default="no", help="encrypt what others dial; auto: by a new certificate")
    parser.setting(
        "insecure-plaintext", type=yes_no, default="no", help="may listen beyond loopback, in plain text"
    )
    parser.setting(
        "unproved-limit",
        type=count,
        default=str(USUAL.unproved),
        help="most connections of a port that have proved nothing yet; 0: any number",
    )
    parser.setting(
        "unproved-limit-per-source",
        type=count,
        default=str(USUAL.unproved_of_one),
        help="most of them from one address of another machine",
    )
    parser.setting("links-limit", type=count, default=str(links), help="most links of clients; 0: any number")
    parser.setting(
        "log-level",
        type=choice("debug", "info", "warning", "error"),
        default="info",
        help="least severe level to log",
    )
    parser.setting("log-format", type=choice("text", "json"), default="text", help="json: an object a line")


def add_http_settings(parser: Parser, what: str) -> None:
    """Declare those of pages, which each process has to have for itself. ``what`` there is."""
    parser.setting("http", type=address, help=f"where to show {what}")
    parser.setting(
        "http-open",
        type=choice("loopback", "never"),
        default="loopback",
        help="who may look without a key: who asks by an address of loopback, if http is there; or nobody",
    )
    parser.setting("http-hosts", type=hosts, help="more names by which browsers may ask; with commas")
    parser.rule(_check_http)


def _check_http(settings: Settings) -> None:
    """Raises ConfigError where pages would be shown in a way that nobody means."""
    where = settings.http
    if where is None or where.is_loopback:
        return
    if settings.tls == "no" and not settings.insecure_plaintext:
        raise ConfigError(
            f"http = {where} is beyond loopback, in plain text: set tls = auto or a file, "
            "or insecure-plaintext = yes on a network you trust"
        )
    if where.is_everywhere and not settings.http_hosts:
        raise ConfigError(f"http = {where} is no name: set http-hosts to the names by which browsers may ask")


def http_access(settings: Settings, ring: keys.KeyRing, sessions: Sessions) -> Access:
    """Who may see pages."""
    from stractory.http.access import Access  # which --help need not load

    return Access(ring, sessions, is_open=settings.http_open == "loopback", hosts=settings.http_hosts or ())


def connection_limits(settings: Settings) -> ConnectionLimits:
    """How many may connect."""
    return ConnectionLimits(settings.unproved_limit, settings.unproved_limit_per_source, settings.links_limit)


def tls(text: str) -> str:
    """Whether, and by which certificate: no, auto, or the path of a PEM file."""
    return text if text in ("no", "auto") else str(path(text))


tls.__name__ = "no|auto|file"  # as --help shows it


def transport_security(settings: Settings) -> TransportSecurity:
    """What is done about the network. Raises ConfigError."""
    from stractory.net.certificates import certificate  # which --help need not load
    from stractory.net.listener import TransportSecurity

    return TransportSecurity(certificate(settings.tls), settings.insecure_plaintext)


def warn_of_variables() -> None:
    """Log which variables of the environment are ignored because they are misspelled."""
    for name, near in misspelled(os.environ):
        log.warning("the variable %s is no setting and is ignored; did you mean %s?", name, near)


def raise_descriptor_limit() -> None:
    """Let this process have as many sockets as the system allows: each own port of an actor is one.

    A few are kept for what must not fail when there are no more.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    descriptors.keep()


def spare_the_collector() -> None:
    """Have Python look for cyclic garbage less often: what a daemon makes mostly lives long."""
    gc.freeze()  # what the imports made stays
    gc.set_threshold(20_000, 20, 20)


def load_keys(key_file: Path, *binds: Address, of_registry: bool = False) -> keys.KeyRing:
    """The cluster key; made by itself only when everything listens on loopback. Raises AuthError."""
    return keys.load(key_file, create=all(bind.is_loopback for bind in binds), of_registry=of_registry)


def say_ready(text: str) -> None:
    """The one line on standard output that tells whoever started the daemon to go on, if anybody listens."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


@contextmanager
def plain_words(program: str, log_format: str) -> Iterator[None]:
    """A mistake of the user's ends the program with one line and status 1, not with a traceback."""
    try:
        yield
    except StractoryError as error:
        if log_format == "json":
            log.critical("%s", error)
        else:
            print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(1) from None


class Hangups:
    """SIGHUP, from when this is made, kept until it is acted on.

    It has to be made before the keys are read: who signals a process that does not handle it yet (see
    :func:`stractory.net.process.pass_on`) relies on it to read them later.
    """

    def __init__(self) -> None:
        self._told = Event()
        gevent.signal_handler(signal.SIGHUP, self._told.set)

    def act(self, function: Callable[[], None]) -> None:
        """Call it in a green thread, once for all signals that came meanwhile."""
        gevent.spawn(self._act, function)

    def _act(self, function: Callable[[], None]) -> None:
        while True:
            self._told.wait()
            self._told.clear()
            function()


def read_keys_again(ring: keys.KeyRing, then: Callable[[], None]) -> None:
    """Have the key ring follow its file; ``then`` is called where that went well."""
    try:
        with descriptors.lent():
            ring.read_again()
    except AuthError as error:
        log.error("the keys stay as they were: %s", error)
    else:
        log.info("read the keys again from %s", ring)
        then()


def end_on_signals() -> Event:
    """An event that SIGTERM or SIGINT sets. A second signal ends the process at once.

    Plain signal handlers, because they run even when the loop is blocked.
    """
    told = Event()

    def handle(number: int, frame: Any) -> None:
        if told.is_set():
            os._exit(128 + number)
        told.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return told
