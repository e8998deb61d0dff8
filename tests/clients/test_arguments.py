"""What users pass in is looked at before anything is sent: these clients have nobody to ask."""

from __future__ import annotations

import math
import re
import socket

import pytest

import stractory
from stractory.net.address import Address, addresses
from stractory.wire.codec import MESSAGE_LIMIT
from tests.support.actors import echo


@pytest.fixture(scope="module")
def strac():
    """A client of nothing: whatever it asked would raise AuthError, for it has no key."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield stractory.client(f"127.0.0.1:{taken.getsockname()[1]}", key_file="/nowhere/cluster.key")


WRONG_NAMES = ["", "n" * 513, "ü" * 257, "half \ud800"]


@pytest.mark.parametrize("wrong", WRONG_NAMES, ids=["empty", "long", "long in UTF-8", "surrogate"])
def test_wrong_names(strac, wrong):
    for use in (strac.connect, strac.get, strac.wait, strac.destroy, strac.endpoint):
        with pytest.raises(stractory.InvalidName, match="512 bytes of UTF-8"):
            use(wrong)
    with pytest.raises(stractory.InvalidName, match="512 bytes of UTF-8"):
        strac.create(wrong, echo)
    with pytest.raises(stractory.InvalidName, match="512 bytes of UTF-8"):
        strac.connect(["good", wrong])


@pytest.mark.parametrize("method", ["get", "wait", "destroy", "endpoint"])
def test_one_name_at_a_time(strac, method):
    with pytest.raises(TypeError, match=r"connect\(\) takes several"):
        getattr(strac, method)(["a", "b"])


def test_no_names_at_all(strac):
    for wrong in (5, None, b"name"):
        with pytest.raises(TypeError, match="a name, an iterable of names or a compiled pattern"):
            strac.connect(wrong)
    with pytest.raises(stractory.InvalidName):
        strac.connect([5])
    with pytest.raises(TypeError, match="compiled patterns"):
        strac.list(5)


def test_create_the_wrong_way_round(strac):
    for actor in (echo, stractory.stream(echo)):
        with pytest.raises(TypeError, match="the name first"):
            strac.create(actor, "name")


def test_create_of_a_class_whose_objects_serve_no_streams(strac):
    class Room:
        def __init__(self, options):
            self.people = []

    class Handler:
        def __init__(self, options):
            self.greeting = options["greeting"]

        def __call__(self, stream, address):
            stream.sendall(self.greeting)

    with pytest.raises(TypeError, match=r"did you mean stractory\.rpc\(.*Room\)\?"):
        strac.create("name", Room)
    with pytest.raises(stractory.AuthError):
        strac.create("name", Handler)


def test_wrappers_take_two_arguments():
    def one(connection):
        return connection

    text = r"function\(connection, options\), .* the parameters of this one are \(connection\)"
    for make in (
        lambda: stractory.stream(echo, client=one),
        lambda: stractory.rpc(echo, client=one),
        lambda: stractory.eventemitter(echo, client=one),
        lambda: stractory.spawn("cat", client=one),
        lambda: stractory.wrapper("of one", one),
    ):
        with pytest.raises(TypeError, match=text):
            make()


def test_create(strac):
    with pytest.raises(ValueError, match="'error', 'get' or 'replace', not 'maybe'"):
        strac.create("name", echo, if_exists="maybe")
    with pytest.raises(TypeError, match="public is True or False, not 1"):
        strac.create("name", echo, public=1)
    with pytest.raises(TypeError, match="an actor is"):
        strac.create("name", 5)
    for wrong in ([("a", 1)], 0, "options"):
        with pytest.raises(TypeError, match="options are a mapping"):
            strac.create("name", echo, options=wrong)
        with pytest.raises(TypeError, match="options are a mapping"):
            stractory.stream(echo, options=wrong)
    with pytest.raises(stractory.ActorNotShippable, match="half"):
        strac.create("name", echo, options={"half \ud800": 1})
    with pytest.raises(stractory.ActorNotShippable, match=r"options\['x'\]\[0\] cannot travel: .*'set'"):
        strac.create("name", echo, options={"x": [{1}]})
    with pytest.raises(
        stractory.ActorNotShippable, match=r"options\['x'\] cannot travel: an array of more than 8388608"
    ):
        strac.create("name", echo, options={"x": [None] * (2**23 + 1)})


@pytest.mark.parametrize("where", ["options", "defaults", "both", "code"])
def test_too_large(strac, where):
    size = MESSAGE_LIMIT // 2 + 1 if where == "both" else MESSAGE_LIMIT
    data = bytes(size)

    def large(options):
        return lambda stream, address: stream.sendall(data)

    actor = large if where == "code" else echo
    options = {"data": data} if where in ("options", "both") else {}
    defaults = {"data": data} if where in ("defaults", "both") else {}
    with pytest.raises(stractory.ActorNotShippable, match=rf"[67]\d{{7}} bytes, and at most {2**26 - 2**16}"):
        strac.create("name", stractory.stream(actor, options=defaults), options=options)


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf])
def test_times(strac, wrong):
    for use in (
        lambda: strac.create("name", echo, timeout=wrong),
        lambda: strac.destroy("name", timeout=wrong),
        lambda: strac.connect("name", timeout=wrong),
        lambda: strac.get("name", timeout=wrong),
        lambda: strac.wait("name", timeout=wrong),
    ):
        with pytest.raises(ValueError, match="timeout is a number of seconds from 0 up"):
            use()
    with pytest.raises(TypeError, match="timeout is a number of seconds"):
        strac.get("name", timeout="1")
    with pytest.raises(TypeError, match="timeout is a number of seconds"):
        strac.create("name", echo, timeout=None)


@pytest.mark.parametrize("wrong", [0, -1, math.nan])
def test_idle_timeout(wrong):
    with pytest.raises(ValueError, match="idle_timeout is a number of seconds above 0"):
        stractory.client("9000", idle_timeout=wrong)


def test_events(strac):
    with pytest.raises(TypeError, match="a function is called"):
        strac.on("close", 5)


def test_addresses():
    for made in (
        stractory.client(9000),
        stractory.client("9000"),
        stractory.client(port=9000),
        stractory.client(host="127.0.0.1", port=9000),
        stractory.Client("127.0.0.1:9000"),
        stractory.Client(9000),
    ):
        assert repr(made) == "<stractory client of 127.0.0.1:9000>"
    assert repr(stractory.client(host="::1")) == "<stractory client of [::1]:9000>"


def test_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    two = "one:9000, [::1]:9001"
    monkeypatch.setenv("STRACTORY_REGISTRY", two)
    for made in (
        stractory.client("one:9000,[::1]:9001"),
        stractory.client(["one:9000", "[::1]:9001"]),
        stractory.client((Address("one", 9000), Address("::1", 9001))),
        stractory.client(background=True),
        stractory.Client(addresses(two)),
    ):
        assert repr(made) == f"<stractory client of {two}>"
        assert made.registries == ("one:9000", "[::1]:9001")
        assert made.registry in made.registries
    assert stractory.client([9000, 9001]).registries == ("127.0.0.1:9000", "127.0.0.1:9001")


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ("one:9000,one:9000", stractory.ConfigError, "has one:9000 twice"),
        ([9000, "127.0.0.1:9000"], stractory.ConfigError, "has 127.0.0.1:9000 twice"),
        ("one:9000,", stractory.ConfigError, "'' is not an address"),
        ([], stractory.ConfigError, "'' is not an address"),
        (("127.0.0.1", 9000), stractory.ConfigError, "'127.0.0.1' is not an address"),
        ([b"one:9000"], TypeError, '"host:port" or a port'),
        ([True], TypeError, '"host:port" or a port'),
        ({"one:9000"}, TypeError, '"host:port" or a port'),
        (b"one:9000", TypeError, '"host:port" or a port'),
    ],
)
def test_several_wrong_addresses(wrong, error, text):
    for make in (stractory.client, stractory.Client):
        with pytest.raises(error, match=re.escape(text)):
            make(wrong)


def test_an_address_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRACTORY_REGISTRY", "foo")
    for nothing in (None, ""):
        with pytest.raises(stractory.ConfigError, match=r"^STRACTORY_REGISTRY: 'foo' is not an address"):
            stractory.client(nothing)
    with pytest.raises(stractory.ConfigError, match=r"^'bar' is not an address"):
        stractory.client("bar")


def test_wrong_addresses():
    with pytest.raises(stractory.ConfigError, match="not both"):
        stractory.client("a:1", port=2)
    for wrong in ({"port": 65536}, {"port": "x"}, {"host": "a b"}, {"host": ""}, {"host": 5}):
        with pytest.raises(stractory.ConfigError):
            stractory.client(**wrong)
    for make in (stractory.client, stractory.Client):
        with pytest.raises(TypeError, match='"host:port" or a port'):
            make({"127.0.0.1": 9000})
        with pytest.raises(stractory.ConfigError):
            make("nonsense")


def test_dir_lists_the_public_names():
    assert dir(stractory) == sorted(stractory.__all__)


@pytest.mark.parametrize("wrong", ["sometimes", None, True, 1])
def test_no_such_restart(strac, wrong):
    with pytest.raises(ValueError, match="restart is 'never', 'on-failure' or 'always'"):
        strac.create("name", echo, restart=wrong)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [("sometimes", ValueError), (0, ValueError), (-1.5, ValueError), (float("nan"), ValueError),
     (float("inf"), ValueError), (True, TypeError), (None, TypeError), (b"none", TypeError)],
)  # fmt: skip
def test_no_such_snapshot(strac, wrong, error):
    with pytest.raises(error, match="snapshot"):
        strac.create("name", echo, restart="always", snapshot=wrong)


@pytest.mark.parametrize("snapshot", ["each call", 5])
def test_snapshots_are_for_what_comes_back(strac, snapshot):
    with pytest.raises(ValueError, match="give restart='on-failure' or 'always' too"):
        strac.create("name", echo, snapshot=snapshot)


def test_only_calls_can_be_repeated():
    with pytest.raises(TypeError, match="no calls that could be repeated"):
        stractory.idempotent(print)


@pytest.mark.parametrize("wrong", [None, 1, "yes"])
def test_isolate_is_a_bool(strac, wrong):
    with pytest.raises(TypeError, match="isolate is True or False"):
        strac.create("name", echo, isolate=wrong)
