"""The whole in one go: a registry and four workers, actors used from other processes, and an orderly end.

scripts/demo runs it. Everything listens on free loopback ports, with a key of its own in a temporary folder.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE.parent / "bin"

GREET = """
import stractory
with stractory.client() as strac:
    for name in ("green", "blue"):
        with strac.connect("greeter." + name) as stream:
            stream.sendall(b"{visitor}")
            print(stream.recv(100).decode())
"""


def greeter(options):
    visitors = []  # the actor's state: it lives on its worker, whoever comes

    def handle(stream, address):
        for data in stream:
            visitors.append(data.decode())
            stream.sendall(f"  {options['color']}: hello {', '.join(visitors)}".encode())

    return handle


@contextmanager
def chatting(*words):
    """The chat room example in a process of its own, while the block runs."""
    process = subprocess.Popen(  # noqa: S603  # a program of ours
        [sys.executable, str(HERE / "chatroom.py"), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,  # what is typed goes out by the line
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def chat():
    """Alex and Bob type, each in turn; what a third hears is printed."""
    with chatting("listen", "lobby") as listener, ExitStack() as people:
        print(f"  {listener.stdout.readline().strip()}")
        talkers = []
        for name in ("Alex", "Bob"):
            talkers.append(people.enter_context(chatting("talk", "lobby", name)))
            print(f"  {listener.stdout.readline().strip()}")
        for talker, text in zip(talkers, ("Hello", "Hello back"), strict=True):
            talker.stdin.write(f"{text}\n")
            print(f"  {listener.stdout.readline().strip()}")


@contextmanager
def daemon(ready, program, *arguments):
    """A program of bin/, while the block runs; gives its ready line."""
    process = subprocess.Popen(  # noqa: S603  # a program of ours
        [sys.executable, str(BIN / program), "--log-level=warning", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process alone, which ends the others in order
    )
    try:
        for line in process.stdout:
            print(f"  {line.strip()}")
            if ready in line:
                break
        else:
            raise SystemExit(f"{program} did not start")
        yield line.strip()
    finally:
        process.terminate()
        status = process.wait()
        process.stdout.close()
        print(f"  {program} ended with status {status}")


def in_another_process(*command):
    """Run Python there; gives what it printed."""
    python = [sys.executable, *command]
    ended = subprocess.run(  # noqa: S603  # a program of ours
        python, check=True, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    return ended.stdout.rstrip()


def example(file):
    return in_another_process(str(HERE / file))


def count_two_lines(nc, host, port):
    """What ``nc HOST PORT`` would show."""
    with socket.create_connection((host, int(port))) as anybody, anybody.makefile("r") as answers:
        anybody.sendall(b"one\ntwo\n")
        return f"{answers.readline().strip()}, {answers.readline().strip()}"


def fetch(address):
    """The page that a browser would get."""
    connection = HTTPConnection(address.removeprefix("http://"))
    connection.request("GET", "/")
    with connection.getresponse() as page:
        return page.read().decode().strip()


def end_on_signals():
    """SIGINT, SIGTERM and SIGHUP leave all the blocks on the way out, once."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def handle(number, frame):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in numbers:
        signal.signal(number, handle)


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    import stractory

    sys.stdout.reconfigure(line_buffering=True)  # in order with what the other processes print
    end_on_signals()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        os.environ["STRACTORY_KEY_FILE"] = str(Path(folder) / "cluster.key")
        print("Starting a registry and a pool of four workers:")
        line = running.enter_context(daemon("registry ready", "stractory", "--listen=0", "--http=0"))
        address = os.environ["STRACTORY_REGISTRY"] = line.split()[-1]
        running.enter_context(
            daemon("pool ready", "stractory-workers", "--workers=4", f"--registry={address}")
        )
        running.callback(print, "Ending everything:")
        with stractory.client() as strac:
            print(f"Its page, as long as this runs: {strac.page_link().partition('?')[0]}")
            print("Creating two actors:")
            for color in ("green", "blue"):
                definition = stractory.stream(greeter, options={"color": color})
                info = strac.create(f"greeter.{color}", definition)
                print(f"  {info.name} runs on worker {info.worker}")
            for visitor in ("Alex", "Bob"):
                print(f"{visitor}, in a process of their own, says hello to both:")
                print(in_another_process("-c", GREET.format(visitor=visitor)))
            print("A chat, between processes of their own:")
            chat()
            print("Other examples:")
            print(f"  {example('echo.py')}")
            nc = example("line_counter.py")
            print(f"  {nc}: two lines sent, the answers are {count_two_lines(*nc.split())}")
            address = example("web_page.py")
            print(f"  {address}: {fetch(address)}")
            print("All actors:")
            for info in strac.list():
                print(f"  {info.name:16} {info.kind:8} {info.worker}")
            if sys.stdin.isatty():
                input("Enter ends it all: ")
    print("Done.")


if __name__ == "__main__":
    main()
