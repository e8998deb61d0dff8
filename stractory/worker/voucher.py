"""What an isolated worker and its parent share: a few bytes of memory, which either reads when it likes.

So neither has to wait for the other, whose loop may stand still. They tell how far the parent has vouched for
its child, and what actor the child has, for a registry that does not know it and that it cannot tell itself.
"""

from __future__ import annotations

import os
import struct
from typing import Any, NamedTuple

from stractory.errors import ConfigError
from stractory.wire.codec import pack, unpack
from stractory.wire.life import Life

_HEAD = struct.Struct("=16s16sd")
_STAMP = struct.Struct("=d")
_STAMP_AT = 32
_NOTE = struct.Struct("=I")
_NOTE_AT = _HEAD.size


class Note(NamedTuple):
    """Where a child listens, and the actor it has."""

    address: str
    life: Life


class Voucher:
    """``descriptor``: of the memory. ``id`` is the child's as a worker, ``parent`` the parent's."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        try:
            self.id, self.parent, _ = _HEAD.unpack(os.pread(descriptor, _HEAD.size, 0))
            os.set_inheritable(descriptor, False)  # what the child starts has no business with it
        except (OSError, struct.error):
            raise ConfigError(
                f"isolated is for workers to tell processes that they start; {descriptor} is none of their "
                "descriptors"
            ) from None

    @classmethod
    def make(cls, id: bytes, parent: bytes) -> Voucher:
        """For a child that is about to be started; it inherits the descriptor."""
        descriptor = os.memfd_create("stractory-voucher")
        os.pwrite(descriptor, _HEAD.pack(id, parent, 0.0) + _NOTE.pack(0), 0)
        return cls(descriptor)

    def last_acknowledged(self) -> float:
        """When the last sign of life was sent that a registry acknowledged for the child; see Fence."""
        (sent,) = _STAMP.unpack(os.pread(self.descriptor, _STAMP.size, _STAMP_AT))
        return float(sent)

    def acknowledge(self, sent: float) -> None:
        """By the parent: a registry has heard what was sent then."""
        if sent > self.last_acknowledged():  # of several registries one may take longer to answer
            os.pwrite(self.descriptor, _STAMP.pack(sent), _STAMP_AT)

    @property
    def note(self) -> Note | None:
        """What the child has noted, if its actor runs."""
        (size,) = _NOTE.unpack(os.pread(self.descriptor, _NOTE.size, _NOTE_AT))
        if not size:
            return None
        fields: Any = unpack(os.pread(self.descriptor, size, _NOTE_AT + _NOTE.size))
        return Note(fields[0], Life.from_wire(fields[1]))

    def write_note(self, note: Note) -> None:
        """By the child, once: its actor runs."""
        packed = pack(note)
        os.pwrite(self.descriptor, packed, _NOTE_AT + _NOTE.size)
        os.pwrite(self.descriptor, _NOTE.pack(len(packed)), _NOTE_AT)

    def clear_note(self) -> None:
        """By the child: its actor is about to end."""
        os.pwrite(self.descriptor, _NOTE.pack(0), _NOTE_AT)

    def close(self) -> None:
        """By the parent: the child has ended."""
        os.close(self.descriptor)
