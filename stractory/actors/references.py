"""What a function's code refers to: globals, variables of enclosing functions, modules inside packages."""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Iterable
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from stractory.actors.ownership import is_installed


class Names(NamedTuple):
    """What a code object and those inside it name."""

    variables: set[str]  # globals
    all: set[str]  # those and attributes

    @classmethod
    def of(cls, code: CodeType) -> Names:
        names = cls(set(), set(code.co_names))
        for step in dis.get_instructions(code):
            if "_GLOBAL" in step.opname or step.opname == "LOAD_NAME":  # the latter: a class in a function
                names.variables.add(step.argval)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                inner = cls.of(constant)
                names.variables.update(inner.variables)
                names.all.update(inner.all)
        return names


def globals_of(function: FunctionType, names: Names) -> dict[str, Any]:
    """The globals that a function names, in an order that does not depend on hashes."""
    scope = function.__globals__
    return {name: scope[name] for name in sorted(names.variables) if name in scope}


def closure_of(function: FunctionType) -> list[tuple[str, CellType, Any]]:
    """The variables of enclosing functions that have a value: (name, cell, content)."""
    filled = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # still empty
            filled.append((name, cell, cell.cell_contents))
    return filled


def submodules_of(names: Names, values: Iterable[Any]) -> list[str]:
    """What else to import for ``import a.b`` and ``a.b.f()``: the code only refers to ``a``."""
    packages = [
        value.__name__
        for value in values
        if issubclass(type(value), ModuleType) and hasattr(value, "__path__")
    ]
    return [
        f"{package}.{rest}"
        for package in packages
        if is_installed(package)
        for start, _, rest in sorted(name.partition(f"{package}.") for name in sys.modules.copy())
        if rest and not start and names.all.issuperset(rest.split("."))
    ]
