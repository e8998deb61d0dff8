"""What is not about one actor: reaching the registry, check-config, completion, the prompt, a terminal."""

from __future__ import annotations

import json
import re
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import stractory
from stractory.proof import bearer, keys
from tests.commands.ctl.conftest import Ctl
from tests.support.cluster import BIN, Cluster
from tests.support.programs import run_program
from tests.support.terminal import Terminal

SAMPLES = Path(__file__).parents[3] / "etc"


def test_a_registry_that_is_away(ctl: Ctl) -> None:
    told = ctl.complaint(4, "--registry=1", "ls")
    assert told == "no link to the registry: nobody answers at 127.0.0.1:1: Connection refused"
    assert "'a:b' is not an address" in ctl.complaint(2, "--registry=a:b", "ls")


def test_keys_that_do_not_fit(ctl: Ctl, tmp_path: Path) -> None:
    assert "no key file at" in ctl.complaint(5, "--key-file", tmp_path / "none", "ls")
    keys.write_key(tmp_path / "other.key", keys.Key.new_master(tmp_path / "other.key"))
    assert "it refuses the key" in ctl.complaint(5, "--key-file", tmp_path / "other.key", "ls")


def test_a_disk_that_is_full(ctl: Ctl) -> None:
    command = f"{' '.join(ctl.words)} ls > /dev/full"
    run = run_program(["bash", "-c", command], env=ctl.env, capture_output=True, text=True, timeout=40)
    assert (run.returncode, run.stderr) == (1, "stractoryctl: cannot write: No space left on device\n")


# ---- check-config --------------------------------------------------------------------------------------


