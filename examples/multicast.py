"""A multicast echo: what one says, all get. In several terminals

python examples/multicast.py events    with an eventemitter, which is told of events with data
python examples/multicast.py cat       with one child process, whose input and output are everybody's

and type in any of them; Ctrl-D leaves.
"""

import argparse
import sys
import threading
from contextlib import suppress

import stractory


def multicast(options):
    clients = []

    def handle(emitter):
        clients.append(emitter)
        emitter.on_close(lambda: clients.remove(emitter))

        @emitter.on("echo")
        def echo(data):
            stractory.emit(clients, "echo", data)

    return handle


def events(strac):
    strac.create("multicast.events", stractory.eventemitter(multicast), if_exists="get")
    emitter = strac.get("multicast.events")
    emitter.on("echo", lambda data: print(data["text"]))
    print("What you type goes to all.")
    for line in sys.stdin:
        if not emitter.emit("echo", {"text": line.rstrip("\n")}):
            sys.exit("multicast: the actor is gone")


def cat(strac):
    strac.create("multicast.cat", stractory.spawn("cat"), if_exists="get")  # that is all of it
    stream = strac.get("multicast.cat")
    threading.Thread(target=show, args=[stream], daemon=True).start()
    print("What you type goes to all.")
    for line in sys.stdin:
        stream.sendall(line.encode())


def show(stream):
    with suppress(OSError):  # it ends with the connection
        for line in stream.makefile(encoding="utf-8", errors="replace"):
            print(line, end="")


def main():
    uses = {"events": events, "cat": cat}
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("use", choices=uses)
    use = usage.parse_args().use
    sys.stdout.reconfigure(line_buffering=True, errors="replace")
    sys.stdin.reconfigure(errors="replace")  # whatever is typed
    with stractory.client(background=True) as strac:  # it hears while this thread waits for a line
        uses[use](strac)


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"multicast: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
