"""What users pass in, looked at before anything is done with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from stractory.actors.definition import ActorDefinition
from stractory.errors import ConfigError, InvalidName
from stractory.net.address import Address, address, addresses
from stractory.wire.life import EACH_CALL, NEVER, NO_SNAPSHOTS, RESTARTS, check_name

_IF_EXISTS = ("error", "get", "replace")


def check_one_name(name: Any, method: str) -> str:
    """Raises TypeError for anything but a str, and InvalidName."""
    if not isinstance(name, str):
        raise TypeError(f"{method}() takes one name, a str, not {name!r}; connect() takes several")
    return check_name(name)


def check_names(names: Any) -> list[str]:
    """Raises TypeError and InvalidName."""
    if isinstance(names, (bytes, bytearray)) or not isinstance(names, Iterable):
        raise TypeError(f"connect() takes a name, an iterable of names or a compiled pattern, not {names!r}")
    return [check_name(name) for name in names]


def check_create(name: Any, actor: Any, if_exists: Any, public: Any, restart: Any, isolate: Any) -> None:
    """Raises TypeError, ValueError and InvalidName."""
    if isinstance(name, ActorDefinition) or (callable(name) and isinstance(actor, str)):
        raise TypeError("create() takes the name first and then the actor: create('name', actor)")
    check_name(name)
    if not (isinstance(actor, (ActorDefinition, str)) or callable(actor)):
        raise TypeError(f"an actor is a function, an import path or stractory.stream(...), not {actor!r}")
    if isinstance(actor, type) and not any("__call__" in vars(base) for base in actor.__mro__):
        raise TypeError(
            f"objects of the class {actor.__qualname__} are no handlers of a stream; "
            f"did you mean stractory.rpc({actor.__qualname__})?"
        )
    if if_exists not in _IF_EXISTS:
        raise ValueError(f"if_exists is 'error', 'get' or 'replace', not {if_exists!r}")
    if not isinstance(public, bool):
        raise TypeError(f"public is True or False, not {public!r}")
    if restart not in RESTARTS:
        raise ValueError(f"restart is 'never', 'on-failure' or 'always', not {restart!r}")
    if not isinstance(isolate, bool):
        raise TypeError(f"isolate is True or False, not {isolate!r}")


def check_snapshot(snapshot: Any, restart: str) -> str | float:
    """As Terms has it. Raises TypeError and ValueError."""
    if isinstance(snapshot, str):
        if snapshot not in (NO_SNAPSHOTS, EACH_CALL):
            raise ValueError(f"snapshot is 'none', 'each call' or a number of seconds, not {snapshot!r}")
    else:
        _check_number(snapshot, "snapshot, if not 'none' or 'each call',")
        if not 0 < snapshot < math.inf:
            raise ValueError(f"snapshot is a number of seconds above 0, not {snapshot!r}")
    if snapshot != NO_SNAPSHOTS and restart == NEVER:
        raise ValueError(
            "snapshot keeps the state for the actor's next life, and with restart='never' it has none: "
            "give restart='on-failure' or 'always' too"
        )
    return snapshot if isinstance(snapshot, str) else float(snapshot)


def check_glob(pattern: Any, method: str) -> str:
    """Raises TypeError, and InvalidName for one that has no UTF-8 form."""
    if not isinstance(pattern, str):
        takes = f"{method}() takes a shell-style pattern, a str, not {pattern!r}"
        raise TypeError(f"{takes}; connect() takes compiled patterns")
    try:
        pattern.encode()
    except UnicodeEncodeError:
        raise InvalidName(f"the pattern {pattern!r} has no UTF-8 form") from None
    return pattern


def check_timeout(timeout: Any, *, endless: bool = False) -> float | None:
    """``endless``: whether None will do. Raises TypeError and ValueError."""
    if not (timeout is None and endless):
        _check_number(timeout, "timeout")
        if not 0 <= timeout < math.inf:
            raise ValueError(f"timeout is a number of seconds from 0 up, not {timeout!r}")
    return timeout  # type: ignore[no-any-return]


def check_idle_timeout(seconds: Any) -> float | None:
    """Raises TypeError and ValueError."""
    if seconds is not None:
        _check_number(seconds, "idle_timeout")
        if not 0 < seconds < math.inf:
            raise ValueError(f"idle_timeout is a number of seconds above 0, not {seconds!r}")
    return seconds  # type: ignore[no-any-return]


def _check_number(value: Any, argument: str) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{argument} is a number of seconds, not {value!r}")


def registry_addresses(registry: Any) -> tuple[Address, ...]:
    """Of "host:port", "port", a port or an Address; of several in a sequence, or in a str with commas.

    Raises TypeError and ConfigError.
    """
    several = isinstance(registry, Sequence) and not isinstance(registry, (str, bytes, Address))
    given = registry if several else [registry]
    for one in given:
        if not isinstance(one, (str, int, Address)) or isinstance(one, bool):
            raise TypeError(f'the address of a registry is "host:port" or a port, not {one!r}')
    return addresses(",".join(map(str, given)))


def joined_address(host: str, port: Any) -> Address:
    """Of a host and a port. Raises ConfigError."""
    if not isinstance(host, str) or not host:
        raise ConfigError(f"a host is a str, not {host!r}")
    return address(str(Address(host, port)))