def test_check_config(ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("check-config", SAMPLES / "workers.ini") == (
        "SECTION  MISTAKE\nworkers  none\nworker   none\n"
    )
    file = tmp_path / "bad.ini"
    file.write_text("[registry]\nlisten = 9000\n[workers]\nworkers = 0\n[worker]\nlistn = 1\n")
    run = ctl.run("check-config", file)
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout == (
        "SECTION   MISTAKE\n"
        "registry  none\n"
        "workers   a pool has at least one worker, not 0\n"
        f"worker    {file}:6: unknown setting 'listn' in [worker]; did you mean 'listen'?\n"
    )
    run = ctl.run("check-config", tmp_path / "none.ini", "--json")
    assert run.returncode == 1
    assert json.loads(run.stdout) == [
        {"section": None, "mistake": f"{tmp_path}/none.ini: No such file or directory"}
    ]


def test_check_config_looks_at_the_file_alone(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "good.ini").write_text("[worker]\nlisten = 9001\n")
    ctl("check-config", tmp_path / "good.ini", env={"STRACTORY_LISTEN": "nowhere"})


# ---- link ----------------------------------------------------------------------------------------------


def test_link_where_there_is_no_page(ctl: Ctl) -> None:
    assert ctl.complaint(1, "link").startswith("this registry shows no page; start it with http = ")


def test_link() -> None:
    with Cluster(workers=0, registry_arguments=["--http=127.0.0.1:0"]) as cluster:
        words = [sys.executable, str(BIN / "stractoryctl"), "--registry", cluster.address, "link"]
        run = run_program(words, env=cluster.env, capture_output=True, text=True, timeout=40)
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/\?once=[\w-]{43}\n", run.stdout), run
        run = run_program([*words, "--json"], env=cluster.env, capture_output=True, text=True, timeout=40)
        assert json.loads(run.stdout)["link"].startswith("http://127.0.0.1:")


def test_link_for_programs_asks_nobody(ctl: Ctl, tmp_path: Path) -> None:
    master = keys.Key.new_master(tmp_path / "master.key")
    node = master.derive(keys.NODE, "node1")
    keys.write_key(tmp_path / "node.key", node)
    words = ("--registry=1", "--key-file", tmp_path / "node.key", "link", "--bearer")
    assert ctl(*words) == f"{bearer.make(node)}\n"
    assert json.loads(ctl(*words, "--json")) == {"bearer": bearer.make(node)}


# ---- completion ----------------------------------------------------------------------------------------


def test_completion_of_bash(ctl: Ctl, strac: stractory.Client, tmp_path: Path) -> None:
    strac.create("room", stractory.rpc("play:Room"))
    script = tmp_path / "completion"
    script.write_text(ctl("completion", "bash"))
    asks = (
        f'stractoryctl() {{ {" ".join(ctl.words)} "$@"; }}\n'
        f"source {script}\n"
        'ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shtab_stractoryctl; '
        'echo "${COMPREPLY[@]}"; }\n'
        "ask stractoryctl dr\nask stractoryctl info ro\nask stractoryctl drain 127\n"
    )
    run = run_program(["bash", "-c", asks], env=ctl.env, capture_output=True, text=True, timeout=40)
    workers = {worker.address for worker in strac.workers()}
    command, actor, addresses = run.stdout.splitlines()
    assert (command, actor, set(addresses.split())) == ("drain", "room", workers)


def test_completion_runs_nothing(ctl: Ctl, strac: stractory.Client, tmp_path: Path) -> None:
    """Whoever creates actors chooses their names, and somebody else presses the key."""
    for sort in ("$(touch {})", "`touch {}`", "$[$(touch {})]", "a b", "'"):
        strac.create(sort.format(tmp_path / "ran"), stractory.rpc("play:Room"))
    script = tmp_path / "completion"
    script.write_text(ctl("completion", "bash"))
    line = (
        f'stractoryctl() {{ {" ".join(ctl.words)} "$@"; }}\n'
        f"source {script}\n"
        'COMP_WORDS=(stractoryctl info ""); COMP_CWORD=2; _shtab_stractoryctl\n'
        'for name in "${COMPREPLY[@]}"; do eval "printf \'%s\\n\' $name"; done\n'
    )
    run = run_program(["bash", "-c", line], env=ctl.env, capture_output=True, text=True, timeout=40)
    assert sorted(run.stdout.splitlines()) == sorted(info.name for info in strac.list())
    assert not (tmp_path / "ran").exists()


def test_completion_of_zsh(ctl: Ctl, tmp_path: Path) -> None:
    script = ctl("completion", "zsh")
    assert script.startswith("#compdef stractoryctl") and "_stractoryctl_actors() {" in script
    if zsh := shutil.which("zsh"):
        (tmp_path / "completion").write_text(script)
        run_program([zsh, "-n", str(tmp_path / "completion")], check=True)


# ---- without what is optional --------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has neither rich nor shtab."""
    for name in ("rich", "shtab"):
        (tmp_path / "bare" / name).mkdir(parents=True)
        (tmp_path / "bare" / name / "__init__.py").write_text("raise ImportError\n")
    root = Path(stractory.__file__).parents[1]
    return {"PYTHONPATH": f"{tmp_path / 'bare'}:{root}"}


def test_without_shtab(ctl: Ctl, bare: dict[str, str]) -> None:
    told = ctl.complaint(1, "completion", "bash", env=bare)
    assert told == "completion needs shtab: pip install shtab"


def test_a_terminal_without_rich(ctl: Ctl, bare: dict[str, str]) -> None:
    with at_terminal(ctl, "ps", **bare) as terminal:
        assert terminal.join() == 0
        assert "\x1b" not in terminal.seen and "running" in terminal.seen
    with at_terminal(ctl, "top", "--count=1", **bare) as terminal:
        assert terminal.join() == 0 and "\x1b" not in terminal.seen


# ---- a terminal ----------------------------------------------------------------------------------------


@contextmanager
def at_terminal(ctl: Ctl, *words: str, **env: str) -> Iterator[Terminal]:
    with Terminal([*ctl.words, *words], {**ctl.env, "TERM": "xterm", **env}) as terminal:
        yield terminal


def test_colours_are_for_terminals(ctl: Ctl) -> None:
    with at_terminal(ctl, "ps") as terminal:
        assert terminal.join() == 0
        assert "\x1b[32mrunning\x1b[0m" in terminal.seen
    with at_terminal(ctl, "ps", NO_COLOR="1") as terminal:
        assert terminal.join() == 0
        assert "running" in terminal.seen and not re.search(r"\x1b\[3\dm", terminal.seen)
    assert "\x1b" not in ctl("ps", env={"TERM": "xterm"})
    with at_terminal(ctl, "ps", "--json") as terminal:
        assert terminal.join() == 0 and len(json.loads(terminal.seen)) == 2


def test_a_name_gives_a_terminal_no_orders(ctl: Ctl, strac: stractory.Client) -> None:
    strac.create("[red]\x1b]0;title\x07", stractory.stream("play:echo"))
    with at_terminal(ctl, "ls") as terminal:
        assert terminal.join() == 0
        assert r"[red]\x1b]0;title\x07" in terminal.seen and "\x1b]0" not in terminal.seen


def test_top_at_a_terminal(ctl: Ctl) -> None:
    with at_terminal(ctl, "top", "--interval=0.1") as terminal:
        terminal.wait_for("2 workers, 0 actors(.|\n)*2 workers, 0 actors")
        terminal.signal(signal.SIGINT)
        assert terminal.join() == 130
        assert terminal.seen.endswith("\x1b[?25h\x1b[?1049l")  # as it was found


def test_a_bar_for_long_work(ctl: Ctl, strac: stractory.Client) -> None:
    names = [f"echo{number}" for number in range(5)]
    for name in names:
        strac.create(name, stractory.stream("play:echo"))
    with at_terminal(ctl, "destroy", *names) as terminal:
        assert terminal.join() == 0
        assert "100%" in terminal.seen and "destroyed echo4" in terminal.seen
    worker = strac.workers()[0].address
    with at_terminal(ctl, "drain", worker) as terminal:
        assert terminal.join() == 0
        assert f"worker {worker} has left: 0 came back, 0 ended, 0 wait" in terminal.seen


# ---- the prompt ----------------------------------------------------------------------------------------


def test_the_prompt(ctl: Ctl, strac: stractory.Client, factory: Cluster) -> None:
    strac.create("room", stractory.rpc("play:Room"))
    run = ctl.run("repl", input="strac.get('room').add(20)\nstractory.__version__\n")
    assert run.returncode == 0
    assert "20\n" in run.stdout and stractory.__version__ in run.stdout
    with at_terminal(ctl, "repl", TERM="dumb") as terminal:
        terminal.wait_for(">>> $")
        terminal.press("strac.get('room').add(3)\n")
        terminal.wait_for("\n23\n>>> $")
        terminal.press("stra\t")
        terminal.wait_for("strac")
        terminal.press("\x15\x04")
        assert terminal.join() == 0
    history = factory.folder / "state/stractory/history"
    assert "strac.get('room').add(3)" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
