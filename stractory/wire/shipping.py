"""The envelope in which an actor travels: what kind it is, its code unopened, its default options.

Pure data. Nothing here loads code; that is :mod:`stractory.actors.code`, which the registry never imports.

A packed definition is one msgpack array::

    [kind: str, init: CODE, wrapper: CODE or nil, options: map, settings: map]
    CODE = [path: str or nil, python: str or nil, dill: str or nil, sha256: bin32, body: bin]

``path`` ("package.module:function") is set for code that the worker imports itself; then ``python`` and
``dill`` are nil, ``body`` is empty and the digest is of the path. Otherwise ``body`` is dill's output, and
``python`` (``sys.implementation.cache_tag``) says which interpreter may open it: the byte code of one minor
version can crash another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stractory.errors import ProtocolError
from stractory.wire.codec import pack, unpack


def runtime(python: str, dill: str | None) -> str:
    """The tag of an interpreter and dill that open each other's code, such as "cpython-311 dill-0.4".

    Without dill it is that of a worker that opens none, and equals the tag of no code.
    """
    return f"{python} import-only" if dill is None else f"{python} dill-{'.'.join(dill.split('.')[:2])}"


@dataclass(frozen=True)
class Code:
    """One function in transit: an import path, or dill's bytes with the tags of who made them."""

    path: str | None
    python: str | None
    dill: str | None
    digest: bytes
    body: bytes

    @classmethod
    def imported(cls, path: str) -> Code:
        """Code that the worker imports by ``"package.module:function"``."""
        return cls(path, None, None, hashlib.sha256(path.encode()).digest(), b"")

    @classmethod
    def shipped(cls, body: bytes, python: str, dill: str) -> Code:
        """Code that travels by value."""
        return cls(None, python, dill, hashlib.sha256(body).digest(), body)

    @cached_property
    def runtime(self) -> str | None:
        """What must run it, as a worker's :func:`runtime`; None where any can."""
        return runtime(self.python, self.dill) if self.python and self.dill else None

    def intact(self) -> bool:
        """Whether the digest is that of what arrived."""
        return self.digest == hashlib.sha256(self.path.encode() if self.path else self.body).digest()

    def to_wire(self) -> list[Any]:
        return [self.path, self.python, self.dill, self.digest, self.body]

    @classmethod
    def from_wire(cls, fields: Any) -> Code:
        """Raises ProtocolError for anything :meth:`to_wire` does not make."""
        match fields:
            case [None, str() as python, str() as dill, bytes() as digest, bytes() as body]:
                return cls(None, python, dill, digest, body)
            case [str() as path, None, None, bytes() as digest, b""]:
                return cls(path, None, None, digest, b"")
        raise ProtocolError("malformed code in an actor's definition")


@dataclass(frozen=True)
class Definition:
    """What ``create`` ships: packed once, created any number of times. ``settings`` are the kind's."""

    kind: str
    init: Code
    wrapper: Code | None
    options: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> bytes:
        """By which it is spoken of once it was sent."""
        return hashlib.sha256(self.packed).digest()

    @cached_property
    def packed(self) -> bytes:
        wrapper = self.wrapper.to_wire() if self.wrapper else None
        packed: bytes = pack([self.kind, self.init.to_wire(), wrapper, self.options, self.settings])
        return packed

    @classmethod
    def unpack(cls, packed: bytes) -> Definition:
        """The definition in ``packed``, its code unopened. Raises ProtocolError."""
        match unpack(packed):
            case [
                str() as kind,
                list() as init,
                list() | None as wrapper,
                dict() as options,
                dict() as settings,
            ]:
                client = None if wrapper is None else Code.from_wire(wrapper)
                definition = cls(kind, Code.from_wire(init), client, options, settings)
                definition.__dict__["packed"] = packed
                return definition
        raise ProtocolError("malformed actor definition")
