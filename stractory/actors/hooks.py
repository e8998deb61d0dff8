"""Functions that an actor may have beside what it serves: they are called by the worker, never by clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOOKS = frozenset({"destroy"})
"""``destroy()`` runs when the actor ends."""


def call_hook(made: Any, name: str) -> None:
    """Call a hook of what an init returned (an object or a dict of functions), if it has it."""
    hook = made.get(name) if isinstance(made, Mapping) else getattr(made, name, None)
    if callable(hook):
        hook()
