from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stractory.commands import registry
from stractory.commands.config import (
    Parser,
    Settings,
    address,
    addresses,
    choice,
    count,
    path,
    port_range,
    seconds,
    seconds_from,
    sections_of,
    size_to,
    yes_no,
)
from stractory.errors import ConfigError
from stractory.net.address import Address
from stractory.version import VERSION
from tests.support.programs import run_program

SAMPLES = Path(__file__).parents[2] / "etc"


def pool_parser() -> Parser:
    parser = Parser("stractory-workers", section="workers", description="A pool of workers.")
    parser.setting("listen", type=addresses, help="where the workers listen", aliases=["-l"])
    parser.setting("workers", type=count, default="4", help="how many")
    parser.setting("registry", type=address, default="9000", help="where the registry is")
    parser.setting("working-dir", type=path, default=".", help="of the actors", aliases=["--workingDir"])
    parser.setting("respawn-delay", type=seconds, default="1", help="before a dead worker starts again")
    parser.setting("actor-ports", type=choice("on-demand", "eager"), default="on-demand", help="when to open")
    parser.setting("actor-port-range", type=port_range, help="where they are taken from")
    parser.setting("allow-public-actors", type=choice("no", "loopback", "yes"), default="no", help="for all")
    parser.setting("max-actors", type=count, default="0", help="of each")
    parser.setting("code", type=choice("any", "import"), default="any", help="what actors are made of")
    parser.setting("block-report", type=seconds, default="0.5", help="before it is logged")
    parser.setting("block-interrupt", type=seconds, default="5", help="before its actor is stopped")
    parser.setting("block-exit", type=seconds, default="8", help="before the worker is ended")
    parser.setting("isolated-limit", type=count, default="16", help="most actors with a process of their own")
    parser.setting("key-file", type=path, help="the cluster's key")
    parser.setting("tls", default="no", help="for all that is listened at")
    parser.setting("tls-ca", type=path, help="for all that is dialled")
    parser.setting("insecure-plaintext", type=yes_no, default="no", help="no TLS, 100% plain")
    parser.setting("unproved-limit", type=count, default="256", help="most of a port")
    parser.setting("unproved-limit-per-source", type=count, default="32", help="most of them from one")
    parser.setting("links-limit", type=count, default="4096", help="most of a worker")
    parser.setting("log-level", default="info", help="how much to log")
    parser.setting("log-format", default="text", help="what is logged")
    return parser


def parse(*argv: str, **environ: str) -> Settings:
    return pool_parser().parse(argv, environ)


def values(settings: Settings) -> dict[str, object]:
    return {name: value for name, value in vars(settings).items() if name not in ("sources", "texts")}


@pytest.fixture
def ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | bytes], str]:
    """Writes an ini file and gives the name by which the current folder knows it."""
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes) -> str:
        (tmp_path / "etc").mkdir(exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / "etc/workers.ini").write_bytes(data)
        return "etc/workers.ini"

    return write


