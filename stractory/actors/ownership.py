"""Whose a function, class or module is: installed, so that the worker has it too, or the user's own."""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from operator import attrgetter
from typing import Any

_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


def is_installed(module: str) -> bool:
    """Whether the worker can be expected to import this too: by where it was loaded from, not by its name."""
    if module == "__main__":
        return False
    if module.partition(".")[0] == "stractory" or module in sys.builtin_module_names:
        return True
    found = sys.modules.get(module)
    if getattr(getattr(found, "__spec__", None), "origin", None) in ("built-in", "frozen"):
        return True
    file = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), None)
    if not isinstance(file, str):  # made by code: goes with its package, if it has one
        parent = module.rpartition(".")[0]
        return bool(parent) and is_installed(parent)
    return (
        file.startswith(_STANDARD_LIBRARY)
        or file.endswith(tuple(EXTENSION_SUFFIXES))
        or f"{os.sep}site-packages{os.sep}" in file
        or f"{os.sep}dist-packages{os.sep}" in file
    )


def imported_as(scope: dict[str, Any]) -> str | None:
    """The name in sys.modules of the module with these globals; gevent.event's ``__name__`` is another."""
    name = scope.get("__name__")
    if isinstance(name, str) and getattr(sys.modules.get(name), "__dict__", None) is scope:
        return name
    modules = sys.modules.copy().items()
    return next((key for key, module in modules if getattr(module, "__dict__", None) is scope), None)


def has_installed_name(thing: Any) -> bool:
    """Whether a function or class is what an installed module has under its name."""
    module = thing.__module__
    if not isinstance(module, str) or module not in sys.modules or not is_installed(module):
        return False
    try:
        return attrgetter(thing.__qualname__)(sys.modules[module]) is thing
    except AttributeError:
        return False
