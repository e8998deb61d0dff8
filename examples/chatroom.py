"""A chat room: an rpc actor that calls back whoever listens, and forgets whose process has gone.

In one terminal   python examples/chatroom.py listen ROOM
in others         python examples/chatroom.py talk ROOM NAME     and type; Ctrl-D leaves
"""

import argparse
import sys
import threading
from contextlib import suppress

import stractory


class Room:
    def __init__(self, options):
        self.people = {}
        self.messages = []
        self.listeners = {"join": [], "part": [], "msg": []}

    def join(self, name, hear=None):
        """Come in. ``hear(who, text)`` gets what the others say; when its process ends, so does the visit."""
        if name in self.people:
            raise ValueError(f"{name} is in the room already")
        self.people[name] = hear
        if hear:
            hear.on_close(self._forget_the_gone)
        self._tell(self.listeners["join"], name)

    def part(self, name):
        if name in self.people:
            del self.people[name]
            self._tell(self.listeners["part"], name)

    def on(self, event, callback):
        """Call it for each "join" and "part" with the name, for each "msg" with name and text."""
        self.listeners[event].append(callback)
        callback.on_close(self._forget_the_gone)

    def msg(self, name, text):
        self.messages.append(text)
        self._tell(self.listeners["msg"], name, text)
        self._tell([hear for who, hear in self.people.items() if hear and who != name], name, text)

    def list(self):
        return [*self.people]

    def msglist(self):
        return self.messages

    def _tell(self, callbacks, *what):
        for callback in [*callbacks]:
            with suppress(stractory.CallbackGone):  # the others are to hear it all the same
                callback(*what)

    def _forget_the_gone(self):
        for callbacks in self.listeners.values():
            callbacks[:] = [callback for callback in callbacks if not callback.closed]
        for name in [name for name, hear in self.people.items() if hear and hear.closed]:
            self.part(name)


def enter(strac, name):
    strac.create(name, stractory.rpc(Room), if_exists="get")
    return strac.get(name)


def listen(strac, name):
    room = enter(strac, name)
    over = threading.Event()
    room.on_close(over.set)
    room.on("join", lambda who: print("*", who, "joined"))
    room.on("part", lambda who: print("*", who, "left"))
    room.on("msg", lambda who, text: print(f"<{who}> {text}"))
    print("Listening. In the room:", ", ".join(room.list()) or "nobody")
    over.wait()
    print("The room is closed.")


def talk(strac, name, me):
    room = enter(strac, name)
    room.join(me, lambda who, text: print(f"<{who}> {text}"))
    room.on("join", lambda who: print("*", who, "joined"))
    room.on("part", lambda who: who == me or print("*", who, "left"))
    print("In the room:", ", ".join(room.list()))
    for line in sys.stdin:
        room.msg(me, line.rstrip("\n"))
    room.part(me)


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    uses = usage.add_subparsers(dest="use", required=True)
    uses.add_parser("listen").add_argument("room")
    talking = uses.add_parser("talk")
    talking.add_argument("room")
    talking.add_argument("name")
    given = usage.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    sys.stdin.reconfigure(errors="replace")  # whatever is typed
    with stractory.client(background=True) as strac:  # callbacks come while this thread waits for a line
        if given.use == "listen":
            listen(strac, given.room)
        else:
            talk(strac, given.room, given.name)


if __name__ == "__main__":
    try:
        main()
    except stractory.RemoteError as error:  # the room said no
        sys.exit(f"chatroom: {error.args[0]}")
    except stractory.StractoryError as error:
        sys.exit(f"chatroom: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