@pytest.fixture
def mistake(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Parses a command line that must fail; gives the one line said about it."""

    def parse_and_fail(*argv: str, **environ: str) -> str:
        with pytest.raises(SystemExit) as exit:
            parse(*argv, **environ)
        assert exit.value.code == 2
        output = capsys.readouterr()
        assert output.out == ""
        program, message = output.err.split(": ", 1)
        assert program == "stractory-workers"
        assert message.count("\n") == 1
        return message.rstrip("\n")

    return parse_and_fail


# Precedence and sources


def test_defaults() -> None:
    settings = parse()
    assert settings.registry == Address("127.0.0.1", 9000)
    assert settings.insecure_plaintext is False
    assert settings.key_file is None
    assert set(settings.sources.values()) == {"default"}


def test_command_line_over_environment_over_file_over_default(ini: Callable[[str], str]) -> None:
    file = ini("[workers]\nrespawn-delay = 4\nworkers = 4\nlog-level = debug\n")
    settings = parse("-c", file, "--respawn-delay", "2", STRACTORY_RESPAWN_DELAY="3", STRACTORY_WORKERS="3")
    assert (settings.respawn_delay, settings.workers, settings.log_level) == (2.0, 3, "debug")
    assert settings.sources["respawn-delay"] == "command line"
    assert settings.sources["workers"] == "environment STRACTORY_WORKERS"
    assert settings.sources["log-level"] == "etc/workers.ini:4"
    assert settings.sources["actor-ports"] == "default"


@pytest.mark.parametrize("option", ["-c", "-c ", "--config=", "--config "])
def test_ways_to_name_the_file(ini: Callable[[str], str], option: str) -> None:
    command_line = option + ini("[workers]\nworkers = 7\n")
    assert parse(*command_line.split()).workers == 7


def test_file_named_by_the_environment(ini: Callable[[str], str]) -> None:
    file = ini("[workers]\nworkers = 7\n")
    assert parse(STRACTORY_CONFIG=file).workers == 7
    assert parse("-c", file, STRACTORY_CONFIG="nowhere.ini").workers == 7


def test_variables_of_others_and_empty_ones_do_not_count() -> None:
    settings = parse(STRACTORY_FOO="1", STRACTORY_PRINT_CONFIG="1", STRACTORY_WORKERS="", STRACTORY_CONFIG="")
    assert settings.sources["workers"] == "default"


def test_process_environment_and_command_line_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stractory-workers", "--workers", "2"])
    monkeypatch.setenv("STRACTORY_LOG_LEVEL", "debug")
    settings = pool_parser().parse()
    assert (settings.workers, settings.log_level) == (2, "debug")


def test_last_option_and_any_alias_win_over_the_file(ini: Callable[[str], str]) -> None:
    file = ini("[workers]\nworking-dir = /c\nlisten = 9001\n")
    settings = parse("--working-dir", "/a", "--workingDir=/b", "-c", file, "-l", "9002")
    assert settings.working_dir == Path("/b")
    assert settings.listen == (Address("127.0.0.1", 9002),)
    assert settings.sources["working-dir"] == settings.sources["listen"] == "command line"


def test_a_parser_can_parse_again(ini: Callable[[str], str]) -> None:
    parser = pool_parser()
    assert parser.parse(["-c", ini("[workers]\nworkers = 7\n")], {}).workers == 7
    assert parser.parse([], {}).sources["workers"] == "default"


# The file's form


def test_form_of_the_file(ini: Callable[[bytes], str]) -> None:
    file = ini(
        b"\xef\xbb\xbf# comment\r\n"
        b"  ; comment [\r\n"
        b"[registry]\r\n"
        b"lisen = of no concern here\r\n"
        b"[ workers ]\r\n"
        b"  listen=9001,[::1]:9002\r\n"
        b"respawn_delay = 2\r\n"
        b"working-dir = /a dir # with = and ; \xc3\xa9 %(x)s\r\n"
        b"key-file = 'a' \"b"
    )
    settings = parse("-c", file)
    assert settings.listen == (Address("127.0.0.1", 9001), Address("::1", 9002))
    assert settings.respawn_delay == 2
    assert settings.working_dir == Path("/a dir # with = and ; é %(x)s")
    assert settings.key_file == Path("'a' \"b")
    assert settings.sources["respawn-delay"] == "etc/workers.ini:7"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[workers]\n\nlisen = 9001", "3: unknown setting 'lisen' in [workers]; did you mean 'listen'?"),
        ("[workers]\nListen = 9001", "2: unknown setting 'Listen' in [workers]; did you mean 'listen'?"),
        ("[workers]\nKEY_FILE = 1", "2: unknown setting 'KEY-FILE' in [workers]; did you mean 'key-file'?"),
        ("[workers]\nxyzzy = 1", "2: unknown setting 'xyzzy' in [workers]"),
        ("[workers]\nl = 9001", "2: unknown setting 'l' in [workers]"),
        (
            "[workers]\nworkingDir = /",
            "2: unknown setting 'workingDir' in [workers]; did you mean 'working-dir'?",
        ),
        ("[workers]\n--listen = 1", "2: unknown setting '--listen' in [workers]; did you mean 'listen'?"),
        ("[workers]\nconfig = x", "2: unknown setting 'config' in [workers]"),
        ("[workers]\nhelp = yes", "2: unknown setting 'help' in [workers]"),
        ("[wokers]\nlisten = 1", "1: unknown section [wokers]; did you mean 'workers'?"),
        ("[xyzzy]", "1: unknown section [xyzzy]"),
        ("[workers]\nworkers = 1\n[worker]\n[workers]", "4: [workers] is already on line 1"),
        ("[workers]\nworking-dir = a\nworking_dir = b", "3: 'working-dir' in [workers] is already on line 2"),
        ("[registry]\na = 1\na = 1", "3: 'a' in [registry] is already on line 2"),
        ("[workers]\nlisten 9001", "2: 'listen 9001' is neither [section] nor name = value"),
        ("[workers]\nlisten = 9001\n  9002", "3: '9002' is neither [section] nor name = value"),
        ("[registry]\n= 5", "2: '= 5' is neither [section] nor name = value"),
        ("[workers", "1: '[workers' is neither [section] nor name = value"),
        ("[workers]\nkey-file =", "2: 'key-file' has no value"),
        ('[workers]\nkey-file = "a b"', "2: 'key-file': values have no quotes: leave them out"),
        ("[registry]\nlisten = ''", "2: 'listen': values have no quotes: leave them out"),
        ("listen = 9001", "1: 'listen' stands before the first [section]"),
        ("[workers]\nrespawn-delay = soon", "2: respawn-delay: 'soon' is not a number of seconds, 0 or more"),
        ("[workers]\ninsecure-plaintext = maybe", "2: insecure-plaintext: 'maybe' is neither yes nor no"),
    ],
)
def test_mistakes_in_the_file(
    ini: Callable[[str], str], mistake: Callable[..., str], content: str, message: str
) -> None:
    assert mistake("-c", ini(content)) == f"etc/workers.ini:{message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no section [workers]"),
        ("[registry]\nlisten = 9000\n[worker]", "no section [workers], only [registry], [worker]"),
    ],
)
def test_file_without_the_section(
    ini: Callable[[str], str], mistake: Callable[..., str], content: str, message: str
) -> None:
    assert mistake("-c", ini(content)) == f"etc/workers.ini: {message}"


def test_file_with_a_nul_byte(ini: Callable[[str], str], mistake: Callable[..., str]) -> None:
    assert mistake("-c", ini("[workers]\nworking-dir = a\0b")) == "etc/workers.ini:2: a NUL byte"


def test_file_that_is_not_utf8(ini: Callable[[bytes], str], mistake: Callable[..., str]) -> None:
    assert mistake("-c", ini(b"[workers]\n# caf\xe9\n")) == "etc/workers.ini:2: not UTF-8"


@pytest.mark.parametrize(
    ("file", "reason"), [("nowhere.ini", "No such file or directory"), ("etc", "Is a directory")]
)
def test_file_that_cannot_be_read(
    ini: Callable[[str], str], mistake: Callable[..., str], file: str, reason: str
) -> None:
    ini("")
    assert mistake("-c", file) == mistake(STRACTORY_CONFIG=file) == f"{file}: {reason}"


# Wrong values and wrong options


def test_wrong_value_in_the_environment(mistake: Callable[..., str]) -> None:
    assert mistake(STRACTORY_RESPAWN_DELAY="-1") == (
        "STRACTORY_RESPAWN_DELAY: '-1' is not a number of seconds, 0 or more"
    )
    assert mistake(STRACTORY_INSECURE_PLAINTEXT="perhaps") == (
        "STRACTORY_INSECURE_PLAINTEXT: 'perhaps' is neither yes nor no"
    )


def test_wrong_value_on_the_command_line(mistake: Callable[..., str]) -> None:
    assert mistake("--actor-ports=eagr") == (
        "--actor-ports: 'eagr' is not one of on-demand, eager; did you mean 'eager'?"
    )


def test_an_overridden_value_does_not_matter(ini: Callable[[str], str]) -> None:
    file = ini("[workers]\nworkers = few\n")
    assert parse("-c", file, "--workers=2", STRACTORY_WORKERS="many").workers == 2


def test_rules_are_kept(ini: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    def exclusive(settings: Settings) -> None:
        if settings.listen and settings.workers:
            raise ConfigError("listen and workers exclude each other")

    parser = pool_parser()
    parser.rule(exclusive)
    file = ini("[workers]\nlisten = 9001\nworkers = 2\n")
    with pytest.raises(ConfigError, match="exclude each other"):
        parser.check(Path(file))
    with pytest.raises(SystemExit) as exit:
        parser.parse(["-c", file, "--print-config"], {})
    assert exit.value.code == 0  # whoever looks for the mistake sees it
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit:
        parser.parse(["-c", file], {})
    assert exit.value.code == 2
    assert capsys.readouterr().err == "stractory-workers: listen and workers exclude each other\n"


def test_a_file_is_checked_alone(ini: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRACTORY_LISTEN", "nowhere")
    pool_parser().check(Path(ini("[workers]\nlisten = 9001\n")))
    with pytest.raises(ConfigError, match=r":2: listen: 'nowhere' is not an address"):
        pool_parser().check(Path(ini("[workers]\nlisten = nowhere\n")))


def test_which_sections_a_file_has(ini: Callable[[str], str]) -> None:
    assert sections_of(Path(ini("[worker]\n# [workers]\n [registry]\n"))) == ["registry", "worker"]
    with pytest.raises(ConfigError, match="no section; there are"):
        sections_of(Path(ini("# nothing\n")))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--lisen=1", "'--lisen' is no option; did you mean '--listen'?"),
        ("--work=1", "'--work' is no option; did you mean '--workers'?"),
        ("--insecure", "'--insecure' is no option; did you mean '--insecure-plaintext'?"),
        ("--conf=etc/workers.ini", "'--conf' is no option; did you mean '--config'?"),
        ("more", "'more' is no option"),
        ("--listen", "argument --listen/-l: expected one argument"),
        ("-c", "argument -c/--config: expected one argument"),
        ("--config=", "argument -c/--config: invalid path value: ''"),
    ],
)
def test_unknown_abbreviated_and_incomplete_options(
    mistake: Callable[..., str], argument: str, message: str
) -> None:
    assert mistake(argument) == f"{message}; see --help"


# Settings that exclude each other


def parse_either(*argv: str, **environ: str) -> tuple[object, object]:
    """The values of listen and workers."""
    parser = pool_parser()
    parser.alternatives("listen", "workers")
    settings = parser.parse(argv, environ)
    return settings.listen, settings.workers


def test_of_alternatives_the_foremost_counts(ini: Callable[[str], str]) -> None:
    listen = (Address("127.0.0.1", 9001),)
    file = ini("[workers]\nlisten = 9001\n")
    assert parse_either() == (None, 4)
    assert parse_either("-c", file) == (listen, None)
    assert parse_either("-c", file, STRACTORY_WORKERS="2") == (None, 2)
    assert parse_either("--listen=9001", "-c", file, STRACTORY_WORKERS="not looked at") == (listen, None)


def test_alternatives_from_one_place_are_left_to_the_command(ini: Callable[[str], str]) -> None:
    listen = (Address("127.0.0.1", 9001),)
    assert parse_either("--listen=9001", "--workers=2") == (listen, 2)
    assert parse_either("-c", ini("[workers]\nlisten = 9001\nworkers = 2")) == (listen, 2)


# Yes and no


@pytest.mark.parametrize("text", ["yes", "true", "on", "1", "Yes", "TRUE"])
def test_yes(ini: Callable[[str], str], text: str) -> None:
    assert parse("-c", ini(f"[workers]\ninsecure-plaintext = {text}\n")).insecure_plaintext is True
    assert parse("--insecure-plaintext", text).insecure_plaintext is True


@pytest.mark.parametrize("text", ["no", "false", "off", "0", "No"])
def test_no(ini: Callable[[str], str], text: str) -> None:
    assert parse("-c", ini(f"[workers]\ninsecure-plaintext = {text}\n")).insecure_plaintext is False
    assert parse(STRACTORY_INSECURE_PLAINTEXT=text).insecure_plaintext is False


def test_no_wins_over_yes_from_below() -> None:
    assert parse("--insecure-plaintext=no", STRACTORY_INSECURE_PLAINTEXT="yes").insecure_plaintext is False


def test_an_option_alone_says_yes() -> None:
    assert parse("--insecure-plaintext", "--workers=2").insecure_plaintext is True


# What is printed


def test_print_config(ini: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    file = ini("[workers]\nregistry = 10.0.0.1:9000\n")
    with pytest.raises(SystemExit) as exit:
        parse("-c", file, "--insecure-plaintext", "--print-config", STRACTORY_LISTEN="9001,9002")
    assert exit.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "listen                     9001,9002      environment STRACTORY_LISTEN",
        "workers                    4              default",
        "registry                   10.0.0.1:9000  etc/workers.ini:2",
    ]
    assert "key-file                   (none)         default" in lines
    assert "insecure-plaintext         yes            command line" in lines
    assert len(lines) == 23


def test_print_config_tells_of_mistakes(mistake: Callable[..., str]) -> None:
    assert mistake("--print-config", "--workers=x") == "--workers: 'x' is not a whole number, 0 or more"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        parse("--version")
    assert exit.value.code == 0
    assert capsys.readouterr().out == f"stractory-workers {VERSION}\n"


def test_help_even_with_a_broken_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as exit:
        parse("-c", "nowhere.ini", "--help", STRACTORY_WORKERS="x")
    assert exit.value.code == 0
    text = capsys.readouterr().out
    assert "--respawn-delay seconds " in text
    assert "before a dead worker starts again (default: 1)\n" in text
    assert "--insecure-plaintext [yes|no] " in text
    assert "no TLS, 100% plain (default: no)\n" in text
    assert "--actor-ports on-demand|eager " in text
    assert "--workingDir path" in text
    assert "of the actors (default: .; --workingDir is the same)\n" in text
    assert "[workers] section of the file" in text


def test_imports_nothing_heavy() -> None:
    program = "import sys, stractory.commands.config; print({'gevent', 'zerorpc', 'dill'} & set(sys.modules))"
    ended = run_program([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


# Back to a command line


def test_as_arguments_gives_the_same_settings_again(ini: Callable[[str], str]) -> None:
    file = ini(
        "[workers]\n"
        "listen = 9001, [::1]:9002\n"
        "working-dir = -odd dir=\n"
        "respawn-delay = 0.1\n"
        "actor-port-range = 9100-9199\n"
        "insecure-plaintext = on\n"
    )
    settings = parse("-c", file)
    arguments = settings.as_arguments(settings.sources)
    again = parse(*arguments, STRACTORY_LISTEN="1", STRACTORY_INSECURE_PLAINTEXT="no")
    assert values(again) == values(settings)
    assert not any(argument.startswith("--key-file") for argument in arguments)


def test_as_arguments_of_chosen_settings() -> None:
    settings = parse("--insecure-plaintext", "--workingDir", "/a")
    assert settings.as_arguments(["registry", "key-file", "insecure-plaintext", "working-dir"]) == [
        "--registry=9000",
        "--insecure-plaintext=yes",
        "--working-dir=/a",
    ]


# Types of values


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (address, "localhost:0", Address("localhost", 0)),
        (addresses, "9001", (Address("127.0.0.1", 9001),)),
        (addresses, "9001 , a:9002", (Address("127.0.0.1", 9001), Address("a", 9002))),
        (seconds, "0", 0.0),
        (seconds, "1e-3", 0.001),
        (seconds_from(1), "1", 1.0),
        (count, "0", 0),
        (count, "100000", 100000),
        (size_to(1 << 20), "1M", 1 << 20),
        (size_to(1 << 20), "64k", 65536),
        (size_to(1 << 20), "1", 1),
        (port_range, "9100-9199", range(9100, 9200)),
        (port_range, "1 - 1", range(1, 2)),
        (path, "a/b", Path("a/b")),
        (path, "~", Path.home()),
        (path, "~nobody-of-this-name/x", Path("~nobody-of-this-name/x")),
        (choice("a", "b"), "b", "b"),
    ],
)
def test_types(type: Callable[[str], object], text: str, value: object) -> None:
    assert type(text) == value


@pytest.mark.parametrize(
    ("type", "texts"),
    [
        (addresses, ["", "9001,", "9001,,9002", "9001 9002"]),
        (seconds, ["", "soon", "-1", "-0.1", "nan", "inf", "1s"]),
        (seconds_from(1), ["0", "0.9", "nan", "inf"]),
        (count, ["", "-1", "1.0", "+1", "1_0", "x", "²"]),
        (size_to(1 << 20), ["", "0", "-1", "1.5M", "2M", "1G", "1048577", "M"]),
        (yes_no, ["", "y", "2", "maybe"]),
        (port_range, ["", "9100", "9199-9100", "0-5", "1-65536", "-5", "5-", "a-b", "1-2-3"]),
        (path, [""]),
        (choice("a", "b"), ["", "A", "c"]),
    ],
)
def test_types_refuse(type: Callable[[str], object], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(ConfigError):
            type(text)


def test_a_type_may_raise_any_value_error(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser("stractory", section="registry", description="")
    parser.setting("ratio", type=int, help="")
    with pytest.raises(SystemExit):
        parser.parse(["--ratio=x"], {})
    assert capsys.readouterr().err.startswith("stractory: --ratio: invalid literal")


# Addresses


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("9000", "127.0.0.1", 9000),
        ("0", "127.0.0.1", 0),
        ("localhost:65535", "localhost", 65535),
        ("0.0.0.0:9000", "0.0.0.0", 9000),  # noqa: S104  # nothing is bound here
        ("[::1]:9000", "::1", 9000),
        (" worker-1.example:9000 ", "worker-1.example", 9000),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    assert address(text) == (host, port)
    assert address(str(address(text))) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "host", "host:", "65536", "-1", "::1:9000", "[::1]", "[host]:1", "[]:1", "a b:1", "a:b:1"),
        *("tcp://host:1", "host:1x", "9000,9001"),
    ],
)
def test_not_an_address(text: str) -> None:
    with pytest.raises(ConfigError, match="is not an address"):
        address(text)


@pytest.mark.parametrize("type", [address, addresses])
def test_an_address_without_its_host(type: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError) as raised:
        type(":9000")
    assert str(raised.value) == "':9000' names no host: write 9000 for this machine, or host:9000"


@pytest.mark.parametrize("host", ["a..b", ".", ".a", "a" * 64, f"a.{'b' * 64}."])
def test_a_name_that_no_host_has(host: str) -> None:
    with pytest.raises(ConfigError) as raised:
        address(f"{host}:9000")
    assert str(raised.value) == f"'{host}:9000' is not an address: no host has such a name"
    assert address(f"{'a' * 63}.b.:1").port == 1


def test_an_address_that_is_there_twice() -> None:
    with pytest.raises(ConfigError, match=r"'9081,127\.0\.0\.1:9081' has 127\.0\.0\.1:9081 twice"):
        addresses("9081,127.0.0.1:9081")
    assert addresses("0,0,9081") == (address("0"), address("0"), address("9081"))


def test_address_as_text() -> None:
    assert str(Address("127.0.0.1", 9000)) == f"{Address('127.0.0.1', 9000)}" == "127.0.0.1:9000"
    assert str(Address("::1", 9000)) == "[::1]:9000"


def test_loopback() -> None:
    for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost"):
        assert Address(host, 1).is_loopback
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", ""):  # noqa: S104  # nor here
        assert not Address(host, 1).is_loopback


# The samples in etc/


def test_sample_of_the_pool_spells_out_the_defaults() -> None:
    sample = parse("-c", str(SAMPLES / "workers.ini"))
    assert values(sample) == values(parse("--listen=9001,9002,9003,9004", "--allow-public-actors=loopback"))


def test_sample_of_the_registry_spells_out_the_defaults() -> None:
    sample = registry.make_parser().parse(["--config", str(SAMPLES / "registry.ini")], {})
    assert values(sample) == values(registry.make_parser().parse([], {}))
