"""Which part of a value cannot travel, and why: what msgpack refuses, or the other side would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgpack

from stractory.wire.cycles import containers, is_cyclic

UNPACKABLE = (TypeError, ValueError, OverflowError)
"""What msgpack raises for what it cannot carry."""

_DEPTH = 50  # levels down to which a bad part is looked for


class _TooDeep(ValueError):
    """No part is to blame more than the one that holds it."""


def explained(error: Exception, named: Mapping[str, Any], *, functions: bool = False) -> Exception:
    """The same kind of error, naming the innermost part that cannot be packed.

    ``functions``: whether these may be in it.
    """
    packer = msgpack.Packer(
        use_bin_type=True, default=lambda thing: None if functions and callable(thing) else thing
    )

    def fault(part: Any) -> Exception | None:
        try:
            packer.pack(part)
        except UNPACKABLE as reason:
            # Text without a UTF-8 form is another kind of ValueError.
            too_deep = type(reason) is ValueError and isinstance(part, (list, tuple, dict))
            return _TooDeep(reason) if too_deep else reason
        return None

    path, reason = _innermost(named, fault) or _nested(named, fault) or ("the message", error)
    kind = next(kind for kind in UNPACKABLE if isinstance(reason, kind))
    return kind(f"{path} cannot travel: {reason}")


def check_items(named: Mapping[str, Any], limit: int) -> None:
    """Raises ValueError naming an array of more than ``limit`` items."""
    too_long = _holder(named, lambda part: len(part) > limit and not isinstance(part, dict))
    if too_long:
        raise ValueError(f"{too_long} cannot travel: an array of more than {limit} items")


def check_extensions(named: Mapping[str, Any]) -> None:
    """Raises TypeError naming an extension of the user's, which would be taken for one of ours."""
    extension = _holder(named, lambda part: isinstance(part, msgpack.ExtType))
    if extension:
        raise TypeError(f"{extension} cannot travel: an ExtType beside functions, or in what contains itself")


def _holder(named: Mapping[str, Any], bad: Callable[[Any], bool]) -> str | None:
    """The path of a list, tuple or dict that is ``bad``."""
    seen: set[int] = set()

    def find(part: Any, path: str, depth: int) -> str | None:
        culprit = next(filter(bad, containers(part)), None)
        if culprit is None or id(part) in seen:
            return None
        seen.add(id(part))
        if culprit is part or depth == _DEPTH:
            return path
        return next(filter(None, (find(*below, depth + 1) for below in _below(part, path))), None)

    return next(filter(None, (find(part, name, 0) for name, part in named.items())), None)


def _innermost(
    named: Mapping[str, Any], fault: Callable[[Any], Exception | None]
) -> tuple[str, Exception] | None:
    """The path of the innermost part that has a fault, and this."""
    seen: set[int] = set()

    def find(part: Any, path: str, depth: int) -> tuple[str, Exception] | None:
        reason = fault(part)
        if reason is None or id(part) in seen:
            return None
        seen.add(id(part))
        if depth < _DEPTH:
            for below in _below(part, path):
                if found := find(*below, depth + 1):
                    return found
        return None if isinstance(reason, _TooDeep) else (path, reason)

    return next((found for name, part in named.items() if (found := find(part, name, 0))), None)


def _nested(
    named: Mapping[str, Any], fault: Callable[[Any], Exception | None]
) -> tuple[str, Exception] | None:
    """The path of the outermost part that is nested too deeply, and this."""
    for name, whole in named.items():
        for part, path in _below(whole, name):
            if fault(part):
                how = "contains itself" if is_cyclic(part) else "is nested too deeply"
                return path, ValueError(f"it {how}")
    return None


def _below(part: Any, path: str) -> Iterator[tuple[Any, str]]:
    """What stands in a container, and the path of each."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield value, f"{path}[{key!r}]"
            yield key, f"the key {key!r:.80} of {path}"
    elif isinstance(part, (list, tuple)):
        for index, item in enumerate(part):
            yield item, f"{path}[{index}]"
