"""Functions that an actor may have beside what it serves: they are called by the worker, never by clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

HOOKS = frozenset({"destroy", "snapshot", "restore"})
"""``destroy()`` runs when the actor ends. :mod:`stractory.actors.snapshots` tells of the others."""


def find_hook(made: Any, name: str) -> Callable[..., Any] | None:
    """A hook of what an init returned (an object or a dict of functions), if it has it."""
    hook = made.get(name) if isinstance(made, Mapping) else getattr(made, name, None)
    return hook if callable(hook) else None


def call_hook(made: Any, name: str) -> None:
    """Call a hook without arguments, if there is one."""
    if hook := find_hook(made, name):
        hook()
