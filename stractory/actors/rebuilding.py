"""What a pickle of :mod:`stractory.actors.code` calls while it is loaded.

Makers return a thing that is still empty; fillers give it its contents, once everything it refers to exists.
The names of these functions are in the pickles: renaming one breaks those that other versions made.
"""

from __future__ import annotations

import abc
import builtins
import importlib
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any


class Late:
    """Comes after everything else in a pickle, and is replaced there by what had to wait."""


def set_late(late: list[tuple[type, Any]], more: None) -> None:
    """Give classes their ``__init_subclass__``, now that their subclasses exist."""
    for cls, hook in late:
        type.__setattr__(cls, "__init_subclass__", hook)


def make_module(name: str) -> ModuleType:
    module = ModuleType(name)
    vars(module)["__builtins__"] = builtins
    return module


def same(thing: Any) -> Any:
    return thing


def fill_module(module: ModuleType, contents: dict[str, Any]) -> None:
    vars(module).update(contents)


def make_function(
    code: CodeType, module: ModuleType, name: str, closure: tuple[CellType, ...]
) -> FunctionType:
    return FunctionType(code, vars(module), name, None, closure)


def fill_function(function: FunctionType, state: tuple[Any, ...]) -> None:
    variables, cells, attributes, submodules = state
    for name in submodules:
        importlib.import_module(name)
    function.__globals__.update(variables)
    for cell, content in cells:
        cell.cell_contents = content
    for name, value in attributes.items():
        setattr(function, name, value)


def make_class(metaclass: type, name: str, bases: tuple[type, ...], fixed: dict[str, Any]) -> type:
    make = abc.ABCMeta.__new__ if issubclass(metaclass, abc.ABCMeta) else type.__new__
    return make(metaclass, name, bases, fixed)


def fill_class(cls: type, state: tuple[Any, ...]) -> None:
    contents, subclasses = state
    for name, value in contents.items():
        type.__setattr__(cls, name, value)  # not the metaclass's: enum's forbids it
    for subclass in subclasses:
        abc.ABCMeta.register(cls, subclass)  # type: ignore[arg-type]


def make_member(base: type, cls: type, *arguments: Any) -> Any:
    return base.__new__(cls, *arguments)
