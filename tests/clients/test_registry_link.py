"""The client and registries that fail it: scripted ones, in this process."""

from __future__ import annotations

import re

import gevent
import pytest
from gevent.event import Event

import stractory
from stractory.net.address import address
from stractory.net.calls import Calls
from stractory.net.link import Link
from stractory.net.listener import Listener
from stractory.net.serving import Serving
from stractory.proof import keys
from stractory.proof.handshake import holders, prove_to_client
from stractory.proof.keys import ROLES

ROW = ["name", "stream", "worker", 1, "running", 1.0, False, False, "never", "", False, ""]


class Script:
    """A registry whose ``list`` and some others do what a test wants with link and stream."""

    def __init__(self, keys, listed):
        self._keys = keys
        self._listed = listed
        self.accepts = True
        self.proves = True
        self.calls = 0
        self.defined: list[bytes] = []
        self.links: list[Link] = []
        self.listen(address("0"))

    def listen(self, where):
        self.listener = Listener(where, self._handle, name="script")

    def _handle(self, sock, peer):
        if not self.proves:
            sock.recv(1)  # until the client gives up
            return
        prove_to_client(sock, "registry", holders(self._keys, ROLES))
        link = Link(sock, dialled=False, peer="client", serve=self._serve)
        self.links.append(link)
        link.run()

    def _serve(self, link, stream, dial):
        if not self.accepts:
            self.kept = stream
            return
        link.accept_stream(stream)

        def listed(*arguments):
            self.calls += 1
            return self._listed(self, link, stream)

        scripted = dict.fromkeys(("list", "create", "wait", "destroy"), listed)
        others = {"lookup": lambda names: [None], "define": self.defined.append}
        Calls(stream, Serving({**scripted, **others}))


@pytest.fixture
def play(tmp_path):
    key_ring = keys.load(tmp_path / "cluster.key", create=True)
    scripts = []

    def begin(listed):
        scripts.append(Script(key_ring, listed))
        return scripts[-1], stractory.client(str(scripts[-1].listener.address), key_file=key_ring.path)

    yield begin
    for script in scripts:
        script.listener.close()
        for link in script.links:
            link.close(linger=0)


def test_a_registry_that_dies_of_every_call_is_called_twice(play):
    script, strac = play(lambda script, link, stream: link.close(linger=0))
    with strac, pytest.raises(stractory.RegistryUnavailable, match=r"went away during list\(\)"):
        strac.list()
    assert script.calls == 2


def test_wait_outlives_any_number_of_breaks(play, monkeypatch):
    monkeypatch.setattr("stractory.clients.registry.RETRY_DELAY", 0.0)

    def breaks(script, link, stream):
        if script.calls < 5:
            link.close(linger=0)
        return ROW

    script, strac = play(breaks)
    with strac, pytest.raises(stractory.ActorNotFound):  # the look-up that follows
        strac.wait("name")
    assert script.calls == 5


def test_the_second_answer_counts(play):
    def once(script, link, stream):
        if script.calls == 1:
            link.close(linger=0)
        return []

    script, strac = play(once)
    with strac:
        assert strac.list() == []
    assert script.calls == 2


def test_a_definition_is_sent_once_and_again_when_it_was_forgotten(play):
    def forgets(script, link, stream):
        if script.calls == 2:
            raise stractory.UnknownDefinition("forgotten")
        return ROW

    script, strac = play(forgets)
    actor = stractory.stream("module:init")
    with strac:
        for sent in (1, 2, 2):
            strac.create("name", actor)
            assert script.defined == [actor.shipped.packed] * sent


def test_a_replaced_link_is_closed(play):
    def once(script, link, stream):
        if script.calls == 1:
            stream.abort()
        return []

    script, strac = play(once)
    with strac:
        assert strac.list() == []
        old, new = script.links
        over = Event()
        old.call_at_end(lambda reason: over.set())
        assert over.wait(20)
        assert new.ended is None


def test_a_registry_that_takes_links_and_no_streams(play, monkeypatch):
    monkeypatch.setattr("stractory.clients.registry.TIME_LIMIT", 0.2)
    script, strac = play(None)
    script.accepts = False
    with strac, pytest.raises(stractory.RegistryUnavailable) as raised:
        strac.wait("name")
    text = str(raised.value)
    assert text.startswith("no link to the registry: ") and text.count(str(script.listener.address)) == 1


def test_a_registry_that_does_not_come_back(play):
    script, strac = play(lambda script, link, stream: [])
    with strac:
        assert strac.list() == []
        script.listener.close()
        script.links[0].close(linger=0)
        where = re.escape(str(script.listener.address))
        late = rf"^the registry did not come back in 0\.3 s: nobody answers at {where}: [^:]*refused$"
        with pytest.raises(stractory.RegistryUnavailable, match=late):
            strac.list(timeout=0.3)


def test_a_registry_that_breaks_the_wire_format(play):
    told = []
    over = Event()

    def garbles_once(script, link, stream):
        if script.calls == 1:
            link._socket.send(b"\x00" + b"\xff" * 11)
        return []

    _, strac = play(garbles_once)
    strac.on("error", lambda error: told.append(("error", error)))
    strac.on("fail", lambda error: told.append(("fail", error)))
    strac.on("close", lambda had_error: (told.append(("close", had_error)), over.set()))
    with strac:
        assert strac.list() == []
        assert over.wait(20)
        (event, error), end = told
    assert event == "fail"
    assert isinstance(error, stractory.ProtocolError)
    assert end == ("close", True)


def test_close_ends_the_calls_that_wait(play):
    asked = Event()

    def never(script, link, stream):
        asked.set()
        Event().wait()

    script, strac = play(never)

    def ask():
        with pytest.raises(stractory.RegistryUnavailable, match="was closed"):
            strac.list()

    asking = gevent.spawn(ask)
    assert asked.wait(20)
    strac.close()
    asking.get(timeout=20)
    assert script.calls == 1
