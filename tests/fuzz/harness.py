"""What all harnesses share.

A harness is a function of some bytes that raises when a decoder broke its contract: it gives a value or one
of the errors it promises, the same however the bytes are cut, and takes no more memory and time than they
merit. ``@harness(*seeds)`` makes it known to scripts/fuzz and to the tests, under its name; ``seeds`` are
inputs that get deep, from which both begin, as from the files in corpus/NAME.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from stractory.wire.cycles import to_table

T = TypeVar("T")
Run = Callable[[bytes], None]


class Harness(NamedTuple):
    """One decoder's."""

    name: str
    run: Run
    seeds: tuple[bytes, ...]

    @property
    def folder(self) -> Path:
        """Where inputs are kept that get somewhere."""
        return Path(__file__).parent / "corpus" / self.name

    def corpus(self) -> list[bytes]:
        """The seeds and those."""
        return [*self.seeds, *(file.read_bytes() for file in sorted(self.folder.glob("*")))]


HARNESSES: dict[str, Harness] = {}


def harness(*seeds: bytes) -> Callable[[Run], Run]:
    """Make a harness of a function of bytes."""

    def known(run: Run) -> Run:
        HARNESSES[run.__name__] = Harness(run.__name__, run, seeds)
        return run

    return known


def attempt(function: Callable[[], T], *promised: type[BaseException]) -> T | BaseException:
    """What it returns, or which of the ``promised`` errors it raises; any other goes on."""
    try:
        return function()
    except promised as error:
        assert str(error)
        return error


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """All but the first byte, whole, and in pieces of a size that this chooses."""
    size, data = (data[0] + 1 if data else 1), data[1:]
    return data, [data[start : start + size] for start in range(0, len(data), size)]


def read(feed: Callable[[bytes], Iterable[Any]], parts: Iterable[bytes], *promised: type[Exception]) -> str:
    """All that ``feed`` gives for these parts, in words; or the error that it ends with."""
    told: list[Any] = []
    try:
        for part in parts:
            told += feed(part)
    except promised as error:
        return type(error).__name__
    return repr(to_table(told))  # as one, for a value may hold another many times, and itself


class Socket:
    """A socket of somebody who sends ``data``, then no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.sent = b""

    def recv(self, size: int) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        return data

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def send(self, data: bytes, timeout: float = 0.0) -> int:
        self.sent += data
        return len(data)

    def close(self) -> None: ...

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 9000

    getpeername = getsockname
