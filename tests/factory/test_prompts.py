"""Two Python prompts, as two people at two terminals: a chat room made at one, talked in from the other."""

from __future__ import annotations

import pytest

import stractory
from tests.support.cluster import Cluster
from tests.support.prompt import Prompt

ROOM = """
import stractory
def chatroom(options):
    people, messages, listeners = {}, [], {"join": [], "part": [], "msg": []}
    def tell(event, *what):
        for callback in list(listeners[event]):
            try:
                callback(*what)
            except stractory.CallbackGone:
                listeners[event].remove(callback)
    def join(name, hear=None):
        people[name] = hear
        if hear:
            hear.on_close(lambda: part(name))
        tell("join", name)
    def part(name):
        if name in people:
            del people[name]
            tell("part", name)
    def msg(name, text):
        messages.append(text)
        tell("msg", name, text)
    return {
        "join": join,
        "part": part,
        "msg": msg,
        "on": lambda event, callback: listeners[event].append(callback),
        "list": lambda: list(people),
        "msglist": lambda: messages,
    }

"""
LISTEN = """
strac = stractory.client(background=True)
strac.create("{name}", stractory.dnode(chatroom))
room = strac.get("{name}")
room.on("join", lambda who: print("*", who, "joined"))
room.on("part", lambda who: print("*", who, "left"))
room.on("msg", lambda who, text: print(f"<{{who}}> {{text}}"))
"""
TALK = """
import stractory
strac = stractory.client({client})
room = strac.get("{name}")
room.join("Alex")
room.join("Bob", print)
room.msg("Alex", "Hello")
room.msg("Bob", "Hello back")
"""


@pytest.mark.parametrize("client", ["", "background=True"], ids=["plain", "background"])
def test_a_chat_between_two_prompts(cluster: Cluster, strac: stractory.Client, client: str) -> None:
    name = f"room.{'background' if client else 'plain'}"
    environment = {**cluster.env, "STRACTORY_REGISTRY": cluster.address}
    with Prompt(environment) as first:
        first.type((ROOM + LISTEN.format(name=name)).lstrip("\n"))
        assert "Error" not in first.wait_for(">>> ")
        with Prompt(environment) as second:
            second.type(TALK.format(name=name, client=client).lstrip("\n"))
            # Nobody types at the first prompt: all of it comes by itself.
            first.wait_for(r"\* Alex joined\n\* Bob joined\n<Alex> Hello\n<Bob> Hello back\n")
            second.type("room.list(), room.msglist()\n")
            second.wait_for(r"\(\['Alex', 'Bob'\], \['Hello', 'Hello back'\]\)")
        first.wait_for(r"\* Bob left\n")  # his prompt is closed
    assert strac.get(name).list() == ["Alex"]
