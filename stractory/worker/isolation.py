"""The children of a worker: processes that it starts, each a worker for one actor that may block.

A child is the program of a worker. It ends with its parent: when its standard input does, in order, or, since
a child that blocks hears of nothing, killed by the system when the parent dies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

import gevent
from gevent import subprocess

from stractory.errors import ActorStartFailed, PlacementError, WorkerFull
from stractory.net.address import Address
from stractory.net.descriptors import is_lack
from stractory.net.process import environment, in_words, pass_on
from stractory.worker.voucher import Note, Voucher

log = logging.getLogger(__name__)

END_LIMIT = 11.0
"""Seconds that a child has to end in order: a little more than the destroy() of its actor may take."""


class Child:
    """One of them."""

    def __init__(self, process: Any, voucher: Voucher) -> None:
        self.process = process
        self.voucher = voucher
        self._ending: gevent.Greenlet[..., Any] | None = None

    @property
    def ending(self) -> bool:
        """Whether it was told to end."""
        return self._ending is not None

    def end(self) -> gevent.Greenlet[..., Any]:
        """Have it end in order, or by force when it takes too long; the green thread that does so."""
        if self._ending is None:
            self._ending = gevent.spawn(self._end)
        return self._ending

    def _end(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            log.warning("isolated worker (pid %d) did not end in %g s; killed", self.process.pid, END_LIMIT)
            self.process.kill()
            self.process.wait()


class Children:
    """``command`` starts one, in ``folder``; there are at most ``limit``.

    Whoever has them registered sets ``parent``, the id of this worker, and ``ended``, which is told the id of
    a child that has ended and the exit status, the negative number of a signal.
    """

    def __init__(self, command: Sequence[str] = (), folder: str = ".", limit: int = 0) -> None:
        self.parent = bytes(16)
        self.ended: Callable[[bytes, int], None] = lambda id, status: None
        self._command = tuple(command)
        self._folder = folder
        self._limit = limit
        self._starting: set[bytes] = set()
        self._running: dict[bytes, Child] = {}
        self._closing = False

    def start(self, id: bytes, registries: Sequence[Address] = ()) -> None:
        """Start a child that registers under this id, with these registries if it is told of any.

        Raises WorkerFull, PlacementError, ActorStartFailed.
        """
        if self._closing:
            raise PlacementError("the worker that was to start a process is about to end")
        staying = [child for child in self._running.values() if not child.ending]
        if len(staying) + len(self._starting) >= self._limit:
            raise WorkerFull(f"a worker has at most {self._limit} isolated actors (isolated-limit)")
        self._starting.add(id)
        try:
            child = self._running[id] = self._open(Voucher.make(id, self.parent), registries)
        except OSError as error:
            refusal = WorkerFull if is_lack(error) else ActorStartFailed
            raise refusal(f"its process could not be started: {error}") from None
        finally:
            self._starting.discard(id)
        gevent.spawn(self._watch, id, child)
        if self._closing:
            child.end()

    def _open(self, voucher: Voucher, registries: Sequence[Address]) -> Child:
        # Its output goes where this worker's does. A session of its own keeps a terminal's Ctrl-C
        # from it, as a pool's workers.
        told = [f"--registry={','.join(map(str, registries))}"] if registries else []
        try:
            process = subprocess.Popen(
                [*self._command, *told, f"--isolated={voucher.descriptor}"],
                stdin=subprocess.PIPE,
                pass_fds=(voucher.descriptor,),
                cwd=self._folder,
                env=environment(),
                start_new_session=True,
            )
        except BaseException:
            voucher.close()
            raise
        return Child(process, voucher)

    def _watch(self, id: bytes, child: Child) -> None:
        status = child.process.wait()
        del self._running[id]
        child.process.stdin.close()
        child.voucher.close()
        level = logging.WARNING if status else logging.INFO
        log.log(level, "isolated worker (pid %d) %s", child.process.pid, in_words(status))
        self.ended(id, status)

    def end(self, id: bytes) -> None:
        """Have it end, if it has not."""
        if child := self._running.get(id):
            child.end()

    def close(self) -> list[gevent.Greenlet[..., Any]]:
        """Start no more and have all end; the green threads that do so."""
        self._closing = True
        return [child.end() for child in self._running.values()]

    def pass_on(self, number: int) -> None:
        """Give the signal to all that handle it by now."""
        for child in self._running.values():
            if child.process.poll() is None:
                pass_on(child.process.pid, number)

    # ---- for the registry ------------------------------------------------------------------------------

    def alive(self) -> list[bytes]:
        """The ids of those that run, by the system's word."""
        return list(self._running)

    def acknowledged(self, known: Collection[bytes], sent: float) -> list[tuple[bytes, int, Note]]:
        """The registry has heard, of what was sent then, that these are alive.

        Returns those with an actor that it does not know: id, pid, and what they have.
        """
        unknown = []
        for id, child in self._running.items():
            if id in known:
                child.voucher.acknowledge(sent)
            elif note := child.voucher.note:
                unknown.append((id, child.process.pid, note))
        return unknown
