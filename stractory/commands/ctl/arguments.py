"""The command line of ``stractoryctl``.

Nothing heavy is imported: each command is named here, and loaded when it runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from stractory.commands import values
from stractory.errors import ConfigError
from stractory.version import VERSION

PROGRAM = "stractoryctl"

KINDS = ("stream", "rpc", "eventemitter", "spawn")

STATUSES = (
    "Exit status: 0 well, 1 it failed, 2 a mistake in the command line, 3 no such actor, worker or method, "
    "4 registry or worker not reachable, 5 not allowed, 124 not in time, 130 Ctrl-C."
)

FILES = {"bash": "_shtab_compgen_files", "zsh": "_files"}
ACTORS = {"bash": "_stractoryctl_actors", "zsh": "_stractoryctl_actors"}
WORKERS = {"bash": "_stractoryctl_workers", "zsh": "_stractoryctl_workers"}
"""How a shell completes an argument; see completion.py."""


class Arguments(argparse.ArgumentParser):
    """A mistake is one line, as with the other programs."""

    def error(self, message: str) -> NoReturn:
        print(f"{PROGRAM}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def make_parser() -> argparse.ArgumentParser:
    """All that can be said."""
    common = _common()
    parser = Arguments(
        prog=PROGRAM,
        parents=[common],
        description="Look at a stractory factory, use it and steer it.",
        epilog=STATUSES,
        allow_abbrev=False,
    )
    version = f"{PROGRAM} {VERSION}"
    parser.add_argument("--version", action="version", version=version, help="show the version, then exit")
    commands = parser.add_subparsers(metavar="command", required=True, title="commands")

    def command(name: str, run: str, help: str) -> Add:
        made = commands.add_parser(
            name, parents=[common], help=help, description=f"{help}.", epilog=STATUSES, allow_abbrev=False
        )
        made.set_defaults(run=run)
        return _adder(made)

    _add_looking(command)
    _add_using(command)
    _add_changing(command)
    _add_tools(command)
    return parser


Add = Callable[..., None]
Command = Callable[[str, str, str], Add]


def _adder(parser: argparse.ArgumentParser) -> Add:
    """add_argument(), and by what a shell completes it."""

    def add(*names: str, complete: dict[str, str] | None = None, **options: Any) -> None:
        action = parser.add_argument(*names, **options)
        if complete is not None:
            action.complete = complete  # type: ignore[attr-defined]  # of shtab

    return add


def _common() -> Arguments:
    """What may stand before the command or after it; so there are no defaults, which would undo the first."""
    parser = Arguments(add_help=False, argument_default=argparse.SUPPRESS)
    add = _adder(parser)
    where = "where it is, or several are, with commas ($STRACTORY_REGISTRY, or 127.0.0.1:9000)"
    add("--registry", metavar="address", help=where)
    add("--key-file", metavar="file", complete=FILES, help="the cluster key ($STRACTORY_KEY_FILE)")
    add("--tls-ca", metavar="file", complete=FILES, help="the CA of all certificates ($STRACTORY_TLS_CA)")
    add("--timeout", type=seconds, metavar="seconds", help="how long it may take (30)")
    add("--json", action="store_true", help="JSON: one value, or a line each for what goes on")
    add("--verbose", action="store_true", help="also the traceback of an error in an actor's code")
    return parser


def _add_looking(command: Command) -> None:
    add = command("ls", "looking:ls", "List the actors")
    add("pattern", nargs="?", default="*", help="of names, shell-style")
    add("-q", "--quiet", action="store_true", help="their names alone")
    add = command("ps", "looking:ps", "List the workers")
    add("-q", "--quiet", action="store_true", help="their addresses alone")
    add = command("info", "looking:info", "Tell all that is known of an actor")
    add("name", complete=ACTORS)
    add = command("wait", "looking:wait", "Wait until an actor runs, for ever without --timeout")
    add("name", complete=ACTORS)
    add = command(
        "watch", "looking:watch", "Tell of births, moves and deaths, with --timeout until there are none"
    )
    add("pattern", nargs="?", default="*", help="of names, shell-style")
    add = command("top", "top:top", "Show how busy workers are, and which actors, live; q ends it")
    add("--interval", type=seconds, default=1.0, metavar="seconds", help="between two looks (1)")
    add("--count", type=typed(values.count), default=0, metavar="n", help="so many looks; 0 for ever")


def _add_using(command: Command) -> None:
    add = command("call", "using:call", "Call a method of an rpc actor")
    add("name", complete=ACTORS)
    add("method")
    add("values", nargs="*", metavar="argument", help="JSON: 3, true, '\"text\"', '[1, 2]'")
    add = command("emit", "using:emit", "Emit an event to an eventemitter actor")
    add("name", complete=ACTORS)
    add("event")
    add("values", nargs="*", metavar="data", help="JSON: 3, true, '\"text\"', '[1, 2]'")
    add = command("tail", "using:tail", "Show what an eventemitter emits, or a stream or spawn actor sends")
    add("name", complete=ACTORS)


def _add_changing(command: Command) -> None:
    add = command("create", "changing:create", "Start an actor")
    add("name")
    add(
        "what", metavar="package.module:function", help="its init, as workers import it; of spawn the command"
    )
    add("words", nargs="*", metavar="word", help="of spawn: the arguments of the command, after --")
    add("--kind", choices=KINDS, default="stream", help="what the function returns (stream)")
    add("--option", type=option, action="append", default=[], metavar="key=value", help="JSON if it can be")
    add("--if-exists", choices=("error", "get", "replace"), default="error", help="(error)")
    add("--restart", choices=("never", "on-failure", "always"), default="never", help="(never)")
    add("--snapshot", type=snapshot, default="none", metavar="each-call|seconds", help="keep its state")
    add("--isolate", action="store_true", help="in a process of its own")
    add("--public", action="store_true", help="with a port that asks for no key")
    help = "so many of them; the {} in the name is the number of each"
    add("--count", type=typed(values.count), metavar="n", help=help)
    add = command("destroy", "changing:destroy", "End actors")
    add("names", nargs="+", metavar="name", complete=ACTORS)
    add = command("drain", "changing:drain", "Have a worker end in order, and its actors come back elsewhere")
    add("worker", metavar="address", complete=WORKERS, help="as ps shows it")


def _add_tools(command: Command) -> None:
    command("ping", "checking:ping", "Tell whether registry and workers can be reached from here")
    add = command("check-config", "checking:check_config", "Look for mistakes in all sections of an ini file")
    add("file", type=typed(values.path), complete=FILES)
    add = command("link", "checking:link", "Print what opens the registry's page in a browser, once")
    help = "for programs, as Prometheus: a token of the key, to be sent as Authorization: Bearer TOKEN"
    add("--bearer", action="store_true", help=help)
    command("repl", "prompt:repl", "Open a Python prompt with a client, strac")
    add = command("completion", "completion:completion", "Print what has a shell complete these commands")
    add("shell", choices=("bash", "zsh"))


def typed(type: Callable[[str], Any]) -> Callable[[str], Any]:
    """A type of settings, for argparse: its words for a mistake are shown."""

    def convert(text: str) -> Any:
        try:
            return type(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


seconds = typed(values.seconds)


def option(text: str) -> tuple[str, Any]:
    """``key=value``; the value is JSON if it can be read so, else text."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):  # the latter of what is nested very deeply
        return key, value


def snapshot(text: str) -> Any:
    """As create() takes it."""
    return text.replace("-", " ") if text in ("none", "each-call", "each call") else seconds(text)
