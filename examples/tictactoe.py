"""Tic-tac-toe between two processes: an rpc actor that calls back the player whose turn it is.

In two terminals   python examples/tictactoe.py GAME

and type the number of a square when it is your turn. One round follows another; Ctrl-D leaves, and loses.
"""

import argparse
import sys
from contextlib import suppress

import stractory

LINES = ("123", "456", "789", "147", "258", "369", "159", "357")


class Game:
    def __init__(self, options):
        self.players = {}
        self._begin()

    def join(self, tell):
        """Sit down; gives your mark. ``tell(text)`` gets what you should know."""
        free = [mark for mark in "XO" if mark not in self.players]
        if not free:
            raise ValueError("two are playing already")
        self.players[free[0]] = tell
        tell.on_close(self._see_who_left)
        self._begin()
        return free[0]

    def move(self, mark, square):
        if len(self.players) < 2:
            raise ValueError("you are alone yet")
        if mark != self.turn:
            raise ValueError("it is not your turn")
        if square not in self.squares or self.squares[square] in "XO":
            raise ValueError("that is no free square")
        self.squares[square] = mark
        if any({self.squares[each] for each in line} == {mark} for line in LINES):
            self._end(winner=mark)
        elif {*self.squares.values()} == {"X", "O"}:
            self._end(winner=None)
        else:
            self.turn = "O" if mark == "X" else "X"
            self._tell(self.turn, "Your turn.")

    def _begin(self):
        self.squares = {square: square for square in "123456789"}
        self.turn = "X"
        if len(self.players) == 2:
            self._tell("X", "Your turn.")

    def _end(self, winner):
        for mark in [*self.players]:
            self._tell(mark, "Nobody wins." if not winner else "You win." if mark == winner else "You lose.")
        self._begin()

    def _tell(self, mark, text):
        shown = [*self.squares.values()]
        rows = [" ".join(shown[first : first + 3]) for first in (0, 3, 6)]
        with suppress(KeyError, stractory.CallbackGone):  # that player is leaving
            self.players[mark]("\n".join([*rows, text]))

    def _see_who_left(self):
        gone = [mark for mark, tell in self.players.items() if tell.closed]
        for mark in gone:
            del self.players[mark]
        if gone:
            self._end(winner="".join(self.players))  # who stayed, if anybody


def play(strac, name):
    strac.create(name, stractory.rpc(Game, concurrency=1), if_exists="get")
    game = strac.get(name)
    mark = game.join(print)
    print(f"You are {mark}.")
    for line in sys.stdin:
        try:
            game.move(mark, line.strip())
        except stractory.RemoteError as error:
            print(f"No: {error.args[0]}.")


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("game")
    game = usage.parse_args().game
    sys.stdout.reconfigure(line_buffering=True)
    sys.stdin.reconfigure(errors="replace")  # whatever is typed
    with stractory.client(background=True) as strac:  # it hears while this thread waits for a line
        play(strac, game)


if __name__ == "__main__":
    try:
        main()
    except stractory.RemoteError as error:  # there is no seat
        sys.exit(f"tictactoe: {error.args[0]}")
    except stractory.StractoryError as error:
        sys.exit(f"tictactoe: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
