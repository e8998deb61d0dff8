"""Which variable is to blame when a function cannot travel: found after the failure, by trying each part."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from stractory.actors.references import Names, closure_of, globals_of
from stractory.actors.refusals import refusal, remedy

Failure = Callable[[Any], str]
"""Why a thing cannot travel, to go on after "variable 'x' "; empty if it can."""


class _Part(NamedTuple):
    """Something a thing holds: ``label`` is a variable where ``where`` says whose, else how to get at it."""

    label: str
    where: str
    thing: Any


def explain(function: Any, what: str, failure: Failure) -> str:
    """Which variable cannot travel, and why."""
    path, owner, thing = what, "", function
    for part in _bad_parts(function, {id(function): function}, failure) or ():
        path, owner = (part.label, f" ({part.where})") if part.where else (path + part.label, owner)
        thing = part.thing
    return f"variable {path!r}{owner} {failure(thing)}; {remedy(type(thing), what)}"


def _bad_parts(whole: Any, seen: dict[int, Any], failure: Failure) -> list[_Part] | None:
    """The way down to something that cannot travel though all its parts can, found by trying each.

    None where every way down only leads back to what was ``seen``.
    """
    innermost = True
    for part in _parts(whole):
        if failure(part.thing):
            innermost = False
            if id(part.thing) not in seen:
                seen[id(part.thing)] = part.thing
                rest = _bad_parts(part.thing, seen, failure)
                if rest is not None:
                    return [part, *rest]
    return [] if innermost else None


def _parts(whole: Any) -> Iterator[_Part]:
    if isinstance(whole, FunctionType):
        yield from _variables(whole)
    if isinstance(whole, FunctionType) or refusal(type(whole)):
        return
    match whole:
        case staticmethod() | classmethod():
            yield _Part("", "", whole.__func__)
        case MethodType():
            yield _Part(".__func__", "", whole.__func__)
            yield _Part(".__self__", "", whole.__self__)
        case property():
            yield from (_Part("", "", function) for function in (whole.fget, whole.fset, whole.fdel))
        case functools.partial():
            yield _Part(".func", "", whole.func)
            yield _Part(".args", "", whole.args)
            yield _Part(".keywords", "", whole.keywords)
        case dict():
            yield from (_Part(f"[{key!r}]", "", value) for key, value in whole.items())
            yield from (_Part(f"[{key!r}]", "", key) for key in whole)
        case list() | tuple() | set() | frozenset() | deque():
            yield from (_Part(f"[{index}]", "", value) for index, value in enumerate(whole))
        case type():
            yield from (_Part("", "", base) for base in whole.__bases__)
    slots = (name for kind in type(whole).__mro__ for name in vars(kind).get("__slots__", ()))
    attributes = {name: getattr(whole, name) for name in slots if hasattr(whole, name)}
    attributes.update(getattr(whole, "__dict__", {}))
    yield from (_Part(f".{name}", "", value) for name, value in attributes.items())
    yield _Part("", "", type(whole))


def _variables(function: FunctionType) -> Iterator[_Part]:
    code, of = function.__code__, f"of {function.__qualname__!r}"
    yield from (_Part(name, f"closure {of}", content) for name, _, content in closure_of(function))
    for name, value in globals_of(function, Names.of(code)).items():
        yield _Part(name, f"global {of}", value)
    defaults = function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    for name, value in [*zip(names, defaults, strict=True), *(function.__kwdefaults__ or {}).items()]:
        yield _Part(name, f"default argument {of}", value)
    yield from (_Part(name, f"attribute {of}", value) for name, value in vars(function).items())
    yield from (_Part(name, f"annotation {of}", value) for name, value in function.__annotations__.items())
