"""Errors on the wire.

One travels as its class's name (``code``), its text and its ``details`` (msgpack values), and is made anew on
the other side. A code that is not in the tree of :mod:`stractory.errors` arrives as a RemoteError: no class
is ever looked up outside of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stractory.errors import ConnectErrors, Interruption, RemoteError, StractoryError


def _tree(root: type[StractoryError]) -> Iterator[type[StractoryError]]:
    yield root
    for branch in root.__subclasses__():
        yield from _tree(branch)


_BY_CODE: dict[str, type[StractoryError]] = {
    error.__name__: error
    for error in _tree(StractoryError)
    if error is not ConnectErrors  # made by the client, never sent
}


_NUMBERS_BELOW = 2**63
"""So that msgpack can carry them."""

TEXT_LIMIT = 64 * 1024
"""Most characters of a text that an error takes over the wire."""


def to_wire(error: BaseException, remote_traceback: str) -> tuple[str, str, dict[str, Any]]:
    """What of an error crosses the wire: (code, message, details).

    An exception from outside the tree goes as a :class:`RemoteError` with its traceback.
    """
    if isinstance(error, Interruption):
        error = error.args[0]
    if isinstance(error, StractoryError) and error.code in _BY_CODE:
        text = error.args[0] if error.args else ""
        return error.code, _sendable(text), {key: _sendable(value) for key, value in error.details.items()}
    details = {"type": type(error).__name__, "remote_traceback": remote_traceback}
    return "RemoteError", _sendable(error), {key: _sendable(value) for key, value in details.items()}


LINE_LIMIT = 300
"""Most characters of in_a_line()."""


def in_a_line(error: BaseException) -> str:
    """Type and text of an error, for whoever looks about; it can travel."""
    code, text, details = to_wire(error, "")
    line = " ".join(f"{details.get('type', code)}: {text}".split())
    return line.removesuffix(":")[:LINE_LIMIT]


def _sendable(value: Any) -> Any:
    """Numbers as they are; anything else as text."""
    if value is None or type(value) in (bool, float) or (type(value) is int and abs(value) < _NUMBERS_BELOW):
        return value
    return text_of(value)


def text_of(value: Any) -> str:
    """``value`` as text that has a UTF-8 form and is not too long.

    It raises nothing, whatever an error does: or who waits to be told of it would wait for ever.
    """
    try:
        text = str.__str__(str(value))  # a str and no kind of it, which could have methods of its own
    except BaseException:  # an error's own __str__ may fail, exit, or be stopped because it hangs
        text = f"({type(value).__name__} without a text)"
    if len(text) > TEXT_LIMIT:
        half = TEXT_LIMIT // 2
        text = f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()


def from_wire(code: str, message: str, details: Mapping[str, Any]) -> StractoryError:
    """The error a peer reported. Details the class does not take are kept in ``details``."""
    kind = _BY_CODE.get(code)
    if kind is None:
        return RemoteError(message, type=code, remote_traceback=str(details.get("remote_traceback", "")))
    try:
        return kind(message, **details)
    except TypeError:  # another version's details
        error = kind(message)
        error.details = dict(details)
        return error
