"""A member of etcd that lies: what it answers is up to the test, bytes of HTTP as they are, or the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent.server import StreamServer

from stractory.store.etcd.connection import Member

Answers = Callable[[str, dict[str, Any]], "bytes | Iterable[bytes]"]
"""What is answered to a path and what is asked there: HTTP, in pieces perhaps."""


def http(body: bytes, status: int = 200, *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} So", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def told(value: Any) -> bytes:
    """A whole answer of JSON."""
    return http(json.dumps(value).encode())


def truth(endpoint: str, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the member at this endpoint answers."""
    member = Member(endpoint, None)
    answer: dict[str, Any] = json.loads(member.ask(path, json.dumps(asked).encode(), 5.0).body)
    member.close()
    return answer


@contextmanager
def false_etcd(answers: Answers) -> Iterator[str]:
    """Its endpoint."""

    def handle(sock: Any, peer: object) -> None:
        with sock, sock.makefile("rb") as lines:
            while begin := lines.readline():
                headers = dict(
                    iter(lambda: lines.readline().lower().rstrip().partition(b": ")[::2], (b"", b""))
                )
                body = lines.read(int(headers[b"content-length"]))
                asked = json.loads(body.split(b"\n")[0])
                answer = answers(begin.split()[1].decode(), asked)
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    try:
                        sock.sendall(piece)
                    except OSError:
                        return

    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.stop(0)
