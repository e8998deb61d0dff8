"""A counter that outlives its worker: a number is kept before anybody is told.

python examples/counter.py            # the next number
python examples/counter.py --crash    # and one more, after its worker was killed
"""

import argparse
import contextlib
import os
import signal
import sys

import stractory


def counter(options):
    class Counter:
        def __init__(self):
            self.number = 0

        def next(self):
            self.number += 1
            return self.number

        def crash(self):
            os.kill(os.getpid(), signal.SIGKILL)

        def snapshot(self):
            return self.number

        def restore(self, number):
            self.number = number

    return Counter()


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--crash", action="store_true", help="have its worker killed")
    crash = usage.parse_args().crash
    with stractory.client() as strac:
        definition = stractory.rpc(counter)
        strac.create("counter", definition, restart="on-failure", snapshot="each call", if_exists="get")
        numbers = strac.get("counter")
        print(numbers.next())
        if crash:
            with contextlib.suppress(stractory.ActorLost):
                numbers.crash()
            print("its worker was killed")
            print(numbers.next())


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"counter: {error}")
