"""``stractory-keygen``: a new master key, or a key for one user or worker that is derived from it.

A key goes to standard output or a new file and nowhere else. Nothing heavy is imported: no gevent.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from stractory.errors import ConfigError, StractoryError
from stractory.proof import keys
from stractory.version import VERSION

PROGRAM = "stractory-keygen"

NAME_LIMIT = 128
"""Most bytes of a name: the handshake has to hold it."""


class _Arguments(argparse.ArgumentParser):
    """A mistake is one line, as with the other programs."""

    def error(self, message: str) -> NoReturn:
        print(f"{PROGRAM}: {message}; see --help", file=sys.stderr)
        raise SystemExit(2)


def make_parser() -> argparse.ArgumentParser:
    """All that can be said."""
    parser = _Arguments(
        prog=PROGRAM,
        usage="%(prog)s [--role role --name name] [--key-file file] [--out file]",
        description="Prints one line of a key file: a new master key or, with --role and --name, a key for "
        "one user or worker, which the master key in the key file makes and which makes no others.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--role", choices=keys.ROLES, help="operator: creates and destroys; client: uses; node: a worker")
    add("--name", metavar="name", help="whose it is: what logs show, and what is revoked")
    known = f"the file with the master key (default: {keys.default_path()})".replace("%", "%%")
    add("--key-file", type=_path, metavar="file", help=known)
    add("--out", type=_path, metavar="file", help="a new file, of mode 600, instead of standard output")
    add("--version", action="version", version=f"{PROGRAM} {VERSION}", help="show the version, then exit")
    return parser


def main() -> int:
    """Make one key; returns the exit status."""
    parser = make_parser()
    wanted = parser.parse_args()
    if (wanted.role is None) != (wanted.name is None):
        parser.error("--role and --name belong together")
    if wanted.role is None and wanted.key_file is not None:
        parser.error("--key-file is for a key with --role and --name; a new master key goes to --out")
    try:
        if wanted.role is None:
            key = keys.Key.new_master(wanted.out or keys.default_path())
        else:
            key = derived(keys.load(wanted.key_file), wanted.role, wanted.name)
        _give(key, wanted.out)
    except StractoryError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    return 0


def derived(ring: keys.KeyRing, role: str, name: str) -> keys.Key:
    """The key of this role and name. Raises ConfigError for a bad name, and where no key can make it."""
    if not name or not name.isprintable() or name.split() != [name] or len(name.encode()) > NAME_LIMIT:
        raise ConfigError(f"{name!r} is no name: those have 1 to {NAME_LIMIT} bytes that print, no spaces")
    if name == keys.EVERYBODY:
        raise ConfigError(f"{name!r} is no name: it stands for all in the line of a master key")
    if name in ring.revoked:
        raise ConfigError(f"the name {name} is revoked in {ring.path}; take another")
    for key in ring.keys:
        if key.role == keys.MASTER:
            return key.derive(role, name)
    raise ConfigError(f"{ring.path} has no master key, and no other can make keys")


def _give(key: keys.Key, out: Path | None) -> None:
    try:
        if out is None:
            with open(1, "wb", buffering=0, closefd=False) as output:
                output.write(key.as_line().encode())
        else:
            keys.write_key(out, key)
    except FileExistsError:
        raise ConfigError(f"{out} is there already, and stays as it is") from None
    except OSError as error:
        raise ConfigError(f"cannot write the key to {out or 'standard output'}: {error.strerror}") from None


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(os.path.expanduser(text))
