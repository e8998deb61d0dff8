"""create, destroy, drain."""

from __future__ import annotations

import json
from pathlib import Path

import stractory
from tests.commands.ctl.conftest import Ctl, steady
from tests.support.green import green_until


def test_create(ctl: Ctl, strac: stractory.Client) -> None:
    assert steady(ctl("create", "echo", "play:echo")) == (
        "NAME  KIND    STATE    WORKER           SINCE                RESTART  PROBLEM\n"
        "echo  stream  running  127.0.0.1:PPPPP  2026-03-01T12:00:00  never    -\n"
    )
    asked = ["--kind=rpc", "--option", "number=4", "--option", "topic=tea time", "--restart=always"]
    made = json.loads(ctl("create", "room", "play:Room", *asked, "--snapshot=each-call", "--json"))
    assert (made["kind"], made["restart"]) == ("rpc", "always")
    assert strac.get("room").options() == {"number": 4, "topic": "tea time"}
    assert strac.get("room").add(1) == 5
    ctl("create", "board", "play:board", "--kind=eventemitter", "--isolate", "--public")
    (info,) = strac.list("board")
    assert (info.kind, info.isolated, info.public) == ("eventemitter", True, True)


def test_create_a_command(ctl: Ctl, strac: stractory.Client) -> None:
    ctl("create", "talk", "--kind", "spawn", "--", "sh", "-c", "while echo hi; do sleep 0.1; done")
    with strac.connect("talk") as stream:
        assert stream.recv(100).startswith(b"hi\n")
    assert ctl.complaint(2, "create", "a", "play:echo", "more").startswith("only a spawn actor has words")


def test_what_cannot_be_created(ctl: Ctl, strac: stractory.Client, client_key: Path) -> None:
    strac.create("echo", stractory.stream("play:echo"))
    assert ctl.complaint(1, "create", "echo", "play:echo").startswith("the name 'echo' is taken")
    ctl("create", "echo", "play:echo", "--if-exists=replace")
    told = ctl.complaint(1, "create", "a", "nowhere:echo")
    assert told == "'a' did not start: ModuleNotFoundError: No module named 'nowhere' (--verbose shows where)"
    assert "not like 'package.module:function'" in ctl.complaint(1, "create", "a", "nowhere")
    assert "with restart='never' it has none" in ctl.complaint(2, "create", "a", "play:Room", "--snapshot=1")
    assert "names are str of at most" in ctl.complaint(2, "create", "", "play:echo")
    told = ctl.complaint(5, "--key-file", client_key, "create", "a", "play:echo")
    assert told == "create() needs the role operator; 'alice' proved the role client"


def test_create_many(ctl: Ctl, strac: stractory.Client) -> None:
    names = [f"echo-{number}" for number in range(1, 101)]
    assert ctl("create", "echo-{}", "play:echo", "--count=100") == "".join(f"created {n}\n" for n in names)
    assert {info.name for info in strac.list()} == {*names}
    run = ctl.run("create", "{}-2", "play:echo", "--option", "a=1", "--count", "2", "--json")
    assert (run.returncode, [row["error"] for row in json.loads(run.stdout)]) == (0, [None, None])
    run = ctl.run("create", "echo-{}", "play:echo", "--count", "101")
    assert (run.returncode, run.stdout) == (1, "created echo-101\n")
    assert len(run.stderr.splitlines()) == 100 and "'echo-100' is taken" in run.stderr
    told = ctl.complaint(2, "create", "echo", "play:echo", "--count=2")
    assert told == "--count needs a name with {} for the number, such as 'echo-{}'"
    assert "not a whole number" in ctl.complaint(2, "create", "a{}", "play:echo", "--count=-1")
    alone = ctl.complaint(2, "create", "a", "play:echo", "--snapshot=0")
    assert ctl.complaint(2, "create", "a{}", "play:echo", "--snapshot=0", "--count=2") == alone


def test_destroy(ctl: Ctl, strac: stractory.Client) -> None:
    for number in range(20):
        strac.create(f"echo{number}", stractory.stream("play:echo"))
    names = [f"echo{number}" for number in range(18)]
    assert ctl("destroy", *names) == "".join(f"destroyed {name}\n" for name in names)
    run = ctl.run("destroy", "nobody", "echo18")
    assert (run.returncode, run.stdout) == (3, "destroyed echo18\n")
    assert run.stderr == "stractoryctl: no actor is named 'nobody'\n"
    run = ctl.run("destroy", "echo19", "nobody", "--json")
    assert (run.returncode, json.loads(run.stdout)) == (
        3,
        [{"name": "echo19", "error": None}, {"name": "nobody", "error": "no actor is named 'nobody'"}],
    )
    assert strac.list() == []


def place(strac: stractory.Client, address: str) -> None:
    """One actor that comes back and one that does not, on that worker."""
    for name, restart in (("back", "on-failure"), ("gone", "never")):
        while True:
            made = strac.create(name, stractory.rpc("play:Room"), restart=restart, if_exists="replace")
            if made.worker == address:
                break


def test_drain(ctl: Ctl, strac: stractory.Client) -> None:
    first, second = sorted(worker.address for worker in strac.workers())
    place(strac, first)
    assert ctl("drain", first) == (
        "NAME  STATE    WORKER\n"
        f"back  running  {second}\n"
        "gone  ended    -\n"
        f"worker {first} has left: 1 came back, 1 ended, 0 wait\n"
    )
    green_until(lambda: len(strac.workers()) == 2)  # the pool starts another
    told = json.loads(ctl("drain", second, "--json"))
    (row,) = told.pop("actors")
    assert told == {"worker": second}
    assert (row["name"], row["state"]) == ("back", "running") and row["worker"] != second
    assert ctl.complaint(3, "drain", first) == f"no worker has the address {first!r}"


def test_no_worker_has_such_an_address(ctl: Ctl) -> None:
    assert "cannot travel" in ctl.complaint(2, "drain", b"\xff".decode(errors="surrogateescape"))


def test_who_may_not_drain(ctl: Ctl, strac: stractory.Client, client_key: Path) -> None:
    address = strac.workers()[0].address
    assert "needs the role operator" in ctl.complaint(5, "drain", address, "--key-file", client_key)
    assert "needs the role operator" in ctl.complaint(5, "destroy", "a", "--key-file", client_key)
    assert len(strac.workers()) == 2
