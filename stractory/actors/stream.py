"""Stream actors: init returns a handler, as for gevent's StreamServer; any protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StreamKind:
    """``handler(stream, address)`` serves one connection; the stream is closed when it returns."""

    def check(self, server: Any) -> None:
        if not callable(server):
            raise TypeError(
                f"init of a stream actor returns a handler(stream, address), not {type(server).__name__}"
            )

    def serve(self, server: Any, stream: Any, address: Any) -> None:
        server(stream, address)

    def wrap(self, stream: Any, options: Mapping[str, Any]) -> Any:
        return stream
