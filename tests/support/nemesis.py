"""A factory under faults: processes die or stand still, wires are cut, and people use it all the while.

All that is random comes of a seed; what the machine makes of it does not.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import gevent

import stractory
from tests.support.chance import chance
from tests.support.cluster import POOL_READY, Cluster, Daemon, until
from tests.support.faults import Wire, descriptors, green_threads, look_inside, resident, standing_still
from tests.support.green import green_until
from tests.support.history import (
    Copy,
    Reply,
    lost_increments,
    served_after_the_next,
    served_at_once,
    went_back,
)

LEASE = 2.0
RECOVERY = 20.0
"""Seconds in which all workers have to be back after a fault."""
CALL_LIMIT = 5.0
HUNG = CALL_LIMIT + 10.0
"""Seconds after which a call of a client counts as hung."""


def counter(options: Any, context: Any) -> Any:
    """An rpc actor that counts, and writes down when it began and when it was ended."""
    import json
    import os
    import time

    count = 0

    def write(what: str) -> None:
        line = json.dumps([what, context.name, context.epoch, os.getpid(), time.monotonic()])
        with open(options["log"], "a") as file:
            file.write(line + "\n")

    def increment() -> Any:
        nonlocal count
        count += 1
        return context.epoch, count

    write("start")
    return {"increment": increment, "destroy": lambda: write("stop")}


class Kept:
    """An rpc actor that counts, and whose count outlives it. It tells when it did."""

    def __init__(self, options: Any, context: Any) -> None:
        self._epoch = context.epoch
        self._count = 0

    def increment(self) -> Any:
        import time

        self._count += 1
        return self._epoch, self._count, time.monotonic()

    def snapshot(self) -> int:
        return self._count

    def restore(self, count: int) -> None:
        self._count = count


class Gauge(NamedTuple):
    """What a daemon needs: memory in MiB, descriptors, green threads."""

    memory: float
    descriptors: int
    green_threads: int

    def __str__(self) -> str:
        return f"{self.memory:.1f}/{self.descriptors}/{self.green_threads}"


class Site:
    """A registry, and pools of one worker that each have a wire of their own to it."""

    def __init__(self, workers: int) -> None:
        self.cluster = Cluster(workers=0, registry_arguments=[f"--heartbeat-timeout={LEASE}"])
        self.cluster.env |= look_inside(self.cluster.folder)
        self.log = self.cluster.folder / "copies.log"
        self.wires: list[Wire] = []
        self.pools: list[Daemon] = []
        self.deaths: dict[int, float] = {}  # when a pid was killed
        self._workers = workers

    def __enter__(self) -> Site:
        self.cluster.start()
        self.log.touch()
        for _ in range(self._workers):
            wire = Wire(self.cluster.address, self.cluster.key_file)
            self.wires.append(wire)
            arguments = ["--workers=1", f"--registry={wire.address}", "--respawn-delay=0.1"]
            self.pools.append(self.cluster.daemon("stractory-workers", *arguments))
        for pool in self.pools:
            pool.wait_line(POOL_READY)
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.closing(self.cluster):
            statuses = [pool.end() for pool in self.pools]
            for wire in self.wires:
                wire.close()
        assert not any(statuses), statuses

    @property
    def registry_pid(self) -> int:
        assert self.cluster.registry is not None
        return self.cluster.registry.pid

    def worker_pids(self) -> list[int]:
        """Those of the workers that run now."""
        found = [Path(f"/proc/{pool.pid}/task/{pool.pid}/children").read_text() for pool in self.pools]
        return [int(pid) for pids in found for pid in pids.split()]

    def kill(self, pid: int) -> None:
        """kill -9, of a worker."""
        self.deaths[pid] = time.monotonic()
        os.kill(pid, signal.SIGKILL)

    def gauge(self, pid: int) -> Gauge:
        """What a daemon needs now."""
        return Gauge(resident(pid) / (1 << 20), descriptors(pid), green_threads(self.cluster.folder, pid))

    def copies(self) -> list[Copy]:
        """All lives of actors so far. One whose process was killed has stopped with it."""
        copies: dict[tuple[str, int, int], Copy] = {}
        for line in self.log.read_text().splitlines():
            what, name, epoch, pid, when = json.loads(line)
            key = (name, epoch, pid)
            if what == "start":
                copies[key] = Copy(name, epoch, when, self.deaths.get(pid, math.inf))
            else:
                copies[key] = copies[key]._replace(stop=when)
        return list(copies.values())

    def whole(self, strac: stractory.Client) -> bool:
        """Whether all workers that there should be are registered, and no others known."""
        workers = strac.workers()
        return [each.state for each in workers] == ["running"] * self._workers


GENTLE = (
    "kill",
    "stop_for_a_moment",
    "delay",
    "restart_registry",
    "stop_registry",
    "restart_registry_as_one_ends",
)
"""Harms by which no worker that lives is lost: who destroys what is lost does not wait for its end."""
ROUGH = (
    *GENTLE,
    "reset",
    "stop_for_long",
    "stop_registry_for_long",
    "cut",
    "cut_there",
    "cut_back",
    "kill_as_others_are_cut",
)
LASTING = tuple(harm for harm in ROUGH if "kill" not in harm and "restart" not in harm)
"""Harms of which nobody dies."""


class Nemesis(threading.Thread):
    """Does one of ``harms`` after another, in a thread of its own, and each time waits for all to recover.

    ``error`` is what went wrong.
    """

    def __init__(self, site: Site, random: Random, seconds: float, harms: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self.done: Counter[str] = Counter()
        self._site = site
        self._random = random
        self._end = time.monotonic() + seconds
        self._harms = harms

    def run(self) -> None:
        try:
            with self._site.cluster.client() as strac:
                until(lambda: self._site.whole(strac), RECOVERY)
                while time.monotonic() < self._end:
                    harm = self._random.choice(self._harms)
                    self.done[harm] += 1
                    getattr(self, harm)()
                    until(lambda: self._site.whole(strac), RECOVERY)
                    self._pass(0, 0.3)
        except BaseException as error:
            self.error = error

    def _pass(self, least: float, most: float) -> None:
        time.sleep(self._random.uniform(least, most))

    def _worker(self) -> int:
        return self._random.choice(until(self._site.worker_pids))

    def kill(self) -> None:
        self._site.kill(self._worker())
        self._pass(0, 0.5)

    def stop_for_a_moment(self) -> None:
        with standing_still(self._worker()):
            self._pass(0, LEASE / 4)

    def stop_for_long(self) -> None:
        with standing_still(self._worker()):
            self._pass(LEASE, 2 * LEASE)

    def restart_registry(self) -> None:
        self._site.cluster.kill_registry()
        self._pass(0, 1)
        self._site.cluster.restart_registry()

    def restart_registry_as_one_ends(self) -> None:
        os.kill(self._worker(), signal.SIGTERM)
        self._pass(0, 0.1)
        self.restart_registry()

    def stop_registry(self) -> None:
        with standing_still(self._site.registry_pid):
            self._pass(0, LEASE / 2)

    def stop_registry_for_long(self) -> None:
        """Workers cut the link to it then: what they have may have been made again elsewhere."""
        with standing_still(self._site.registry_pid):
            self._pass(LEASE / 2, 2 * LEASE)

    def reset(self) -> None:
        self._random.choice(self._site.wires).reset()

    def delay(self) -> None:
        wire = self._random.choice(self._site.wires)
        wire.delay = 0.05
        self._pass(0, 1)
        wire.delay = 0

    def cut(self, **ways: bool) -> None:
        with self._cut(**ways):
            self._pass(0, 2 * LEASE)

    def cut_there(self) -> None:
        self.cut(back=False)

    def cut_back(self) -> None:
        self.cut(there=False)

    def kill_as_others_are_cut(self) -> None:
        with self._cut():
            self.kill()

    @contextlib.contextmanager
    def _cut(self, **ways: bool) -> Iterator[None]:
        wire = self._random.choice(self._site.wires)
        wire.cut(**ways)
        try:
            yield
        finally:
            wire.mend()


EXPECTED = (
    stractory.ActorError,
    stractory.PlacementError,
    stractory.CallTimeout,
    stractory.RegistryUnavailable,
    stractory.WorkerUnavailable,
    stractory.LinkError,
)
"""What a client may get in the middle of faults."""
UNEXPECTED = (stractory.ActorStartFailed, stractory.ProtocolError, stractory.VersionMismatch)


PLAIN = [f"counter-{number}" for number in range(6)]
KEPT = [f"kept-{number}" for number in range(3)]


class People:
    """Clients who create, call and end a few counters, each in a green thread, until they are told."""

    def __init__(self, site: Site, seed: str, number: int) -> None:
        self.replies: list[Reply] = []
        self.outcomes: Counter[str] = Counter()
        self._site = site
        self._over = False
        self._tasks = [gevent.spawn(self._live, f"client {i}", chance(f"{seed} {i}")) for i in range(number)]

    def end(self) -> None:
        """Raises what any of them met that it should not have."""
        self._over = True
        gevent.joinall(self._tasks, raise_error=True)

    def _live(self, client: str, random: Random) -> None:
        with self._site.cluster.client() as strac:
            while not self._over:
                act = random.choices([self._increment, self._create, self._destroy], [20, 3, 1])[0]
                name = random.choice([*PLAIN, *KEPT])
                outcome = act.__name__.strip("_")
                try:
                    with gevent.Timeout(HUNG, AssertionError(f"{client}: {outcome} of {name} hangs")):
                        act(strac, client, name, random)
                except UNEXPECTED:
                    raise
                except EXPECTED as error:
                    outcome += f": {type(error).__name__}"
                self.outcomes[outcome] += 1
                gevent.sleep(random.uniform(0, 0.02))

    def _increment(self, strac: Any, client: str, name: str, random: Random) -> None:
        actor = strac.get(name, timeout=CALL_LIMIT)
        asked = time.monotonic()
        epoch, count, *served = stractory.timeout(actor, CALL_LIMIT).increment()
        self.replies.append(Reply(client, name, epoch, asked, time.monotonic(), count, *served))

    def _create(self, strac: Any, client: str, name: str, random: Random) -> None:
        asked = time.monotonic()
        if name in KEPT:
            info = create_kept(strac, name)
        else:
            info = strac.create(
                name,
                stractory.rpc(counter),
                options={"log": str(self._site.log)},
                if_exists=random.choice(["error", "get", "replace"]),
                timeout=CALL_LIMIT,
            )
        self.replies.append(Reply(client, name, info.epoch, asked, time.monotonic()))

    def _destroy(self, strac: Any, client: str, name: str, random: Random) -> None:
        if name not in KEPT:
            strac.destroy(name, timeout=CALL_LIMIT)


def create_kept(strac: Any, name: str) -> stractory.ActorInfo:
    """It is never destroyed in an ordeal, so all that was acknowledged has to be there at its end."""
    info: stractory.ActorInfo = strac.create(
        name,
        stractory.rpc(Kept),
        if_exists="get",
        restart="on-failure",
        snapshot="each call",
        timeout=CALL_LIMIT,
    )
    return info


class Outcome(NamedTuple):
    """What was done, what clients met, and what must not have happened, in words."""

    harms: Counter[str]
    clients: Counter[str]
    wrong: list[str]


def ordeal(site: Site, seed: str, seconds: float, harms: Sequence[str]) -> Outcome:
    """Have people use the factory for so long while it is harmed; in the end it is empty."""
    site.log.write_text("")
    nemesis = Nemesis(site, chance(seed), seconds, harms)
    people = People(site, seed, 6)
    nemesis.start()
    green_until(lambda: not nemesis.is_alive(), seconds + 2 * RECOVERY)
    people.end()
    if nemesis.error is not None:
        raise nemesis.error
    with site.cluster.client() as strac:
        replies = people.replies + [_count_once_more(strac, name) for name in KEPT]
        wrong = (
            went_back(replies) + _wrong_with_kept(replies) + _wrong_with_plain(site, strac, replies, harms)
        )
        for info in strac.list():
            strac.destroy(info.name)
    return Outcome(nemesis.done, people.outcomes, wrong)


def _count_once_more(strac: Any, name: str) -> Reply:
    """Whoever it was: the nemesis is done, and all must be there again."""
    create_kept(strac, name)
    asked = time.monotonic()
    epoch, count, served = strac.get(name, timeout=RECOVERY).increment()
    return Reply("the judge", name, epoch, asked, time.monotonic(), count, served)


def _wrong_with_kept(replies: Sequence[Reply]) -> list[str]:
    theirs = [reply for reply in replies if reply.name in KEPT]
    return lost_increments(theirs, durable=True) + served_after_the_next(theirs)


def _wrong_with_plain(site: Site, strac: Any, replies: Sequence[Reply], harms: Sequence[str]) -> list[str]:
    wrong = lost_increments(reply for reply in replies if reply.name in PLAIN)
    copies = site.copies()
    if harms is GENTLE:
        wrong += served_at_once(copies)
    listed = {(info.name, info.epoch) for info in strac.list() if info.name in PLAIN}
    for name, epoch in listed ^ {(copy.name, copy.epoch) for copy in copies if copy.stop == math.inf}:
        what = "is listed and not there" if (name, epoch) in listed else "is there and not listed"
        wrong.append(f"{name}: the epoch {epoch} {what}")
    return wrong
