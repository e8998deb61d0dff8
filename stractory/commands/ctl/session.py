"""What every command works with: its arguments, the client, and where its results go."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stractory.commands import values
from stractory.commands.ctl.output import Output
from stractory.errors import ActorNotFound, ConfigError, StractoryError

if TYPE_CHECKING:
    from stractory.clients.client import Client
    from stractory.wire.info import ActorInfo

DEFAULT_TIMEOUT = 30.0
"""Seconds that a call may take, unless ``--timeout`` says otherwise."""


class Session:
    """Of one command. The client is made at first use, and closed with the session."""

    def __init__(self, arguments: Namespace) -> None:
        self.arguments = arguments
        self.output = Output(json="json" in arguments)

    @property
    def endless(self) -> float | None:
        """The seconds of ``--timeout``; None for ever, of a command that may wait so long."""
        seconds: float | None = getattr(self.arguments, "timeout", None)
        return seconds

    @property
    def timeout(self) -> float:
        """The seconds that a call may take."""
        return DEFAULT_TIMEOUT if self.endless is None else self.endless

    @property
    def key_file(self) -> Path | None:
        """As ``--key-file`` names it; None for where keys are looked for."""
        named = getattr(self.arguments, "key_file", None)
        return None if named is None else values.path(named)

    def make_client(self, *, background: bool = False) -> Client:
        """A client as the options have it. Raises ConfigError."""
        from stractory.clients.making import client  # here, so that --help need not load it

        given: dict[str, Any] = {
            name: getattr(self.arguments, name, None) for name in ("registry", "key_file", "tls_ca")
        }
        return client(**given, background=background)

    @cached_property
    def client(self) -> Client:
        """The one for all that the command does."""
        return self.make_client()

    def close(self) -> None:
        """End all connections; what was sent arrives."""
        if "client" in vars(self):
            self.client.close()

    def find(self, name: str) -> ActorInfo:
        """What is known of an actor. Raises ActorNotFound."""
        for info in self.client.list(pattern_of(name), timeout=self.timeout):
            if info.name == name:
                return info
        raise ActorNotFound(f"no actor is named {name!r}")


def pattern_of(name: str) -> str:
    """A pattern that this name matches, and others if it has wildcards: escapes could make it too long."""
    return re.sub(r"[*?[]", "?", name)


@contextmanager
def plain_mistakes() -> Iterator[None]:
    """What a call of ours has to say of its arguments comes out as ConfigError: they are the user's."""
    try:
        yield
    except StractoryError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(str(error)) from None


def json_values(texts: list[str]) -> list[Any]:
    """The values that arguments spell. Raises ConfigError."""
    values = []
    for text in texts:
        try:
            values.append(json.loads(text))
        except RecursionError:
            raise ConfigError(f"an argument is nested too deeply; it begins with {text[:20]!r}") from None
        except ValueError:
            raise ConfigError(
                f"{text!r} is no JSON: arguments are JSON, so text stands in quotes: '{json.dumps(text)}'"
            ) from None
    return values
