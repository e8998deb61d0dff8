"""Actors of the tests: none of this can be imported on the workers."""

import gevent

GREETING = b"hello "


def shout(data):
    return data.upper()


def echo(options):
    def handle(stream, address):
        for data in stream:
            stream.sendall(data)

    return handle


def greet(options):
    def handle(stream, address):
        for data in stream:
            stream.sendall(GREETING + shout(data) + options.get("mark", b""))

    return handle


def fragile(options):
    def handle(stream, address):
        for data in stream:
            if data == b"fail":
                raise RuntimeError("as asked")
            stream.sendall(data)

    return handle


def slow_to_start(options):
    gevent.sleep(0.2)
    return echo(options)


def mourned(options, context):
    """Its destroy() creates an actor, which others can see."""
    handle = echo(options)
    client = context.client
    handle.destroy = lambda: client.create(f"{context.name}.destroyed", echo)
    return handle


def missing_module(options):
    import no_such_module_anywhere

    return no_such_module_anywhere


def leaves(options):
    raise SystemExit(3)
