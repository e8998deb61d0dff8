"""Counts lines for anyone: each line sent is answered with its number, over all clients. Try it with nc."""

import argparse
import itertools
import sys

import stractory


def line_counter(options):
    numbers = itertools.count(1)

    def handle(stream, address):
        with stream.makefile("rb") as lines:
            for _line in lines:
                stream.sendall(b"%d\n" % next(numbers))

    return handle


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    with stractory.client() as strac:
        strac.create("line-counter", line_counter, public=True, if_exists="get")
        host, port = strac.endpoint("line-counter").removeprefix("tcp://").split(":")
        print(f"nc {host} {port}")


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"line_counter: {error}")
