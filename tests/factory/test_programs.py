"""The programs people write with a client: patched ones, and a person at a prompt."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.actors import echo
from tests.support.programs import run_program, start_program
from tests.support.prompt import Prompt

ROOT = Path(__file__).resolve().parents[2]

PATCHED = """
    from gevent import monkey
    monkey.patch_all()

    import sys, threading, time
    import stractory

    _, address, name = sys.argv
    strac = stractory.client(address)
    seen = []


    def talk(number):
        with strac.connect(name) as stream:
            stream.sendall(b"%d" % number)
            seen.append(int(stream.recv(10)))


    def tell(name, connection, had_error):
        print("over:", name, had_error)


    threads = [threading.Thread(target=talk, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(seen) == list(range(20)))

    # What arrives while the program waits for something else is served.
    over = threading.Event()
    strac.on("actor-close", lambda name, connection, had_error: over.set())
    strac.get(name)
    ending = threading.Thread(target=strac.destroy, args=(name,))
    ending.start()
    print(over.wait(20))
    ending.join()
    same = stractory.client(address, background=True)
    print(same.list(name) == [])
"""


INTERRUPTED = """
    import os, signal, sys
    import gevent
    import stractory

    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have background jobs ignore it
    with stractory.client(sys.argv[1]) as strac:
        try:
            strac.list()
            gevent.get_hub().loop.run_callback(os.kill, os.getpid(), signal.SIGINT)  # while it waits
            strac.wait("nobody makes it")
        except KeyboardInterrupt:
            print("interrupted")
"""


def test_ctrl_c_in_a_call_is_the_callers_alone(cluster):
    run = run_program(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), cluster.address],
        env={**cluster.env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.stderr, run.stdout) == ("", "interrupted\n")


def test_a_patched_program(cluster, strac, name):
    strac.create(name, echo)
    run = run_program(
        [sys.executable, "-c", textwrap.dedent(PATCHED), cluster.address, name],
        env=cluster.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.stderr, run.stdout) == ("", "True\nTrue\nTrue\n")


TWO_ENDS = """
import stractory, threading
strac = stractory.client(background=True)
def told(name, connection, had_error):
    print("over:", name, had_error)

strac.on("actor-close", told)
"""


def test_a_prompt(cluster, strac, name):
    """What arrives while the person does nothing at all is served."""

    def ticking(options):
        def handle(stream, address):
            while stream.recv(100):
                stream.sendall(b"tick")

        return handle

    strac.create(name, ticking)
    with Prompt({**cluster.env, "STRACTORY_REGISTRY": cluster.address, "PYTHONPATH": str(ROOT)}) as prompt:
        prompt.type(TWO_ENDS.strip())
        prompt.type(f"stream = strac.connect({name!r})")
        prompt.type('stream.sendall(b"go")\nstream.recv(100)')
        prompt.wait_for(r"b'tick'")
        prompt.type(f"strac.create({name + '.mine'!r}, lambda options: lambda stream, address: None).state")
        prompt.wait_for("'running'")
        strac.destroy(name)
        prompt.wait_for(f"over: {name} False")


RACE = """
    import sys
    from gevent.pool import Pool
    import stractory

    _, address, name = sys.argv
    strac = stractory.client(address)
    strac.workers()
    print("ready", flush=True)
    sys.stdin.read()


    def try_create(number):
        try:
            return "won", strac.create(name, lambda options: lambda stream, address: None).epoch
        except stractory.ActorExists as error:
            return "exists", error.details["epoch"]


    for outcome, epoch in Pool(5).map(try_create, range(5)):
        print(outcome, epoch)
"""


def test_a_hundred_racers_in_twenty_processes(cluster, strac, name):
    racers = [
        start_program(
            [sys.executable, "-c", textwrap.dedent(RACE), cluster.address, name],
            env=cluster.env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(20)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.close()
    outcomes = [line.split() for racer in racers for line in racer.stdout]
    assert [racer.wait(20) for racer in racers] == [0] * 20
    for racer in racers:
        racer.stdout.close()
    (winner,) = [epoch for outcome, epoch in outcomes if outcome == "won"]
    assert len(outcomes) == 100
    assert {epoch for outcome, epoch in outcomes if outcome == "exists"} <= {winner, "None"}
    assert exchange_nothing(strac.connect(name)) == b""


def exchange_nothing(stream) -> bytes:
    stream.settimeout(20)
    return stream.recv(1)
