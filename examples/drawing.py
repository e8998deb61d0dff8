"""A drawing board for many: an eventemitter that passes on what is drawn, and tells newcomers what was.

In several terminals   python examples/drawing.py BOARD

and type   line 0 0 30 8   or   dot 15 2   or   clear   ; Ctrl-D leaves, the drawing stays.
"""

import argparse
import sys

import stractory

WIDTH, HEIGHT = 32, 9
NUMBERS = {"line": 4, "dot": 2, "clear": 0}


def board(options):
    drawn, people = [], set()

    def handle(person):
        @person.on("begin")  # asked for, so that nothing is told before anybody listens
        def begin():
            people.add(person)
            person.emit("drawn", drawn)

        @person.on("draw.*")
        def draw(*where):
            if person.event == "draw.clear":
                drawn.clear()
            else:
                drawn.append([person.event, *where])
            stractory.emit(people, person.event, *where)

        person.on_close(lambda: people.discard(person))

    return handle


def points_on(x, y, to_x, to_y):
    steps = max(abs(to_x - x), abs(to_y - y), 1)
    parts = [step / steps for step in range(steps + 1)]
    return {(round(x + (to_x - x) * part), round(y + (to_y - y) * part)) for part in parts}


class Picture:
    """What one person sees of it."""

    def __init__(self, emitter):
        self.emitter = emitter
        self.points = set()
        emitter.on("drawn", self.begin)
        emitter.on("draw.*", self.draw)
        emitter.emit("begin")

    def begin(self, drawn):
        for event, *where in drawn:
            self.add(event, *where)
        self.show("drawn so far")

    def draw(self, *where):
        event = self.emitter.event
        self.add(event, *where)
        self.show(" ".join(map(str, [event, *where])))

    def add(self, event, *where):
        match event:
            case "draw.line":
                self.points |= points_on(*where)
            case "draw.dot":
                self.points.add(where)
            case "draw.clear":
                self.points.clear()

    def show(self, title):
        rows = ("".join(".#"[(x, y) in self.points] for x in range(WIDTH)) for y in range(HEIGHT))
        print(title, *rows, sep="\n")


def draw(strac, name):
    strac.create(name, stractory.eventemitter(board), if_exists="get")
    emitter = strac.get(name)
    Picture(emitter)
    for line in sys.stdin:
        match line.split():
            case [what, *where] if NUMBERS.get(what) == len(where) and all(map(str.isdecimal, where)):
                if not emitter.emit(f"draw.{what}", *map(int, where)):
                    sys.exit("drawing: the board is gone")
            case _:
                print("line X Y X Y, dot X Y, or clear")


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("board")
    board = usage.parse_args().board
    sys.stdout.reconfigure(line_buffering=True)
    sys.stdin.reconfigure(errors="replace")  # whatever is typed
    with stractory.client(background=True) as strac:  # it hears while this thread waits for a line
        draw(strac, board)


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"drawing: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
