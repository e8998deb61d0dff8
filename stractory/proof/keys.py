"""The cluster key: its file, and the keys derived from it.

A key file has one key a line, ``stractory-key-v1 ID ROLE NAME BASE64``; the first is used to prove, all are
accepted. A line with the role ``master`` can stand for every role: the key of a role and name is
HMAC-SHA256(master, "stractory/1/role", role, name), each part with its length before it, so a holder of a
derived key cannot make another. A line ``stractory-revoked-v1 NAME`` has all keys of that name refused.

Roles: ``operator`` creates and destroys (which is running code), ``client`` finds and uses actors, ``node``
is a worker towards the registry.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import logging
import os
import pwd
import stat
from collections.abc import Collection
from pathlib import Path
from struct import Struct
from typing import Any

from stractory.errors import AuthError
from stractory.net.files import open_itself

log = logging.getLogger(__name__)

MASTER, OPERATOR, CLIENT, NODE = "master", "operator", "client", "node"
ROLES = (OPERATOR, CLIENT, NODE)

EVERYBODY = "*"
"""The name in the line of a master key."""

_MARK = "stractory-key-v1"
_REVOKED_MARK = "stractory-revoked-v1"
_LENGTH = Struct(">I")
_MACHINE = Path("/etc/stractory/cluster.key")


def digest(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over the parts, each with its length before it so that none can run into the next."""
    return hmac.digest(key, b"".join([_LENGTH.pack(len(part)) + part for part in parts]), "sha256")


class Key:
    """One key, of the file ``path``; also a credential. Its repr never shows the secret."""

    __slots__ = ("id", "name", "path", "role", "secret")

    def __init__(self, id: str, role: str, name: str, secret: bytes, path: Path) -> None:
        self.id, self.role, self.name, self.secret, self.path = id, role, name, secret, path

    def __repr__(self) -> str:
        return f"<Key {self.id} {self.role}:{self.name}>"

    def __str__(self) -> str:
        return f"the key {self.id} of {self.path} (role {self.role}, name {self.name})"

    @property
    def claim(self) -> dict[str, Any]:
        """What its holder says in a handshake."""
        return {"k": self.id, "r": self.role, "i": self.name}

    @classmethod
    def new_master(cls, path: Path) -> Key:
        """One that nobody has yet."""
        return cls(os.urandom(4).hex(), MASTER, EVERYBODY, os.urandom(32), path)

    def as_line(self) -> str:
        """Its line of a key file, with the secret."""
        return f"{_MARK} {self.id} {self.role} {self.name} {base64.b64encode(self.secret).decode()}\n"

    def derive(self, role: str, name: str) -> Key:
        """The key of ``role`` and ``name``. Raises ValueError unless this is a master key."""
        if self.role != MASTER:
            raise ValueError(f"no keys are derived from one of the role {self.role}")
        secret = digest(self.secret, b"stractory/1/role", role.encode(), name.encode())
        return Key(self.id, role, name, secret, self.path)


class KeyRing:
    """The keys of one file, first the current one, and the names that it has ``revoked``.

    ``of_registry``: it is no use without a master key. Raises AuthError, then.
    """

    def __init__(
        self, keys: list[Key], path: Path, revoked: Collection[str] = (), *, of_registry: bool = False
    ) -> None:
        if of_registry and MASTER not in [key.role for key in keys]:
            raise AuthError(
                f"the key in {path} is for the role {_roles(keys)}; a registry needs the master key, in the "
                "file that stractory-keygen made first"
            )
        self.keys = keys
        self.path = path
        self.revoked = frozenset(revoked)
        self._of_registry = of_registry

    def __repr__(self) -> str:
        return f"<KeyRing {self}>"

    def __str__(self) -> str:
        keys = ", ".join(
            f"{key.id} {key.role}" if key.role == MASTER else f"{key.id} {key.role} {key.name}"
            for key in self.keys
        )
        revoked = f"; revoked: {', '.join(sorted(self.revoked))}" if self.revoked else ""
        return f"{self.path}: {keys}{revoked}"

    def read_again(self) -> None:
        """Become what the file has now, for all who hold this. Raises AuthError, and stays as it was."""
        new = load(self.path, of_registry=self._of_registry)
        self.keys, self.revoked = new.keys, new.revoked

    def secrets_for(self, purpose: bytes) -> list[bytes]:
        """What the holder of each key, first the current one, can use for something of its own."""
        return [digest(key.secret, b"stractory/1/own", purpose) for key in self.keys]

    def own(self, role: str) -> list[Key]:
        """The keys by which their holder can prove ``role``, first the current one."""
        name = _user_name()
        return [
            key.derive(role, name) if key.role == MASTER else key
            for key in self.keys
            if key.role in (MASTER, role)
        ]

    def credential(self, *roles: str) -> Key:
        """A key to prove one of ``roles`` with: the first in the file that can, as the first role it can.

        Raises AuthError where there is none, or its name is revoked.
        """
        for key in self.keys:
            if key.role == MASTER:
                key = key.derive(roles[0], _user_name())
            if key.role in roles:
                if key.name in self.revoked:
                    raise AuthError(f"the name {key.name} is revoked in {self.path}")
                return key
        needed = " or ".join(roles)
        raise AuthError(f"the key in {self.path} is for the role {_roles(self.keys)}; needed: {needed}")

    def check_not_revoked(self, name: str) -> None:
        """Raises AuthError for a name that is. It may be told that one: it does not name the file."""
        if name in self.revoked:
            raise AuthError(f"the name {name} is revoked")

    def find(self, key_id: str, role: str, name: str) -> Key | None:
        """The key that a peer of this role and name must know; None for an unknown or revoked one."""
        if name in self.revoked:
            return None
        for key in self.keys:
            if key.id == key_id:
                if key.role == MASTER:
                    return key.derive(role, name)
                if (key.role, key.name) == (role, name):
                    return key
        return None


