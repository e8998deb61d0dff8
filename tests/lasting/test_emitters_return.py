"""Emitters of get(), whose actors come back elsewhere, on real workers that are killed."""

from __future__ import annotations

import os
import signal

import gevent
import pytest
from gevent.event import Event

import stractory
from tests.support.actors import Gate, pass_gate
from tests.support.cluster import Cluster, until
from tests.support.green import green_until, next_event


def room(options):
    """Tells who asks where it is, and all what one says."""
    import os

    import stractory

    everybody = []

    def handle(emitter):
        everybody.append(emitter)
        emitter.on_close(lambda: everybody.remove(emitter))
        emitter.on("where", lambda: emitter.emit("here", os.getpid()))
        emitter.on("say", lambda *words: stractory.emit(everybody, "said", *words))
        emitter.on("kick", emitter.close)

    return handle


def counter(options):
    return {"add": lambda: 1}


class Told:
    """What an emitter tells of its ends and beginnings."""

    def __init__(self, emitter):
        self.events = []
        for event in ("disconnect", "reconnect", "close"):
            emitter.on(event, lambda *data, event=event: self.events.append((event, *map(type, data))))

    def __eq__(self, other):
        return self.events == other

    __hash__ = None


def where(emitter):
    heard = next_event(emitter, "here")
    assert emitter.emit("where")
    return heard.get(timeout=20)


LOST = ("disconnect", stractory.ActorLost)
BACK = ("reconnect",)
OVER = ("close",)


def test_an_emitter_goes_on_with_the_next_life(strac):
    strac.create("room", stractory.eventemitter(room), restart="on-failure")
    emitter = strac.get("room")
    told, heard = Told(emitter), []
    emitter.on("said", heard.append)
    waiting = next_event(emitter, "said")
    pid = where(emitter)
    os.kill(pid, signal.SIGKILL)
    green_until(lambda: not emitter.connected)
    assert not emitter.emit("say", "to nobody") and emitter.missed == 1 and not emitter.closed
    green_until(lambda: told == [LOST, BACK])
    assert emitter.connected and where(emitter) != pid
    assert emitter.emit("say", "hello")
    assert waiting.get(timeout=20) == "hello"  # by once(), of the life before
    green_until(lambda: heard == ["hello"])
    assert strac.get("room") is emitter
    strac.destroy("room")
    green_until(lambda: emitter.closed)
    green_until(lambda: told == [LOST, BACK, ("disconnect", stractory.ActorEnded), OVER])


def test_one_of_a_background_client_does_too(cluster, strac):
    strac.create("room", stractory.eventemitter(room), restart="on-failure")
    with cluster.client(background=True) as other:
        emitter = other.get("room")
        told, here = Told(emitter), []
        emitter.on("here", here.append)
        emitter.emit("where")
        until(lambda: here)
        os.kill(here[0], signal.SIGKILL)
        until(lambda: told == [LOST, BACK])
        emitter.emit("where")
        until(lambda: len(here) == 2)
        assert here[1] != here[0] and other.get("room") == emitter


def test_wrapped_ones_too(strac):
    class Room:
        def __init__(self, emitter, options):
            self.emitter = emitter

    strac.create("room", stractory.eventemitter(room, client=Room), restart="on-failure")
    wrapped = strac.get("room")
    pid = where(wrapped.emitter)
    os.kill(pid, signal.SIGKILL)
    green_until(lambda: not wrapped.emitter.connected)
    green_until(lambda: wrapped.emitter.connected)
    assert where(wrapped.emitter) != pid and strac.get("room") is wrapped


def test_one_moves_when_its_client_hears_of_a_later_life(strac):
    info = strac.create("room", stractory.eventemitter(room))
    emitter = strac.get("room")
    told = Told(emitter)
    strac._cache.saw("room", info.epoch)
    assert emitter.connected
    strac._cache.saw("room", info.epoch + 1)  # as when a wire is cut, and the old life goes on behind it
    assert not emitter.connected
    green_until(lambda: told == [LOST, BACK])
    assert where(emitter)


def test_get_does_not_wait_for_its_turn(strac):
    strac.create("room", stractory.eventemitter(room), restart="on-failure")
    emitter = strac.get("room")
    pid = where(emitter)
    os.kill(pid, signal.SIGKILL)
    green_until(lambda: not emitter.connected)
    assert strac.get("room") is emitter and emitter.connected
    assert where(emitter) != pid


def test_one_whose_actor_does_not_come_back_is_over(strac):
    strac.create("room", stractory.eventemitter(room))
    emitter = strac.get("room")
    told = Told(emitter)
    os.kill(where(emitter), signal.SIGKILL)
    green_until(lambda: told == [LOST, OVER])
    assert emitter.closed and not emitter.emit("where")
    strac.create("room", stractory.eventemitter(room))
    another = strac.get("room")
    assert another is not emitter and where(another)


