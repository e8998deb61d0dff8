"""The registry's settings of what it keeps: where that is, and the record of who did what."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from stractory.commands.config import Parser, Settings, choice, path
from stractory.commands.values import endpoints, prefix
from stractory.errors import ConfigError, StoreError
from stractory.store.data_directory import DATABASE, DataDirectory, default_directory

if TYPE_CHECKING:
    from stractory.proof.keys import KeyRing
    from stractory.store.interface import Store

log = logging.getLogger(__name__)

NOWHERE = Path(os.devnull)

SQLITE, ETCD = "sqlite", "etcd"
"""What keeps it."""

OF_ETCD = ("etcd-endpoints", "etcd-ca", "etcd-cert", "etcd-key")
"""Settings that mean nothing without it."""


def path_or_none(text: str) -> Path:
    """A path, or "none" for NOWHERE. Raises ConfigError for a word that looks as if it meant that."""
    if text == "none":
        return NOWHERE
    if text.lower() in ("no", "off", "false", "none"):
        raise ConfigError(f"{text!r} is no path here: did you mean 'none'? A file of that name is ./{text}")
    return path(text)


def add_keeping_settings(parser: Parser) -> None:
    """Declare them."""
    parser.setting(
        "data-dir",
        type=path_or_none,
        default=_usual_directory(),
        usual=data_directory,
        help="the folder of what survives a restart; none keeps it in memory, as the default does for port 0",
    )
    parser.setting(
        "audit-log",
        type=path_or_none,
        usual=lambda settings: audit_log(settings, data_directory(settings)),
        help="the record of who created and ended what; by default audit.log in data-dir, if there is one",
    )
    parser.setting(
        "store", type=choice(SQLITE, ETCD), default=SQLITE, help="what keeps it: a file in data-dir, or etcd"
    )
    parser.setting("etcd-endpoints", type=endpoints, help="where etcd is: URLs of its members, with commas")
    parser.setting("etcd-prefix", type=prefix, default="/stractory", help="what all keys in etcd begin with")
    parser.setting("etcd-ca", type=path, help="a PEM file: whom https endpoints are to be certified by")
    parser.setting("etcd-cert", type=path, help="a PEM file: the certificate that etcd is shown")
    parser.setting("etcd-key", type=path, help="its key, unless etcd-cert has it as well")
    parser.rule(_check)


def _check(settings: Settings) -> None:
    """Raises ConfigError for what cannot be meant."""
    if settings.store == ETCD and settings.etcd_endpoints is None:
        raise ConfigError("store = etcd needs etcd-endpoints, such as http://127.0.0.1:2379")
    for name in OF_ETCD:
        if settings.store != ETCD and settings.texts[name] is not None:
            raise ConfigError(f"{name} is set, but store is {settings.store}: set store = etcd")
    if settings.etcd_key is not None and settings.etcd_cert is None:
        raise ConfigError("etcd-key is set, but no etcd-cert")
    for endpoint in settings.etcd_endpoints or ():
        if endpoint.is_plain and not endpoint.address.is_loopback and not settings.insecure_plaintext:
            raise ConfigError(
                f"etcd-endpoints: {endpoint} is beyond loopback, in plain text: use https, "
                "or insecure-plaintext = yes on a network you trust"
            )


def open_store(settings: Settings, folder: Path | None, ring: KeyRing) -> Store:
    """That which the settings ask for, with ``folder`` where data is. Raises StoreError, and ConfigError."""
    secrets = ring.secrets_for(b"store")
    if settings.store == ETCD:
        from stractory.store.etcd.client import Client
        from stractory.store.etcd.connection import Credentials
        from stractory.store.etcd.store import EtcdStore

        credentials = Credentials(settings.etcd_ca, settings.etcd_cert, settings.etcd_key)
        client = Client([str(endpoint) for endpoint in settings.etcd_endpoints], credentials)
        if folder:
            DataDirectory(folder)  # for what else there is; locked until this process ends
            warn_of_what_is_not_read(folder)
        store = EtcdStore(client, settings.etcd_prefix, secrets)
        log.info("the names are in etcd, below %s", settings.etcd_prefix)
        return store
    if folder:
        from stractory.store.durable import DurableStore

        return DurableStore(folder, *secrets)
    from stractory.store.memory import MemoryStore

    return MemoryStore()


def warn_of_what_is_not_read(folder: Path) -> None:
    """A registry of before has left names there."""
    if (database := folder.absolute() / DATABASE).exists():
        log.warning(
            "store is etcd: the names in %s are not read, and come back as they were if it is sqlite again; "
            "remove that file, and its -wal, when nobody wants them back",
            database,
        )


def audit_log(settings: Settings, folder: Path | None) -> Path | None:
    """The file of the record of who did what; None for none. ``folder``: where data is."""
    if settings.audit_log is None:
        return folder / "audit.log" if folder else None
    file: Path = settings.audit_log
    return None if file == NOWHERE else file


def data_directory(settings: Settings) -> Path | None:
    """Where the registry keeps what outlives it; None for nowhere."""
    if settings.sources["data-dir"] == "default":
        return default_directory(settings.listen.port) if settings.listen.port else None
    folder: Path = settings.data_dir
    return None if folder == NOWHERE else folder


def _usual_directory() -> str | None:
    """Where data goes unless the user says otherwise, to be read."""
    with contextlib.suppress(StoreError):
        return str(default_directory("PORT"))
    return None
