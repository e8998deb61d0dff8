"""The client and several registries, of which some fail it: scripted ones, in this process."""

from __future__ import annotations

import re

import gevent
import pytest

import stractory
from stractory.proof import keys
from tests.clients.test_registry_link import ROW, Script


def answers(script, link, stream):
    return []


def dies(script, link, stream):
    link.close(linger=0)


class Several:
    """Scripted registries; a client's are told apart by their addresses."""

    def __init__(self, folder) -> None:
        self._keys = keys.load(folder / "cluster.key", create=True)
        self._other_keys = keys.load(folder / "other.key", create=True)
        self.scripts: dict[str, Script] = {}

    def add(self, listed=answers, *, other_key: bool = False) -> Script:
        script = Script(self._other_keys if other_key else self._keys, listed)
        self.scripts[str(script.listener.address)] = script
        return script

    def client(self) -> stractory.Client:
        return stractory.client(list(self.scripts), key_file=self._keys.path)

    def of(self, strac) -> Script:
        """The one that the client is linked to."""
        return self.scripts[strac.registry]

    def after(self, strac) -> Script:
        """The one that takes its place."""
        order = [*strac.registries, *strac.registries]
        return self.scripts[order[order.index(strac.registry) + 1]]

    def stop(self, script) -> None:
        script.listener.close()
        for link in script.links:
            link.close(linger=0)

    @property
    def linked(self) -> list[int]:
        """How many links each has been given."""
        return [len(script.links) for script in self.scripts.values()]


@pytest.fixture
def several(tmp_path):
    several = Several(tmp_path)
    yield several
    for script in several.scripts.values():
        several.stop(script)


def test_a_client_stays_with_one(several):
    for _ in range(3):
        several.add()
    with several.client() as strac:
        first = strac.registry
        for _ in range(5):
            assert strac.list() == []
        assert strac.registry == first
        assert sorted(several.linked) == [0, 0, 1]


def test_when_its_link_breaks_the_next_is_asked_at_once(several, monkeypatch):
    monkeypatch.setattr("stractory.clients.registry.RETRY_DELAY", 1000.0)
    for _ in range(3):
        several.add()
    with several.client() as strac:
        for _ in range(4):  # round, and the first once more
            assert strac.list() == []
            gone, coming = several.of(strac), several.after(strac)
            gone.links[-1].close(linger=0)
            assert strac.list() == []
            assert several.of(strac) is coming


def test_those_that_cannot_be_reached_are_passed_over_at_once(several, monkeypatch):
    monkeypatch.setattr("stractory.clients.registry.RETRY_DELAY", 1000.0)
    scripts = [several.add() for _ in range(3)]
    for script in scripts[:2]:
        several.stop(script)
    for _ in range(9):  # wherever it begins
        with several.client() as strac:
            assert strac.list() == []
            assert several.of(strac) is scripts[2]


@pytest.mark.parametrize("method", ["list", "create", "wait"])
def test_what_can_be_repeated_goes_on_at_the_next(several, method):
    def one_dies(script, link, stream):
        if sum(script.calls for script in several.scripts.values()) == 1:
            link.close(linger=0)
        return [ROW] if method == "list" else ROW

    for _ in range(2):
        several.add(one_dies)
    actor = stractory.stream("module:init")
    with several.client() as strac:
        if method == "list":
            assert [info.name for info in strac.list()] == ["name"]
        elif method == "create":
            assert strac.create("name", actor).name == "name"
        else:
            with pytest.raises(stractory.ActorNotFound):  # the look-up that follows
                strac.wait("name")
    for script in several.scripts.values():
        assert script.calls == 1
        assert script.defined == ([actor.shipped.packed] if method == "create" else [])


def test_a_call_that_ends_registries_ends_no_more_than_two(several):
    for _ in range(3):
        several.add(dies)
    with several.client() as strac:
        first = strac.registry
        second = str(several.after(strac).listener.address)
        both = rf"^registry {re.escape(first)} and registry {re.escape(second)} went away during list\(\)$"
        with pytest.raises(stractory.RegistryUnavailable, match=both):
            strac.list()
    assert sorted(script.calls for script in several.scripts.values()) == [0, 1, 1]


