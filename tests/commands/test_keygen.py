"""``stractory-keygen``, as it is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stractory.proof import keys
from tests.support.programs import run_program

BIN = Path(__file__).resolve().parents[2] / "bin"


def keygen(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BIN / "stractory-keygen"), *map(str, arguments)]
    env = {name: text for name, text in os.environ.items() if not name.startswith("STRACTORY_")}
    usual = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": env, "timeout": 30}
    return run_program(command, **{**usual, **options})


def read(line: str, path: Path) -> keys.Key:
    path.write_text(line)
    path.chmod(0o600)
    (key,) = keys.load(path).keys
    return key


def test_a_master_key_is_new_each_time(tmp_path: Path) -> None:
    made = []
    for name in ("one.key", "two.key"):
        run = keygen()
        assert (run.returncode, run.stderr, run.stdout.count("\n")) == (0, "", 1)
        made.append(read(run.stdout, tmp_path / name))
    assert {key.role for key in made} == {keys.MASTER}
    assert made[0].secret != made[1].secret and made[0].id != made[1].id


@pytest.mark.parametrize("role", keys.ROLES)
def test_a_key_is_derived(ring: keys.KeyRing, tmp_path: Path, role: str) -> None:
    run = keygen("--role", role, "--name", "alice", "--key-file", ring.path)
    assert (run.returncode, run.stderr) == (0, "")
    key = read(run.stdout, tmp_path / "alice.key")
    assert (key.id, key.role, key.name) == (ring.keys[0].id, role, "alice")
    known = ring.find(key.id, role, "alice")
    assert known is not None and known.secret == key.secret


def test_the_usual_key_file_is_used(ring: keys.KeyRing) -> None:
    run = keygen("--role=client", "--name=alice", env={**os.environ, "STRACTORY_KEY_FILE": str(ring.path)})
    assert run.stdout == ring.keys[0].derive("client", "alice").as_line()


def test_the_first_master_key_makes_it(ring: keys.KeyRing, tmp_path: Path) -> None:
    bob = ring.keys[0].derive("client", "bob")
    path = tmp_path / "mixed.key"
    path.write_text(bob.as_line() + ring.keys[0].as_line() + keys.Key.new_master(path).as_line())
    path.chmod(0o600)
    run = keygen("--role=client", "--name=alice", "--key-file", path)
    assert run.stdout == ring.keys[0].derive("client", "alice").as_line()


def test_a_file_is_made_once(ring: keys.KeyRing, tmp_path: Path) -> None:
    out = tmp_path / "alice.key"
    alice = ("--role=node", "--name=alice", "--key-file", ring.path, "--out", out)
    run = keygen(*alice, umask=0)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert out.stat().st_mode & 0o777 == 0o600
    line = out.read_text()
    assert line == ring.keys[0].derive("node", "alice").as_line()
    for again in (alice, ("--out", out)):
        run = keygen(*again)
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr == f"stractory-keygen: {out} is there already, and stays as it is\n"
    assert out.read_text() == line
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alice.key", "cluster.key"]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--role=client"], 2, "--role and --name belong together; see --help"),
        (["--name=alice"], 2, "--role and --name belong together; see --help"),
        (["--role=king", "--name=alice"], 2, "invalid choice: 'king'"),
        (["--role=master", "--name=alice"], 2, "invalid choice: 'master'"),
        (["--key-file=FILE"], 2, "--key-file is for a key with --role and --name"),
        (["--role=client", "--name=two words", "--key-file=FILE"], 1, "'two words' is no name"),
        (["--role=client", "--name=", "--key-file=FILE"], 1, "'' is no name"),
        (["--role=client", "--name=a\x1b[m", "--key-file=FILE"], 1, r"'a\x1b[m' is no name"),
        (["--role=client", f"--name={'n' * 129}", "--key-file=FILE"], 1, "is no name: those have 1 to 128"),
        (["--role=client", "--name=*", "--key-file=FILE"], 1, "'*' is no name: it stands for all"),
        (["--role=client", "--name=mallory", "--key-file=FILE"], 1, "the name mallory is revoked in FILE"),
        (["--role=client", "--name=alice", "--key-file=FILE.none"], 1, "no key file at FILE.none"),
        (["--role=client", "--name=alice", "--key-file=BOB"], 1, "BOB has no master key"),
        (["--out=FILE/nowhere"], 1, "cannot write the key to FILE/nowhere: Not a directory"),
        (["extra"], 2, "unrecognized arguments: extra"),
    ],
)
def test_a_mistake_is_one_line(
    ring: keys.KeyRing, tmp_path: Path, arguments: list[str], status: int, text: str
) -> None:
    with ring.path.open("a") as file:
        file.write("stractory-revoked-v1 mallory\n")
    bob = tmp_path / "bob.key"
    keys.write_key(bob, ring.keys[0].derive("client", "bob"))

    def spelled(words: str) -> str:
        return words.replace("FILE", str(ring.path)).replace("BOB", str(bob))

    run = keygen(*map(spelled, arguments))
    assert (run.returncode, run.stdout) == (status, "")
    assert run.stderr.startswith("stractory-keygen: ") and run.stderr.count("\n") == 1
    assert spelled(text) in run.stderr


def test_an_output_that_takes_nothing_is_told() -> None:
    with open("/dev/full", "wb") as full:
        run = keygen(stdout=full)
    assert run.returncode == 1
    assert (
        run.stderr == "stractory-keygen: cannot write the key to standard output: No space left on device\n"
    )
