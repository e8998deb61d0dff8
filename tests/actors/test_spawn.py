"""Spawn actors' children, with the worker played by this process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult

from stractory.actors import child as child_module
from stractory.actors.child import Child, Command, command_of
from stractory.actors.spawn import SpawnClient, SpawnServer
from stractory.errors import ActorExited
from tests.net.test_link import Pair
from tests.support.cluster import alive, until
from tests.support.programs import start_program

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str, **options: Any) -> Command:
    return command_of({"cmd": words[0], "args": list(words[1:]), "cwd": None, "env": None, **options})


def python(program: str) -> Command:
    return command(sys.executable, "-c", program)


class Owner:
    """What a worker is for a spawn actor."""

    name = "child"
    log = logging.getLogger("stractory.actor.child")

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.status: AsyncResult[int] = AsyncResult()

    def spawn(self, function: Any, *args: Any) -> Any:
        return gevent.spawn(function, *args)

    def run(self, function: Any) -> None:
        function()

    def exited(self, status: int) -> None:
        self.status.set(status)


class Stage:
    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.owner = Owner()
        self.server: SpawnServer | None = None

    def start(self, command: Command) -> None:
        self.server = SpawnServer(command, self.owner)
        self.pair.serve = lambda link, stream, dial: self.server.connect(stream, None)

    def connect(self) -> SpawnClient:
        client = SpawnClient(self.pair.open())
        client.settimeout(10)
        return client


@pytest.fixture
def stage() -> Iterator[Stage]:
    pair = Pair()
    stage = Stage(pair)
    yield stage
    pair.close()
    if stage.server is not None:
        stage.server.destroy()


def receive(client: SpawnClient, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        assert more, data
        data += more
    return data


def test_what_one_sends_all_hear(stage: Stage) -> None:
    stage.start(command("cat"))
    clients = [stage.connect() for _ in range(3)]
    clients[0].sendall(b"hello")
    assert [receive(client, 5) for client in clients] == [b"hello"] * 3
    clients[0].close()  # does not end the child's input
    clients[1].sendall(b"more")
    assert [receive(client, 4) for client in clients[1:]] == [b"more"] * 2


def test_early_output_waits_for_the_first_client(stage: Stage) -> None:
    stage.start(python("import sys; print('early'); sys.stdout.flush(); input(); print('late')"))
    first = stage.connect()
    assert receive(first, 6) == b"early\n"
    second = stage.connect()
    second.sendall(b"\n")
    assert first.makefile("rb").read() == b"late\n"
    assert second.makefile("rb").read() == b"late\n"
    assert first.exit_status == second.exit_status == 0


@pytest.mark.parametrize(
    ("program", "status"),
    [("import sys; input(); sys.exit(3)", 3), ("import os; input(); os.kill(os.getpid(), 9)", -9)],
)
def test_the_exit_status(stage: Stage, program: str, status: int) -> None:
    stage.start(python(program))
    client = stage.connect()
    client.sendall(b"\n")
    with pytest.raises(ActorExited, match=f"status {status}") as caught:
        client.recv(1)
    assert caught.value.status == client.exit_status == status
    assert stage.owner.status.get(timeout=5) == status


def test_standard_error_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.start(python("import sys; print('oh no', file=sys.stderr); input()"))
    client = stage.connect()
    client.sendall(b"\n")
    client.makefile("rb").read()
    assert [record.message for record in caplog.records if record.name == "stractory.actor.child"] == [
        "oh no"
    ]


@pytest.mark.parametrize(
    "wrong", [command("/nowhere/to/be/found"), command("cat", cwd="/nowhere"), command("/etc/hostname")]
)
def test_a_command_that_cannot_be_started(stage: Stage, wrong: Command) -> None:
    with pytest.raises(OSError, match=r"No such file|Permission denied|Exec format"):
        stage.start(wrong)


def test_its_surroundings(stage: Stage, tmp_path: Path) -> None:
    program = "import os; input(); print(os.getcwd(), os.environ.get('A'), 'HOME' in os.environ)"
    stage.start(command(sys.executable, "-c", program, cwd=str(tmp_path), env={"A": "b"}))
    client = stage.connect()
    client.sendall(b"\n")
    assert client.makefile("r").read() == f"{tmp_path} b False\n"


GRANDCHILD = "sleep 1000 & echo $!; wait"


def test_destroy_ends_the_whole_group(stage: Stage) -> None:
    stage.start(command("sh", "-c", GRANDCHILD))
    pid = int(stage.connect().makefile("r").readline())
    assert alive(pid)
    assert stage.server is not None
    stage.server.destroy()
    until(lambda: not alive(pid))


def test_the_end_of_the_command_ends_the_whole_group(stage: Stage) -> None:
    stage.start(command("sh", "-c", "sleep 1000 & echo $!; read line"))
    client = stage.connect()
    pid = int(client.makefile("r").readline())
    client.sendall(b"\n")
    assert stage.owner.status.get(timeout=5) == 0
    until(lambda: not alive(pid))


def test_the_death_of_the_worker_ends_the_whole_group() -> None:
    program = (
        "from stractory.actors.child import Child, Command\n"
        f"child = Child(Command(['sh', '-c', {GRANDCHILD!r}], None, None))\n"
        "for data in child.output(): print(data.decode(), end='', flush=True)\n"
    )
    worker = start_program([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    assert alive(pid)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    until(lambda: not alive(pid))


def test_a_client_that_does_not_read_stops_nobody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stractory.net.backlog.PILE_LIMIT", 3_000_000)
    stage.start(python("import sys; input(); sys.stdout.buffer.write(bytes(20_000_000))"))
    still, reading = stage.connect(), stage.connect()
    reading.sendall(b"\n")
    assert len(reading.makefile("rb").read()) == 20_000_000
    with pytest.raises(ConnectionError):
        still.makefile("rb").read()


def test_input_waits_for_a_child_that_does_not_read(stage: Stage) -> None:
    stage.start(python("import sys; input(); print(len(sys.stdin.buffer.read(5_000_000)))"))
    client = stage.connect()
    data = b"\n" + bytes(6_000_000)
    sending = gevent.spawn(client.sendall, data)
    assert int(client.makefile("r").readline()) == 5_000_000
    sending.kill()


def test_no_command() -> None:
    for wrong in ({}, {"cmd": "ls"}, {"cmd": "ls", "args": [1], "cwd": None, "env": None}):
        with pytest.raises(ValueError):
            command_of(wrong)


def test_a_child_is_no_zombie() -> None:
    child = Child(command("true"))
    assert child.wait() == 0
    pid = child.pid
    child.end()
    assert not os.path.exists(f"/proc/{pid}")


def test_much_output_and_then_the_end(stage: Stage) -> None:
    stage.start(command("sh", "-c", "read line; head -c 5000000 /dev/zero; exit 3"))
    client = stage.connect()
    client.sendall(b"\n")
    received = 0
    with pytest.raises(ActorExited, match="status 3"):
        while True:
            received += len(client.recv(100_000))
    assert received == 5_000_000


def test_a_command_that_signals_its_own_group(stage: Stage) -> None:
    stage.start(command("sh", "-c", "trap 'trap - TERM; kill 0' EXIT; read line; exit 3"))
    client = stage.connect()
    client.sendall(b"\n")
    with pytest.raises(ActorExited):
        client.recv(1)
    assert stage.owner.status.get(timeout=5) in (3, -15)


def test_a_keeper_that_is_killed(stage: Stage) -> None:
    stage.start(command("sh", "-c", "echo $$; read line; kill -9 $PPID; sleep 1000"))
    client = stage.connect()
    pid = int(client.makefile("r").readline())
    client.sendall(b"\n")
    assert stage.owner.status.get(timeout=5) == -9
    until(lambda: not alive(pid))


def living_in(folder: Path) -> list[int]:
    """The processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(process / "cwd") == str(folder) and alive(int(process.name)):
                found.append(int(process.name))
    return found