def test_destroy_is_not_repeated(several):
    for _ in range(2):
        several.add(dies)
    with several.client() as strac:
        gone = rf"^registry {re.escape(strac.registry)} went away during destroy\(\)$"
        with pytest.raises(stractory.RegistryUnavailable, match=gone):
            strac.destroy("name")
    assert sorted(script.calls for script in several.scripts.values()) == [0, 1]


def test_none_that_ever_answered_is_an_error_that_names_all(several):
    for _ in range(3):
        several.stop(several.add())
    with several.client() as strac, pytest.raises(stractory.RegistryUnavailable) as raised:
        strac.list()
    text = str(raised.value)
    assert text.startswith("no link to the registry: nobody answers at ")
    assert [text.count(where) for where in several.scripts] == [1, 1, 1]


def test_all_are_waited_for_and_any_that_comes_back_will_do(several):
    for _ in range(2):
        several.add()
    with several.client() as strac:
        assert strac.list() == []
        other = several.after(strac)
        where = other.listener.address
        for script in several.scripts.values():
            several.stop(script)
        late = r"^the registry did not come back in 0\.3 s: nobody answers at .*; nobody answers at "
        with pytest.raises(stractory.RegistryUnavailable, match=late):
            strac.list(timeout=0.3)
        asking = gevent.spawn(strac.list)
        gevent.idle()
        assert not asking.ready()
        other.listen(where)
        assert asking.get(timeout=20) == []
        assert strac.registry == str(where)


def test_one_that_says_nothing_holds_up_no_second_call(several):
    silent, talking = several.add(), several.add()
    with several.client() as strac:
        assert strac.list() == []
        if several.of(strac) is silent:
            silent, talking = talking, silent
        silent.proves = False
        talking.links[0].close(linger=0)  # so that the silent one is next
        both = r"^registry \S+ and registry \S+ did not answer in 0\.1 s$"
        with pytest.raises(stractory.RegistryUnavailable, match=both):
            strac.wait("name", timeout=0.1)
        assert strac.list() == []
        assert several.of(strac) is talking


def test_one_that_knows_another_key_is_passed_over(several):
    several.add(other_key=True)
    friend = several.add()
    for _ in range(6):
        with several.client() as strac:
            assert strac.list() == []
            assert several.of(strac) is friend


def test_where_all_know_another_key_that_is_the_error(several):
    for _ in range(2):
        several.add(other_key=True)
    with several.client() as strac, pytest.raises(stractory.AuthError) as raised:
        strac.list()
    text = str(raised.value)
    assert [text.count(where) for where in several.scripts] == [1, 1]


def test_a_key_refused_here_and_nobody_there(several):
    several.add(other_key=True)
    several.stop(several.add())
    unavailable = pytest.raises(stractory.RegistryUnavailable, match="no link to the registry: ")
    with several.client() as strac, unavailable as raised:
        strac.list()
    text = str(raised.value)
    assert "it refuses" in text and "nobody answers" in text


def test_a_role_that_is_lacking_is_lacking_everywhere(several):
    def forbids(script, link, stream):
        raise stractory.ForbiddenRole("not with this key")

    for _ in range(2):
        several.add(forbids)
    with several.client() as strac, pytest.raises(stractory.ForbiddenRole):
        strac.list()
    assert sorted(script.calls for script in several.scripts.values()) == [0, 1]


def test_close_ends_the_search(several):
    for _ in range(2):
        several.add()
    with several.client() as strac:
        assert strac.list() == []
        for script in several.scripts.values():
            several.stop(script)
        asking = gevent.spawn(strac.list)
        gevent.idle()
        assert not asking.ready()
        strac.close()
        with pytest.raises(stractory.RegistryUnavailable, match="was closed"):
            asking.get(timeout=20)