def test_what_the_actor_or_its_user_closed_stays_closed(strac):
    strac.create("room", stractory.eventemitter(room), restart="on-failure")
    emitter = strac.get("room")
    told = Told(emitter)
    emitter.emit("kick")
    green_until(lambda: told == [OVER])
    emitter = strac.get("room")
    told = Told(emitter)
    os.kill(where(emitter), signal.SIGKILL)
    green_until(lambda: not emitter.connected)
    emitter.close()
    assert emitter.closed
    green_until(lambda: told == [LOST, OVER])
    another = strac.get("room")
    assert another is not emitter and where(another)
    assert told == [LOST, OVER]


def test_the_end_of_its_client_is_the_end(cluster, strac):
    strac.create("room", stractory.eventemitter(room), restart="on-failure")
    with cluster.client() as other:
        emitter = other.get("room")
        told = Told(emitter)
        where(emitter)
    green_until(lambda: told.events[-1:] == [OVER])
    assert emitter.closed and BACK not in told.events
    with cluster.client() as other:
        emitter = other.get("room")
        told = Told(emitter)
        os.kill(where(emitter), signal.SIGKILL)
        green_until(lambda: not emitter.connected)
    green_until(lambda: told == [LOST, OVER])


def test_a_name_that_another_kind_has_now_is_no_next_life(strac):
    strac.create("room", stractory.eventemitter(room))
    emitter = strac.get("room")
    told = Told(emitter)
    strac.create("room", stractory.rpc(counter), if_exists="replace")
    green_until(lambda: emitter.closed)
    green_until(lambda: [event for event, *_ in told.events] == ["disconnect", "close"])
    assert strac.get("room").add() == 1


def gated_room(options):
    pass_gate(options)
    return room(options)


def asked_of(strac):
    """How many names each look-up has that the client sends from now on."""
    asked = []
    call = strac._registry.call

    def note(method, *args, **options):
        if method == "lookup":
            asked.append(len(args[0]))
        return call(method, *args, **options)

    strac._registry.call = note
    return asked


def test_one_that_is_replaced_is_not_gone(strac):
    strac.create("room", stractory.eventemitter(room))
    emitter = strac.get("room")
    for _ in range(2):
        told, asked = Told(emitter), asked_of(strac)
        back = Event()
        emitter.once("reconnect", back.set)
        with Gate() as gate:
            slow = stractory.eventemitter(gated_room, options=gate.options)
            creating = gevent.spawn(strac.create, "room", slow, if_exists="replace")
            gate.wait_reached()
            green_until(lambda asked=asked: len(asked) >= 2)
            assert not emitter.closed
            gate.open()
            assert back.wait(20) and creating.get()
        assert [event for event, *_ in told.events] == ["disconnect", "reconnect"]
        assert where(emitter) and strac.get("room") is emitter


def test_many_are_looked_up_together():
    with Cluster(workers=2) as cluster, cluster.client() as strac:
        names = [f"room.{number}" for number in range(300)]
        for name in names:
            strac.create(name, stractory.eventemitter(room), restart="on-failure")
        emitters = [strac.get(name) for name in names]
        pid = where(emitters[0])
        lost = [emitter for emitter in emitters if where(emitter) == pid]
        asked = asked_of(strac)
        os.kill(pid, signal.SIGKILL)
        assert len(lost) > 50
        green_until(lambda: not any(emitter.connected for emitter in lost))
        green_until(lambda: all(emitter.connected for emitter in lost))
        assert all(where(emitter) for emitter in emitters)
        assert max(asked) > len(lost) / 2
        assert not any(emitter.closed for emitter in emitters)


def test_the_registry_may_be_away_meanwhile():
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        strac.create("room", stractory.eventemitter(room))
        emitter = strac.get("room")
        told = Told(emitter)
        cluster.kill_registry()
        strac._workers.close()  # as when the network between them was cut for a while
        green_until(lambda: told == [LOST])
        gevent.idle()
        cluster.restart_registry()
        green_until(lambda: told == [LOST, BACK])
        assert where(emitter)


@pytest.mark.parametrize("kind", ["stream", "spawn"])
def test_a_stream_ends_with_its_life(strac, kind):
    def echo(options):
        def handle(stream, address):
            import os

            stream.sendall(b"%d\n" % os.getpid())
            for data in stream:
                stream.sendall(data)

        return handle

    made = {"stream": echo, "spawn": stractory.spawn("sh", ["-c", "echo $PPID; exec cat"])}
    strac.create("echo", made[kind], restart="on-failure")
    stream = strac.get("echo")
    first = stream.recv(100)
    (info,) = strac.list("echo")
    pid = next(worker.pid for worker in strac.workers() if worker.address == info.worker)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(stractory.ActorLost):
        while stream.recv(100):
            pass
    with pytest.raises(stractory.ActorLost):
        stream.sendall(b"x")
    again = strac.get("echo")
    assert again is not stream and again.recv(100) != first
    until(lambda: strac.list("echo")[0].epoch > info.epoch)
