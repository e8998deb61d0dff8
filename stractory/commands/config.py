"""The settings of a daemon: command line over environment over ini file over default.

Each command declares its settings with a :class:`Parser` and gets :class:`Settings` back. A mistake in them
ends the program with status 2 and one line that names the file and line, the variable or the option.

The ini file (``--config FILE``) can be shared by all daemons; each needs and reads its own section only::

    # A comment is a whole line that begins with # or ;
    [registry]
    log-level = info

A value is the rest of its line as it stands: no comment behind it, no quotes, no continuation lines.
``log_level`` is the same name as ``log-level``; capitals are not.

This module knows the daemons' sections, not their settings, and nothing heavy: ``--help`` has to be quick.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import configargparse

from stractory.commands.values import (
    choice,
    count,
    hosts,
    path,
    port_range,
    seconds,
    seconds_from,
    size_to,
    suggestion,
    yes_no,
)
from stractory.errors import ConfigError, StoreError
from stractory.net.address import address, addresses
from stractory.version import VERSION

__all__ = ["Parser", "Settings", "sections_of"]
__all__ += [
    "address",
    "addresses",
    "choice",
    "count",
    "hosts",
    "path",
    "port_range",
    "seconds",
    "seconds_from",
]
__all__ += ["size_to", "yes_no"]

SECTIONS = ("registry", "workers", "worker")


class Settings(argparse.Namespace):
    """What :meth:`Parser.parse` found: one attribute per setting (``log-level`` is ``settings.log_level``).

    ``sources``: name -> where its value came from: ``command line``, ``environment STRACTORY_LISTEN``,
    ``etc/registry.ini:4`` or ``default``. ``texts``: name -> the value as it was written, or None.
    """

    sources: dict[str, str]
    texts: dict[str, str | None]

    def as_arguments(self, names: Iterable[str]) -> list[str]:
        """The command line that gives these settings, as far as they have a value, to another parser."""
        # With =, because argparse takes a value that begins with - and stands alone for an option.
        return [f"--{name}={self.texts[name]}" for name in names if self.texts[name] is not None]


class Parser:
    """Declares a command's settings, then parses them::

    parser = Parser("stractory", section="registry", description="The registry of a pool.")
    parser.setting("listen", type=address, default="9000", help="where to listen")
    settings = parser.parse()
    settings.listen, settings.sources["listen"]     # Address("127.0.0.1", 9000), "default"
    """

    def __init__(self, program: str, *, section: str, description: str) -> None:
        self._program = program
        self._types: dict[str, Callable[[str], Any]] = {}
        self._defaults: dict[str, str | None] = {}
        self._usual: dict[str, Callable[[Settings], object]] = {}
        self._alternatives: list[tuple[str, ...]] = []
        self._rules: list[Callable[[Settings], object]] = []
        self._file = _IniSection(section, known=self._types)
        self._arguments = _Arguments(
            prog=program,
            usage="%(prog)s [-c file] [--setting value ...]",
            description=description,
            epilog=f"Settings may also stand in the [{section}] section of the file (log-level = info) and in"
            " the environment (STRACTORY_LOG_LEVEL=info). The command line comes first, the file last.",
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=functools.partial(argparse.HelpFormatter, max_help_position=36),
            config_file_parser_class=self._file,
            config_file_open_func=Path,  # _IniSection opens it, for error messages of our own
            add_config_file_help=False,
            add_env_var_help=False,
        )
        add = self._arguments.add_argument
        config_file = {"is_config_file_arg": True, "env_var": "STRACTORY_CONFIG"}
        add("-c", "--config", type=path, metavar="file", help="the ini file", **config_file)
        add("--print-config", action="store_true", help="show each setting and its source, then exit")
        add("--version", action="version", version=f"{program} {VERSION}", help="show the version, then exit")
        self._group = self._arguments.add_argument_group("settings")

    def setting(
        self,
        name: str,
        *,
        type: Callable[[str], Any] = str,
        default: str | None = None,
        help: str,
        aliases: Sequence[str] = (),
        usual: Callable[[Settings], object] | None = None,
    ) -> None:
        """Declare a setting: ``--name``, or ``name`` in the file, or STRACTORY_NAME in the environment.

        ``type`` makes the value of a text, or raises ValueError with a sentence for the user. ``default`` is
        a text too; None means that the setting may be absent. ``aliases`` are more options, dashes included.
        A :func:`yes_no` setting can be given as ``--name`` alone. ``usual``: what the program makes of the
        other settings where this one is not given, None or a thing to show by --print-config.
        """
        attribute = name.replace("-", "_")
        if usual is not None:
            self._usual[name] = usual
        self._types[name], self._defaults[name] = type, default
        notes = [f"default: {default}"] if default is not None else []
        notes += [f"{alias} is the same" for alias in aliases]
        flag = {"nargs": "?", "const": "yes"} if type is yes_no else {}
        self._group.add_argument(
            f"--{name}",
            *aliases,
            dest=attribute,
            env_var=f"STRACTORY_{attribute.upper()}",
            help=(f"{help} ({'; '.join(notes)})" if notes else help).replace("%", "%%"),
            metavar=type.__name__.replace("_", "-"),
            **flag,
        )

    @property
    def names(self) -> Collection[str]:
        """All settings that were declared."""
        return self._types.keys()

    def alternatives(self, *names: str) -> None:
        """Of these, only those count that come first in precedence; a rule objects to two of them."""
        self._alternatives.append(names)

    def rule(self, check: Callable[[Settings], object]) -> None:
        """What has to be so of several settings together: ``check`` raises ConfigError where it is not."""
        self._rules.append(check)

    def parse(self, argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings of this process, or of the given command line (without program) and environment.

        An empty environment variable counts as none. Exits after --help, --version and --print-config
        (status 0) and on a mistake (status 2).
        """
        try:
            given = self._given(argv, os.environ if environ is None else environ)
            settings = self._convert(given)
            if "print_config" in given:
                print(self._table(settings))
                raise SystemExit(0)
            self._keep_rules(settings)
        except ConfigError as error:
            print(f"{self._program}: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        return settings

    def _table(self, settings: Settings) -> str:
        texts: dict[str, object] = dict(settings.texts)
        for name, usual in self._usual.items():
            if settings.sources[name] == "default":
                with contextlib.suppress(StoreError):  # told at the start, for it takes a disk
                    texts[name] = usual(settings)
        rows = [(name, str(text or "(none)"), settings.sources[name]) for name, text in texts.items()]
        name_width, text_width = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(f"{name:{name_width}}  {text:{text_width}}  {source}" for name, text, source in rows)

    def check(self, file: Path) -> None:
        """Whether this file, and nothing else, makes settings. Raises ConfigError."""
        self._keep_rules(self._convert(self._given([f"--config={file}"], {})))

    def _given(self, argv: Sequence[str] | None, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Attribute -> text: the types of values could not tell which line or variable is wrong."""
        variables = {name: text for name, text in environ.items() if text}
        given, unknown = self._arguments.parse_known_args(argv, env_vars=variables)
        if unknown:
            self._arguments.refuse(unknown[0].partition("=")[0])
        return dict(vars(given))

    def _keep_rules(self, settings: Settings) -> None:
        for rule in self._rules:
            rule(settings)

    def _convert(self, given: Mapping[str, str]) -> Settings:
        settings = Settings(sources={}, texts={})
        decided = self._sources()
        for name, default in self._defaults.items():
            attribute = name.replace("-", "_")
            source = "command line" if attribute in given else "default"
            settings.sources[name] = decided.get(attribute, source)
            settings.texts[name] = given.get(attribute, default)
        for names in self._alternatives:
            _keep_foremost(settings, names)
        for name, type in self._types.items():
            text, source = settings.texts[name], settings.sources[name]
            try:
                value = None if text is None else type(text)
            except ValueError as error:
                raise ConfigError(f"{_culprit(name, source)}: {error}") from None
            setattr(settings, name.replace("-", "_"), value)
        return settings

    def _sources(self) -> dict[str, str]:
        """Attribute -> source of the values that the environment or the file decided."""
        sources = {}
        for kind, values in self._arguments.get_source_to_settings_dict().items():
            for key, (action, _) in values.items():
                if kind == "environment_variables":
                    sources[action.dest] = f"environment {key}"
                elif kind.startswith("config_file"):
                    sources[action.dest] = self._file.places[key]
        return sources


def _keep_foremost(settings: Settings, names: Iterable[str]) -> None:
    """Of these, forget what others precede."""
    ranks = {name: _rank(settings.sources[name]) for name in names if settings.texts[name] is not None}
    for name, rank in ranks.items():
        if rank > min(ranks.values()):
            settings.texts[name], settings.sources[name] = None, "default"


def _rank(source: str) -> int:
    """0 for what comes first in precedence."""
    kinds = {"command line": 0, "default": 3}
    return kinds.get(source, 1 if source.startswith("environment ") else 2)


def _culprit(name: str, source: str) -> str:
    """What the user has to change when a value is wrong."""
    if source.startswith("environment "):
        return source.removeprefix("environment ")
    return f"--{name}" if source == "command line" else f"{source}: {name}"


class _Arguments(configargparse.ArgumentParser):  # type: ignore[misc]  # configargparse has no types
    """The command line's parser; a mistake is an exception and not the end of the process."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see --help")

    def refuse(self, option: str) -> NoReturn:
        known = [known for action in self._actions for known in action.option_strings]
        self.error(f"{option!r} is no option{suggestion(option, known)}")


class _IniSection(configargparse.ConfigFileParser):  # type: ignore[misc]
    """Reads one section of an ini file; afterwards ``places`` tells the ``file:line`` of each setting."""

    def __init__(self, section: str, known: Collection[str]) -> None:
        self.section = section
        self.known = known
        self.places: dict[str, str] = {}

    def parse(self, path: Path) -> dict[str, str]:
        """Name -> value. Of the other sections only the form is checked, not what they set."""
        values = {}
        section = None
        first_lines: dict[tuple[str, str], int] = {}  # of (section, name), and of (section, "") for itself
        for number, line in enumerate(_read(path).split("\n"), start=1):
            line, place = line.strip(), f"{path}:{number}"
            if not line or line[0] in "#;":
                continue
            if line[0] == "[" and line[-1] == "]":
                section, name = line[1:-1].strip(), ""
                if section not in SECTIONS:
                    raise ConfigError(f"{place}: unknown section [{section}]{suggestion(section, SECTIONS)}")
            else:
                name, equals, value = (part.strip() for part in line.partition("="))
                name = name.replace("_", "-")
                if not name or not equals:
                    raise ConfigError(f"{place}: {line!r} is neither [section] nor name = value")
                if section is None:
                    raise ConfigError(f"{place}: {name!r} stands before the first [section]")
                if not value:
                    raise ConfigError(f"{place}: {name!r} has no value")
                if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                    raise ConfigError(f"{place}: {name!r}: values have no quotes: leave them out")
            first_line = first_lines.setdefault((section, name), number)
            if first_line < number:
                what = f"{name!r} in [{section}]" if name else f"[{section}]"
                raise ConfigError(f"{place}: {what} is already on line {first_line}")
            if name and section == self.section:
                if name not in self.known:
                    near = suggestion(name, self.known)
                    raise ConfigError(f"{place}: unknown setting {name!r} in [{section}]{near}")
                values[name], self.places[name] = value, place
        if (self.section, "") not in first_lines:
            found = ", ".join(f"[{section}]" for section, name in first_lines if not name)
            raise ConfigError(f"{path}: no section [{self.section}]{found and f', only {found}'}")
        return values


def sections_of(path: Path) -> list[str]:
    """Those of SECTIONS that the ini file has. Raises ConfigError when there is none."""
    lines = {line.strip() for line in _read(path).split("\n")}
    found = [section for section in SECTIONS if f"[{section}]" in lines]
    if not found:
        raise ConfigError(f"{path}: no section; there are {', '.join(f'[{name}]' for name in SECTIONS)}")
    return found


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        if (nul := content.find(0)) >= 0:  # no path and no command line can hold one
            raise ConfigError(f"{path}:{content.count(10, 0, nul) + 1}: a NUL byte")
        return content.decode().removeprefix("\ufeff")  # some editors put a byte order mark before UTF-8
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}:{content.count(10, 0, error.start) + 1}: not UTF-8") from None
