"""The registry's own settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from stractory.commands.keeping import audit_log, data_directory, warn_of_what_is_not_read
from stractory.commands.registry import LARGEST_MESSAGE, make_parser
from stractory.commands.values import OF_CLUSTERS
from stractory.store.durable import DurableStore
from stractory.store.etcd.layout import Layout
from stractory.wire.codec import MESSAGE_LIMIT


def test_a_lease_that_is_too_short_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "registry.ini"
    file.write_text("[registry]\n\nheartbeat-timeout = 0.5\n")
    with pytest.raises(SystemExit) as exit:
        make_parser().parse(["-c", str(file)], {})
    assert exit.value.code == 2
    assert capsys.readouterr().err == (
        f"stractory: {file}:3: heartbeat-timeout: '0.5' is not a number of seconds, 1 or more\n"
    )
    assert make_parser().parse(["-c", str(file), "--heartbeat-timeout=1"], {}).heartbeat_timeout == 1


def test_the_key_file_that_will_be_used_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STRACTORY_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        make_parser().parse(["--print-config"], {})
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("key-file")]
    assert line.split() == ["key-file", str(tmp_path / ".config/stractory/cluster.key"), "default"]


def test_where_data_and_the_record_will_go_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def shown(*arguments: str) -> list[list[str]]:
        with pytest.raises(SystemExit):
            make_parser().parse(["--print-config", *arguments], {})
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        return [line[1:] for line in lines if line[0] in ("data-dir", "audit-log")]

    folder = tmp_path / "stractory/registry-9081"
    assert shown("--listen=9081") == [[str(folder), "default"], [str(folder / "audit.log"), "default"]]
    assert shown("--listen=0") == [["(none)", "default"]] * 2
    assert shown("--data-dir=a") == [["a", "command", "line"], ["a/audit.log", "default"]]
    assert shown("--data-dir=none", "--audit-log=b") == [[name, "command", "line"] for name in ("none", "b")]


ETCD = ("--store=etcd", "--etcd-endpoints=http://127.0.0.1:2379, http://[::1]:22379/")


def test_where_etcd_is() -> None:
    settings = make_parser().parse([*ETCD], {})
    assert [str(one) for one in settings.etcd_endpoints] == ["http://127.0.0.1:2379", "http://[::1]:22379"]
    assert settings.etcd_prefix == "/stractory"
    beyond = ["--store=etcd", "--etcd-endpoints=http://etcd-1:2379", "--insecure-plaintext"]
    assert make_parser().parse(beyond, {}).store == "etcd"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--store=redis"], "--store: 'redis' is not one of sqlite, etcd"),
        (["--store=etcd"], "store = etcd needs etcd-endpoints, such as http://127.0.0.1:2379"),
        ([ETCD[1]], "etcd-endpoints is set, but store is sqlite: set store = etcd"),
        ([*ETCD, "--etcd-key=file"], "etcd-key is set, but no etcd-cert"),
        (
            ["--store=etcd", "--etcd-endpoints=http://etcd-1:2379"],
            "etcd-endpoints: http://etcd-1:2379 is beyond loopback, in plain text: use https, "
            "or insecure-plaintext = yes on a network you trust",
        ),
        (
            ["--store=etcd", "--etcd-endpoints=127.0.0.1:2379"],
            "--etcd-endpoints: '127.0.0.1:2379' is not the URL of an endpoint, such as http://127.0.0.1:2379",
        ),
        (
            ["--store=etcd", "--etcd-endpoints=http://localhost:1, http://127.0.0.1:1, https://127.0.0.1:1/"],
            "--etcd-endpoints: 127.0.0.1:1 is there twice",
        ),
        (
            ["--store=etcd", "--etcd-endpoints=http://[::1]:0"],
            "--etcd-endpoints: 'http://[::1]:0' has no port",
        ),
        *(
            (
                [*ETCD, f"--etcd-prefix={prefix}"],
                f"--etcd-prefix: {prefix!r} is not a prefix such as /stractory, of names that can be read",
            )
            for prefix in ("", "/", "//", " /a", "/a /b", "/a//b", "/a\nb", "/\udcff")
        ),
        (
            [*ETCD, "--etcd-prefix=/a/names"],
            "--etcd-prefix: '/a/names' may be in the prefix of another cluster: 'names' is a folder there",
        ),
        (
            [*ETCD, f"--etcd-prefix=/{'a' * 300}"],
            "--etcd-prefix: a prefix has 255 characters at most, and this one 301",
        ),
    ],
)
def test_settings_of_etcd_that_cannot_be_meant(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        make_parser().parse(arguments, {})
    assert exit.value.code == 2
    assert capsys.readouterr().err == f"stractory: {told}\n"


def test_no_prefix_is_within_that_of_another_cluster() -> None:
    layout = Layout("/a", [])
    folders = {*layout.folders, layout.registries, layout.workers}
    assert {folder.decode() for folder in folders} == {f"/a/{name}/" for name in OF_CLUSTERS}
    for good in ("/stractory2", "/a b", "/ä", "stractory", "/a/b/"):
        assert make_parser().parse([*ETCD, f"--etcd-prefix={good}"], {}).etcd_prefix == good.rstrip("/")


def test_names_that_are_left_in_a_file_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_what_is_not_read(tmp_path)
    assert caplog.messages == []
    DurableStore(tmp_path, b"secret").close()
    warn_of_what_is_not_read(tmp_path)
    (told,) = caplog.messages
    assert told.startswith(f"store is etcd: the names in {tmp_path / 'registry.db'} are not read")


@pytest.mark.parametrize("word", ["no", "off", "False", "None"])
def test_a_word_for_none_is_no_path(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse([f"--audit-log={word}"], {})
    assert capsys.readouterr().err == (
        f"stractory: --audit-log: {word!r} is no path here: did you mean 'none'?"
        f" A file of that name is ./{word}\n"
    )
    assert make_parser().parse([f"--audit-log=./{word}"], {}).audit_log == Path(word)


def test_where_data_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def directory(*arguments: str) -> Path | None:
        return data_directory(make_parser().parse([*arguments], {}))

    assert directory() == tmp_path / "stractory/registry-9000"
    assert directory("--listen=9100") == tmp_path / "stractory/registry-9100"
    assert directory("--listen=0") is None
    assert directory("--data-dir=none") is None
    assert directory("--listen=0", "--data-dir=data") == Path("data")
    assert directory("--data-dir=./none") == Path("none")


def test_where_the_record_goes() -> None:
    def file(*arguments: str, folder: Path | None = Path("data")) -> Path | None:
        return audit_log(make_parser().parse([*arguments], {}), folder)

    assert file() == Path("data/audit.log")
    assert file(folder=None) is None
    assert file("--audit-log=none") is None
    assert file("--audit-log=record", folder=None) == Path("record")


def test_the_largest_message_is_what_the_wire_allows(capsys: pytest.CaptureFixture[str]) -> None:
    assert LARGEST_MESSAGE == MESSAGE_LIMIT
    assert make_parser().parse([], {}).operator_message_limit == MESSAGE_LIMIT
    with pytest.raises(SystemExit):
        make_parser().parse(["--client-message-limit=65M"], {})
    assert "'65M' is not a size such as 64K or 1M, of at most 67108864 bytes" in capsys.readouterr().err
