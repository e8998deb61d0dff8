"""The examples that several people use at once, each in a process of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import stractory
from tests.support.cluster import Cluster, until
from tests.support.programs import start_program

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Program:
    """A running example: what it prints is read line by line, what it reads is typed."""

    def __init__(self, cluster: Cluster, example: str, *arguments: str) -> None:
        self.process = start_program(
            [sys.executable, str(EXAMPLES / f"{example}.py"), *arguments],
            env={**cluster.env, "STRACTORY_REGISTRY": cluster.address},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def type(self, *lines: str) -> None:
        self.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.stdin.flush()

    def line(self) -> str:
        """The next line it prints; "" at the end."""
        return self.stdout.readline().decode().rstrip("\n")

    def until(self, wanted: str) -> list[str]:
        """The lines it prints up to one with ``wanted`` in it."""
        lines = [self.line()]
        while wanted not in lines[-1]:
            assert lines[-1] or self.process.poll() is None, lines
            lines.append(self.line())
        return lines

    def leave(self) -> int:
        """Ctrl-D; its exit status."""
        self.stdin.close()
        return self.process.wait()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as cluster:
        yield cluster
        assert "Traceback" not in cluster.errors()


@pytest.fixture
def start(cluster: Cluster) -> Iterator[Callable[..., Program]]:
    """Starts examples, which are ended with the test."""
    started: list[Program] = []

    def start(example: str, *arguments: str) -> Program:
        started.append(Program(cluster, example, *arguments))
        return started[-1]

    yield start
    for program in started:
        program.process.kill()
        with program.process:  # closes its pipes
            pass


# ---- the chat room ---------------------------------------------------------------------------------------


def test_people_talk_and_leave(start, strac, name):
    listener = start("chatroom", "listen", name)
    assert listener.line() == "Listening. In the room: nobody"
    alex = start("chatroom", "talk", name, "Alex")
    assert alex.line() == "In the room: Alex" and listener.line() == "* Alex joined"
    bob = start("chatroom", "talk", name, "Bob")
    assert bob.line() == "In the room: Alex, Bob"
    assert listener.line() == alex.line() == "* Bob joined"
    alex.type("Hello")
    assert listener.line() == bob.line() == "<Alex> Hello"
    bob.type("Hello back")
    assert listener.line() == alex.line() == "<Bob> Hello back"
    assert bob.leave() == 0
    assert listener.line() == alex.line() == "* Bob left"
    alex.process.kill()
    assert listener.line() == "* Alex left"
    assert strac.get(name).msglist() == ["Hello", "Hello back"]
    strac.destroy(name)
    assert listener.line() == "The room is closed."
    assert listener.process.wait() == 0


def test_a_name_in_the_room_is_one_persons(start, name):
    assert start("chatroom", "talk", name, "Alex").line() == "In the room: Alex"
    other = start("chatroom", "talk", name, "Alex")
    assert other.line() == "chatroom: Alex is in the room already"
    assert other.line() == "" and other.process.wait() == 1


def test_who_is_gone_stops_nobody(start, cluster, strac, name):
    """A listener that died is passed over, and forgotten."""
    first, second = (start("chatroom", "listen", name) for _ in range(2))
    assert first.line() == second.line() == "Listening. In the room: nobody"
    first.process.kill()
    room = strac.get(name)
    for number in range(100):
        room.msg("Alex", str(number))
    assert second.until("99") == [f"<Alex> {number}" for number in range(100)]
    with cluster.client() as other:
        other.get(name).join("Bob", print)
        other.get(name).join("Carl")
        assert room.list() == ["Bob", "Carl"]
    until(lambda: room.list() == ["Carl"])  # who left nothing to call stays until told
    room.part("Carl")
    assert room.list() == []


# ---- others ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["events", "cat"])
def test_multicast(start, kind):
    people = [start("multicast", kind) for _ in range(3)]
    for person in people:
        assert person.line() == "What you type goes to all."
    for number, person in enumerate(people):
        person.type(f"hello from {number}")
        assert [each.line() for each in people] == [f"hello from {number}"] * 3
    assert people.pop().leave() == 0
    people[0].type("bye")
    assert [each.line() for each in people] == ["bye", "bye"]


def decoded(encoded: Iterator[bytes], size: int) -> tuple[bytes, bytes]:
    """So much of what gzip files in a row contain, and what was read for it."""
    read, sound, file = b"", b"", zlib.decompressobj(wbits=31)
    while len(sound) < size or not file.eof:
        data = next(encoded)
        read += data
        while data:
            if file.eof:
                file = zlib.decompressobj(wbits=31)
            sound += file.decompress(data)
            data = file.unused_data
    return sound, read


def test_live_encoder(start):
    def pieces(listener):
        assert listener.line() == "Listening."
        return iter(listener.stdout.read1, b"")

    def play(seconds):
        player = start("encoder", "play", "gzip")
        player.stdin.write(seconds)
        assert player.leave() == 0

    first, second, third = (bytes([number]) * 16000 for number in (1, 2, 3))
    listeners = [pieces(start("encoder", "listen", "gzip")) for _ in range(2)]
    play(first + second)
    heard = [decoded(listener, 32000) for listener in listeners]
    assert heard[0] == heard[1] and heard[0][0] == first + second
    listeners.append(pieces(start("encoder", "listen", "gzip")))  # one who comes late hears the rest
    play(third)
    assert {decoded(listener, 16000)[0] for listener in listeners} == {third}


def test_tictactoe(start, strac, name):
    first = start("tictactoe", name)
    assert first.line() == "You are X."
    first.type("1")
    assert first.line() == "No: you are alone yet."
    second = start("tictactoe", name)
    assert second.line() == "You are O."
    second.type("5")
    assert second.line() == "No: it is not your turn."
    third = start("tictactoe", name)
    assert third.line() == "tictactoe: two are playing already" and third.process.wait() == 1
    for wrong in ("0", "10", "", 1, None):
        with pytest.raises(stractory.RemoteError, match="no free square"):
            strac.get(name).move("X", wrong)
    for player, square in zip((first, second) * 2, "1524", strict=False):
        player.until("Your turn.")
        player.type(square)
    assert first.until("Your turn.")[-4:] == ["X X 3", "O O 6", "7 8 9", "Your turn."]
    first.type("5", "3")
    assert first.line() == "No: that is no free square."
    assert first.until("You win.") == ["X X X", "O O 6", "7 8 9", "You win."]
    assert second.until("You lose.")[-4:] == ["X X X", "O O 6", "7 8 9", "You lose."]
    assert first.until("Your turn.") == ["1 2 3", "4 5 6", "7 8 9", "Your turn."]
    first.process.kill()
    assert second.until("You win.") == ["1 2 3", "4 5 6", "7 8 9", "You win."]
    assert start("tictactoe", name).until("You are X.")  # its seat is free


def test_a_drawn_game(start, name):
    players = []
    for mark in "XO":
        players.append(start("tictactoe", name))
        assert players[-1].line() == f"You are {mark}."
    for number, square in enumerate("123587469"):
        player = players[number % 2]
        player.until("Your turn.")
        player.type(square)
    for player in players:
        assert player.until("wins.")[-4:] == ["X O X", "X O O", "O X X", "Nobody wins."]


BLANK = ["." * 32] * 9


def test_drawing(start, name):
    first, second = start("drawing", name), start("drawing", name)
    for person in (first, second):
        assert [person.line() for _ in range(10)] == ["drawn so far", *BLANK]
    for wrong in ("scribble", "dot -1 x", "line 0 0"):
        first.type(wrong)
        assert first.line() == "line X Y X Y, dot X Y, or clear"
    first.type("line 0 0 8 8")
    picture = ["." * number + "#" + "." * (31 - number) for number in range(9)]
    for person in (first, second):
        assert [person.line() for _ in range(10)] == ["draw.line 0 0 8 8", *picture]
    second.type("dot 31 0")
    picture[0] = "#" + "." * 30 + "#"
    for person in (first, second):
        assert person.until("draw.dot")[-1] == "draw.dot 31 0"
        assert [person.line() for _ in range(9)] == picture
    assert first.leave() == 0
    newcomer = start("drawing", name)
    assert [newcomer.line() for _ in range(10)] == ["drawn so far", *picture]
    newcomer.type("clear")
    for person in (second, newcomer):
        assert [person.line() for _ in range(10)] == ["draw.clear", *BLANK]


@pytest.mark.parametrize(
    "example", ["chatroom talk bytes Alex", "multicast events", "multicast cat", "drawing odd"]
)
def test_input_that_is_no_text(cluster: Cluster, example: str) -> None:
    program = Program(cluster, *example.split())
    program.line()
    program.stdin.write(b"\xff\xfe no UTF-8\n")
    assert program.leave() == 0
    with program.stdout as said:
        assert b"Traceback" not in said.read()


# ---- watching --------------------------------------------------------------------------------------------


def test_who_comes_and_goes(start, strac, name):
    def echo(options):
        return lambda stream, address: None

    first = strac.create(f"{name}.1", echo)
    watching = start("watching", f"{name}.?")
    assert watching.line() == f"{name}.1 present on {first.worker}"
    second = strac.create(f"{name}.2", echo)
    assert watching.line() == f"{name}.2 born on {second.worker}"
    strac.destroy(f"{name}.1")
    assert watching.line() == f"{name}.1 died (destroyed)"
    watching.process.send_signal(signal.SIGINT)
    assert watching.line() == "" and watching.process.wait() == 0
