"""Code of actors that forks or exits, in processes that may end of it."""

from __future__ import annotations

import sys
import textwrap

import pytest

from tests.support.programs import run_program


def run(program):
    return run_program(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30
    )


@pytest.mark.parametrize(
    ("last_words", "status"),
    [("pass", 0), ("sys.exit()", 0), ("sys.exit(7)", 7), ("sys.exit('no')", 1), ("1 / 0", 1)],
)
def test_a_forked_child_does_not_come_back(last_words, status):
    ran = run(f"""
        import os, sys
        from stractory.worker.exits import one_process

        def fork():
            global child
            child = os.fork()
            if not child:
                {last_words}

        one_process(fork)
        if not child:
            print("a second worker", flush=True)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert ran.stdout == f"{status}\n"
    assert ran.returncode == 0


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()", "ValueError('wrong')"])
def test_a_green_thread_does_not_end_the_process(raised):
    ran = run(f"""
        import logging
        import gevent
        from stractory.worker.exits import outlive_exits

        logging.basicConfig()
        outlive_exits()

        def fail():
            raise {raised}

        gevent.spawn(fail).join()
        gevent.spawn(print, "alive").join()
    """)
    assert (ran.returncode, ran.stdout) == (0, "alive\n")
    assert "a green thread failed" in ran.stderr and "in fail" in ran.stderr


def test_a_green_thread_of_a_forked_child_ends_it():
    ran = run("""
        import os, sys
        import gevent
        from stractory.worker.exits import outlive_exits

        outlive_exits()

        def fork():
            global child
            child = os.fork()
            if not child:
                sys.exit(7)

        gevent.spawn(fork).join()
        if not child:
            print("a second worker", flush=True)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert (ran.returncode, ran.stdout) == (0, "7\n")