DYING_KEEPER = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import keeper
write = os.write
def write_or_die(descriptor, data):
    if data.startswith({word!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    return write(descriptor, data)
os.write = write_or_die
keeper.main()
"""


@pytest.mark.parametrize("word", [b"forked", b"started"])
def test_a_keeper_that_dies_before_it_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: bytes
) -> None:
    dying = tmp_path / "dying.py"
    dying.write_text(DYING_KEEPER.format(folder=str(Path(child_module.__file__).parent), word=word))
    monkeypatch.setattr(child_module, "_KEEPER", str(dying))
    with pytest.raises(OSError, match="the process that was to start it ended"):
        Child(command("sleep", "1000", cwd=str(tmp_path)))
    until(lambda: not living_in(tmp_path))


def test_a_keeper_that_dies_before_the_end(tmp_path: Path) -> None:
    child = Child(command("sleep", "1000", cwd=str(tmp_path)))
    os.kill(child._keeper.pid, signal.SIGKILL)
    child.end()
    until(lambda: not living_in(tmp_path))


def test_a_command_that_ignores_the_end(stage: Stage) -> None:
    stage.start(command("sh", "-c", "trap '' TERM; echo $$; kill -STOP 0"))
    pid = int(stage.connect().makefile("r").readline())
    assert stage.server is not None
    stage.server.destroy()
    until(lambda: not alive(pid))


def test_clients_that_leave_a_quiet_child(stage: Stage) -> None:
    stage.start(command("cat"))
    for _ in range(20):
        stage.connect().close()
    last = stage.connect()
    last.sendall(b"x")
    assert receive(last, 1) == b"x"
    assert stage.server is not None and len(stage.server._clients) == 1


def test_destroy_ends_a_half_closed_client(stage: Stage) -> None:
    stage.start(command("cat"))
    client = stage.connect()
    client.shutdown(1)
    client.settimeout(5)
    assert stage.server is not None
    gevent.spawn(stage.server.destroy)
    with pytest.raises(ConnectionError):
        client.recv(1)
