"""What a process shows: /metrics, /livez and /readyz, and more where there is more. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stractory.errors import ConfigError, ProtocolError
from stractory.http.access import Access
from stractory.http.answers import BUSY, MALFORMED, METRICS, MISSING, OK, UNKNOWN, Answer, problem, sentence
from stractory.http.request import Request

Metrics = Callable[[], bytes]
"""Makes the page of numbers. Raises ConfigError where it cannot."""

Obstacle = Callable[[], str]
"""Why this process is not ready, a sentence; "" when it is."""


class Part(Protocol):
    """Some of the pages. ``names``: what there is, for who asks for something else."""

    names: str

    def answer(self, request: Request) -> Answer | None:
        """None where another part may have what is asked for. Raises ProtocolError where nobody can."""


class Health:
    """Of every process."""

    names = "/metrics, /livez and /readyz"

    def __init__(self, metrics: Metrics, obstacle: Obstacle) -> None:
        self._metrics = metrics
        self._obstacle = obstacle

    def answer(self, request: Request) -> Answer | None:
        """As a part."""
        match request.path:
            case "/metrics":
                return self._numbers()
            case "/livez":
                return sentence(OK, "the event loop turns")
            case "/readyz":
                obstacle = self._obstacle()
                return sentence(BUSY if obstacle else OK, obstacle or "ready")
        return None

    def _numbers(self) -> Answer:
        try:
            return Answer(OK, self._metrics(), METRICS)
        except ConfigError as error:
            return sentence(MISSING, str(error))


class Pages:
    """``parts``, for who has ``access``."""

    def __init__(self, access: Access, *parts: Part) -> None:
        self._access = access
        self._parts = parts
        self.names = ", ".join(part.names for part in parts)

    def answer(self, request: Request) -> Answer:
        """What is answered, whatever is asked for."""
        try:
            if (refusal := self._access.answer(request)) is not None:
                return refusal
            for part in self._parts:
                if (answer := part.answer(request)) is not None:
                    return answer
        except ProtocolError as error:
            return problem(request, MALFORMED, str(error))
        return problem(request, UNKNOWN, f"there are {self.names}")
