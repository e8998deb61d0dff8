"""An echo actor, created and used. The registry is $STRACTORY_REGISTRY, by default 127.0.0.1:9000."""

import argparse
import sys

import stractory


def echo(options):
    def handle(stream, address):
        for data in stream:
            stream.sendall(data)

    return handle


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    with stractory.client() as strac:
        strac.create("mr-echo", echo, if_exists="get")
        stream = strac.get("mr-echo")
        stream.sendall(b"Hello")
        print("mr-echo said:", stream.recv(100).decode())


if __name__ == "__main__":
    try:
        main()
    except stractory.StractoryError as error:
        sys.exit(f"echo: {error}")
