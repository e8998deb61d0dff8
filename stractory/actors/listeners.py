"""Who listens to which events: by name, or by patterns over dotted names.

``*`` stands for one word, ``**`` for any number of them: ``room.*.message``, ``room.**``, ``**``. Which
functions an event goes to is looked up once and remembered: of the packages for this, pyee knows no
patterns and pymitter takes twenty times as long for each event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stractory.wire.occasions import LOCAL

Function = Callable[..., Any]

REMEMBERED = 1024
"""Events whose functions are remembered."""


def check_pattern(pattern: Any) -> None:
    """Raises TypeError for anything but a str."""
    if not isinstance(pattern, str):
        raise TypeError(f"events are listened to by name or pattern, a str, not {pattern!r:.80}")


class Listeners(dict[str, tuple[Function, ...]]):
    """``listeners[event]`` are the functions to call for it, in the order in which they were added.

    As a dict it holds those that have been looked up.
    """

    __slots__ = ("_once", "_patterns")

    def __init__(self) -> None:
        self._patterns: list[tuple[str, Function]] = []
        self._once: list[tuple[str, Function]] = []

    def add(self, pattern: str, function: Function, *, once: bool = False) -> None:
        """Have ``function`` called for the events that match; with ``once`` for the next one only.

        Raises TypeError where that is no function, or the pattern no str.
        """
        check_pattern(pattern)
        if not callable(function):
            raise TypeError(f"a listener is a function, not {type(function).__name__}")
        self._patterns.append((pattern, function))
        if once:
            self._once.append((pattern, function))
        self.clear()

    def remove(self, pattern: str, function: Function | None = None) -> None:
        """The reverse of add(); without a function, of all for this pattern. Raises TypeError as add()."""
        check_pattern(pattern)

        def goes(entry: tuple[str, Function]) -> bool:
            return entry[0] == pattern and function in (None, entry[1])

        self._patterns = [entry for entry in self._patterns if not goes(entry)]
        self._once = [entry for entry in self._once if not goes(entry)]
        self.clear()

    def __missing__(self, event: str) -> tuple[Function, ...]:
        matching = [entry for entry in self._patterns if matches(entry[0], event)]
        functions = tuple(function for _, function in matching)
        spent = [entry for entry in self._once if entry in matching]
        if spent:
            self._once = [entry for entry in self._once if entry not in spent]
            for entry in spent:
                self._patterns.remove(entry)
            self.clear()
        else:
            if len(self) >= REMEMBERED:
                self.clear()
            self[event] = functions
        return functions


def matches(pattern: str, event: str) -> bool:
    """Whether the event's name fits the pattern. What is told locally is listened to by its name only."""
    if pattern == event or event in LOCAL or "*" not in pattern:
        return pattern == event
    return _match(pattern.split("."), event.split("."))


def _match(pattern: Sequence[str], words: Sequence[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "**":
        return any(_match(pattern[1:], words[start:]) for start in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _match(pattern[1:], words[1:])
