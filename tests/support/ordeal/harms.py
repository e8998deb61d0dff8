"""What may go wrong where there is one registry: processes, and the wires between them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from tests.support.faults import standing_still
from tests.support.ordeal.nemesis import Harms
from tests.support.ordeal.site import LEASE, OneRegistry

GENTLE = (
    "kill",
    "stop_for_a_moment",
    "delay",
    "restart_registry",
    "stop_registry",
    "restart_registry_as_one_ends",
)
"""Harms by which no worker that lives is lost: who destroys what is lost does not wait for its end."""
ROUGH = (
    *GENTLE,
    "reset",
    "stop_for_long",
    "stop_registry_for_long",
    "cut",
    "cut_there",
    "cut_back",
    "kill_as_others_are_cut",
)
LASTING = tuple(harm for harm in ROUGH if "kill" not in harm and "restart" not in harm)
"""Harms of which nobody dies."""


class HarmsOfOne(Harms[OneRegistry]):
    """Of a registry and its wires."""

    def restart_registry(self) -> None:
        self._site.cluster.kill_registry()
        self._pass(0, 1)
        self._site.cluster.restart_registry()

    def restart_registry_as_one_ends(self) -> None:
        os.kill(self._worker(), signal.SIGTERM)
        self._pass(0, 0.1)
        self.restart_registry()

    def stop_registry(self) -> None:
        with standing_still(self._site.registry_pid):
            self._pass(0, LEASE / 2)

    def stop_registry_for_long(self) -> None:
        """Workers cut the link to it then: what they have may have been made again elsewhere."""
        with standing_still(self._site.registry_pid):
            self._pass(LEASE / 2, 2 * LEASE)

    def reset(self) -> None:
        self._random.choice(self._site.wires).reset()

    def delay(self) -> None:
        wire = self._random.choice(self._site.wires)
        wire.delay = 0.05
        self._pass(0, 1)
        wire.delay = 0

    def cut(self, **ways: bool) -> None:
        with self._cut(**ways):
            self._pass(0, 2 * LEASE)

    def cut_there(self) -> None:
        self.cut(back=False)

    def cut_back(self) -> None:
        self.cut(there=False)

    def kill_as_others_are_cut(self) -> None:
        with self._cut():
            self.kill()

    @contextlib.contextmanager
    def _cut(self, **ways: bool) -> Iterator[None]:
        wire = self._random.choice(self._site.wires)
        wire.cut(**ways)
        try:
            yield
        finally:
            wire.mend()