def _roles(keys: list[Key]) -> str:
    return " and ".join(dict.fromkeys(key.role for key in keys))


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def default_path() -> Path:
    """Where the key is looked for: $STRACTORY_KEY_FILE, the user's own, or the machine's."""
    if named := os.environ.get("STRACTORY_KEY_FILE"):
        return Path(named)
    own = _own_path()
    return own if own is not None and (own.exists() or not _MACHINE.exists()) else _MACHINE


def _own_path() -> Path | None:
    home = own_home()
    return None if home is None else home / ".config/stractory/cluster.key"


def own_home() -> Path | None:
    """$HOME, but only the user's own: a supervisor that changes the user leaves it as it was."""
    with contextlib.suppress(KeyError, OSError):
        home = Path(os.environ["HOME"])
        if home.is_absolute() and home.stat().st_uid == os.geteuid():
            return home
    with contextlib.suppress(KeyError):
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    return None


def load(path: Path | None = None, *, create: bool = False, of_registry: bool = False) -> KeyRing:
    """The keys in ``path`` (by default :func:`default_path`), made first if ``create`` and it is missing.

    Only the folder of a default path is made with it. ``of_registry``: it has to have a master key.

    Raises AuthError when there is no usable key; where the variable named the file, the text says so.
    """
    path = (path or default_path()).absolute()  # whoever changes the folder later still means this file
    try:
        return _load(path, create, of_registry)
    except AuthError as error:
        named = os.environ.get("STRACTORY_KEY_FILE")
        if named and path == Path(named).absolute():
            raise AuthError(f"STRACTORY_KEY_FILE: {error}") from None
        raise


def _load(path: Path, create: bool, of_registry: bool) -> KeyRing:
    try:
        if create and not path.exists():
            if path in (_own_path(), _MACHINE):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif not path.parent.exists():
                raise AuthError(f"no key file at {path}, and none is made: there is no folder {path.parent}")
            write_new(path)
        return _read(path, of_registry)
    except AuthError:  # an OSError too, which has named the file
        raise
    except FileNotFoundError:
        raise AuthError(
            f"no key file at {path}; a registry or worker on loopback makes one, or stractory-keygen "
            "--out FILE does; or name it by --key-file or STRACTORY_KEY_FILE"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        text = getattr(error, "strerror", None) or error
        raise AuthError(f"cannot use the key file {path}: {text}") from None


def write_new(path: Path) -> None:
    """Make a key file with a new master key; where one appears meanwhile, that one stays."""
    with contextlib.suppress(FileExistsError):
        write_key(path, Key.new_master(path))
        log.info("made a new key at %s: who has another does not get in", path)


def write_key(path: Path, key: Key) -> None:
    """Make a key file with this key. Raises FileExistsError when there is one, and other OSError.

    The content is whole before the name exists (temporary file, fsync, link), so two first starts agree.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "w") as file:
            file.write(key.as_line())
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _read(path: Path, of_registry: bool) -> KeyRing:
    descriptor = open_itself(path, os.O_RDONLY)
    with open(descriptor, encoding="utf-8") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise AuthError(f"the key file {path} is no regular file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise AuthError(f"the key file {path} can be used by others (mode {mode:o}): chmod 600 {path}")
        if status.st_uid not in (0, os.geteuid()):
            raise AuthError(f"the key file {path} is owned by uid {status.st_uid}, not by this user")
        found = [
            _parse(line, path, number)
            for number, line in enumerate(file, 1)
            if line.strip() and not line.startswith("#")
        ]
    keys = [key for key in found if isinstance(key, Key)]
    if not keys:
        raise AuthError(f"the key file {path} has no key")
    revoked = [name for name in found if isinstance(name, str)]
    return KeyRing(keys, path, revoked, of_registry=of_registry)


def _parse(line: str, path: Path, number: int) -> Key | str:
    """The key of a line, or the name that it revokes."""
    match line.split():
        case [mark, name] if mark == _REVOKED_MARK:
            return name
        case [mark, id, role, name, encoded] if mark == _MARK and role in (MASTER, *ROLES):
            with contextlib.suppress(ValueError):  # no base64, or not even ASCII
                secret = base64.b64decode(encoded, validate=True)
                if len(secret) == 32:
                    return Key(id, role, name, secret, path)
    raise AuthError(
        f"{path}:{number}: not a key line ({_MARK} ID ROLE NAME BASE64) nor a name ({_REVOKED_MARK} NAME)"
    )
