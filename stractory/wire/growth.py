"""Which windows grow: those that are used up within one round trip, and so are what holds their stream up.

A session has no clock. It measures by a ping: one leaves with a stream's credit, and if so much has come and
been used again before the answer is there that credit is due once more, the window is doubled. One ping is on
its way at a time.
"""

from __future__ import annotations

LARGEST = 4 * 1024 * 1024
"""Bytes up to which one window grows: 80 MB/s over a round trip of 50 ms."""

MOST_GROWTH = 32 * 1024 * 1024
"""Bytes by which all windows of a session together may have grown: so much more it may have to hold."""


class Growth:
    """One session's."""

    __slots__ = ("_left", "_probed", "probing")

    def __init__(self) -> None:
        self.probing = False  # a ping is on its way
        self._probed = 0  # the stream with whose credit it left; 0 once that has grown
        self._left = MOST_GROWTH

    def credited(self, stream_id: int, window: int) -> tuple[int, bool]:
        """Credit is due to a stream: by how many bytes its window grows, and whether to send a ping along."""
        if not self.probing:
            self.probing = window < LARGEST
            self._probed = stream_id
            return 0, self.probing
        if self._probed != stream_id:
            return 0, False
        self._probed = 0
        more = min(window, LARGEST - window, self._left)
        self._left -= more
        return more, False

    def answered(self) -> None:
        """The ping was."""
        self.probing = False

    def ended(self, grown: int) -> None:
        """A stream is over whose window had grown by so much."""
        self._left += grown
