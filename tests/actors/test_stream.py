"""What may be the handler of a stream actor."""

from __future__ import annotations

import functools

import pytest

from stractory.actors.stream import check_handler


async def coroutine(stream, address):
    pass


async def coroutine_generator(stream, address):
    yield


def generator(stream, address):
    yield


def one(stream):
    pass


def two(stream, address):
    pass


def three(stream, address, other):
    pass


def needs_keyword(stream, address, *, other):
    pass


def any_number(*arguments):
    pass


def two_and_more(stream, address, timeout=5, *others, limit=10, **options):
    pass


@functools.wraps(three)
def wrapped(stream, address):
    pass


class Handler:
    def __init__(self, stream=None, address=None):
        pass

    def __call__(self, stream, address):
        pass

    def method(self, stream, address):
        pass


class CoroutineHandler:
    async def __call__(self, stream, address):
        pass


class GeneratorHandler:
    def __call__(self, stream, address):
        yield


@pytest.mark.parametrize(
    "handler",
    [
        two,
        any_number,
        wrapped,
        Handler(),
        Handler().method,
        Handler,
        functools.partial(three, other=1),
        dict.get,
    ],
)
def test_handlers(handler):
    check_handler(handler)


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (5, "int"),
        (None, "NoneType"),
        (coroutine, "async def"),
        (coroutine_generator, "async def"),
        (functools.partial(coroutine), "async def"),
        (CoroutineHandler(), "async def"),
        (CoroutineHandler().__call__, "async def"),
        (generator, "generator function"),
        (GeneratorHandler(), "generator function"),
        (one, r"parameters of this one are \(stream\)"),
        (lambda: None, r"parameters of this one are \(\)"),
        (lambda *, stream, address: None, "parameters"),
        (lambda **arguments: None, "parameters"),
        (three, r"parameters of this one are \(stream, address, other\)"),
        (needs_keyword, "parameters"),
    ],
)
def test_no_handlers(handler, told):
    with pytest.raises(TypeError, match=told) as caught:
        check_handler(handler)
    assert "handler(stream, address)" in str(caught.value)
