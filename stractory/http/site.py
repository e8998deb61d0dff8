"""All that a registry shows, put together."""

from __future__ import annotations

import time

from stractory.http.access import Access
from stractory.http.api import Api
from stractory.http.events import Events
from stractory.http.files import Files
from stractory.http.loads import Loads
from stractory.http.pages import Health, Pages
from stractory.http.picture import Picture
from stractory.http.registry import RegistryMetrics
from stractory.http.rows import Row
from stractory.http.server import PageServer
from stractory.net.address import Address
from stractory.net.listener import TransportSecurity
from stractory.registry.directory import Directory
from stractory.registry.server import RegistryServer
from stractory.registry.service import Registry
from stractory.version import VERSION


class Site:
    """Of ``registry``, which keeps ``directory``, and whose door is ``server``. Raises as PageServer."""

    def __init__(
        self,
        address: Address,
        directory: Directory,
        registry: Registry,
        server: RegistryServer,
        access: Access,
        security: TransportSecurity,
    ) -> None:
        loads = Loads(registry.survey)
        self._registry = registry
        self._about = {"registry": str(server.address), "since": time.time()}
        self._events = Events(
            Picture(directory, loads, self._about, lambda: registry.peers.addresses), loads, access.admits
        )
        self._access = access
        metrics = RegistryMetrics(directory, registry, server.links)
        health = Health(metrics.page, lambda: registry.obstacle)
        api = Api(directory, registry.survey, self._describe)
        self._server = PageServer(address, Pages(access, Files(), api, self._events, health), security)

    def _describe(self) -> Row:
        watchers = len(self._events) + self._registry.watching.watchers
        now, ready = time.time(), self._registry.obstacle
        registries = self._registry.peers.addresses
        told = {
            "version": VERSION,
            "now": now,
            "ready": ready,
            "watchers": watchers,
            "registries": registries,
        }
        return {**self._about, **told}

    def link(self, invitation: str) -> str:
        """Where a browser is let in by it."""
        return self._access.link(self._server.address, self._server.is_secure, invitation)

    def close(self) -> None:
        """Take no more connections, and end those of who follows."""
        self._server.close()
        self._events.close()
