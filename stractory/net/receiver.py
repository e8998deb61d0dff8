"""What takes a stream's bytes as they arrive, in place of recv()."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Neither method may block.

    It tells the stream when it has consumed() them.
    """

    def data_received(self, data: bytes) -> None: ...

    def stream_ended(self, error: Exception | None) -> None:
        """No more will come; ``error`` is None when the peer finished in order."""
