"""``stractory.client``: which client a program gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from gevent import monkey

from stractory.clients.arguments import joined_address, registry_addresses
from stractory.clients.background import BackgroundClient
from stractory.clients.client import Client
from stractory.errors import ConfigError
from stractory.net.address import DEFAULT_HOST, Address, addresses

DEFAULT_REGISTRY = "127.0.0.1:9000"
DEFAULT_PORT = 9000


def client(
    registry: str | int | Sequence[str | int] | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    key_file: str | Path | None = None,
    tls_ca: str | Path | None = None,
    idle_timeout: float | None = None,
    trust_wrappers: bool = False,
    background: bool = False,
) -> Client:
    """A client of the registry at "host:port", at a port of this machine, or at ``host=`` and ``port=``.

    By default that is $STRACTORY_REGISTRY, or 127.0.0.1:9000. It dials at first use. Of a cluster with
    several registries give all, in a sequence or with commas between them: the client begins with any, stays
    with it, and goes on to the next when that one cannot be reached.

    ``key_file``: the cluster key, by default $STRACTORY_KEY_FILE or ~/.config/stractory/cluster.key.
    ``tls_ca``: a PEM file, by default $STRACTORY_TLS_CA, of the CA that has to have signed the certificates
    of registry and workers. Without one the proof of the key is enough, with and without TLS.
    ``idle_timeout``: seconds without traffic after which the events "timeout" and "actor-timeout" come.
    ``trust_wrappers``: run client wrappers that other people's definitions bring.

    A client belongs to one native thread. In a program patched by gevent it shares the loop with everything
    else; in any other its loop runs only while one of its calls waits. ``background`` gives it a thread and
    loop of its own, so that it also serves what arrives between calls, and any thread may use it: for
    prompts, threaded programs and asyncio. (A patched program has that already.) What client wrappers make is
    handed out as it is: its methods run in the thread that calls them.

    Raises ConfigError for an address that is none, and a ``tls_ca`` that cannot be used.
    """
    if host is None and port is None:
        where = _given_addresses(registry)
    elif registry is None:
        given = joined_address(DEFAULT_HOST if host is None else host, DEFAULT_PORT if port is None else port)
        where = (given,)
    else:
        raise ConfigError(f"either the registry {registry!r} or host= and port=, not both")
    make = partial(
        Client,
        where,
        key_file=key_file,
        tls_ca=tls_ca or os.environ.get("STRACTORY_TLS_CA") or None,
        idle_timeout=idle_timeout,
        trust_wrappers=trust_wrappers,
    )
    if background and not monkey.is_module_patched("threading"):
        return cast(Client, BackgroundClient(lambda share: make(share=share)))
    return make()


def _given_addresses(registry: str | int | Sequence[str | int] | None) -> tuple[Address, ...]:
    """As they were passed, or as the environment has them; "" counts as not given in both."""
    if registry not in (None, ""):
        return registry_addresses(registry)
    try:
        return addresses(os.environ.get("STRACTORY_REGISTRY") or DEFAULT_REGISTRY)
    except ConfigError as error:
        raise ConfigError(f"STRACTORY_REGISTRY: {error}") from None
