"""Watches the event loop, which an actor that does not give way holds up for all others of the worker.

A timer of the loop counts its turns, and a native thread watches the count. While it stands still, the thread
sends the main thread a signal at every tick, whose handler runs in the very green thread that holds up the
loop. There it reports the actor, and later raises what stops it. Where that does not help, or where C code
holds the interpreter, another process ends the worker: :mod:`stractory.worker.watchman`.

Time is counted in ticks that really were: a process that was stopped, or a machine that slept, had none.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, NamedTuple

import gevent
from gevent import subprocess
from gevent.monkey import get_original

from stractory.errors import ActorHung, ConfigError, Interruption
from stractory.net.at_once import log_at_once
from stractory.net.process import environment
from stractory.net.threads import native_thread
from stractory.worker.blame import Culprit, culprit_of, is_ours, spell
from stractory.worker.fence import SHARE

log = logging.getLogger(__name__)

LOOK = signal.SIGRTMIN + 1
"""Has the main thread look what it is doing."""

DIE = signal.SIGRTMIN + 2
"""Ends the process, its stacks written down, even where C code holds the interpreter."""

TICKS = 5
"""In the shortest of the limits. An actor that goes on when it was interrupted is, so many later, again."""

_WATCHMAN = str(Path(__file__).with_name("watchman.py"))


class Limits(NamedTuple):
    """Seconds for which the loop stands still until that is reported, stopped, or ends the worker; or 0."""

    report: float
    interrupt: float
    exit: float

    def check(self) -> None:
        """Raises ConfigError unless each that is not 0 is above those before it."""
        given = [limit for limit in self if limit]
        if given != sorted(set(given)):
            raise ConfigError(
                f"block-report ({self.report:g}), block-interrupt ({self.interrupt:g}) and block-exit"
                f" ({self.exit:g}) must rise in this order; 0 turns one off"
            )

    def check_lease(self, lease: float) -> None:
        """Warns of a worker that would be given up before it is ended, and so before anybody is blamed."""
        if self.exit > lease * SHARE:
            log.warning(
                "block-exit (%g) is more than two thirds of the registry's heartbeat-timeout (%g): "
                "a worker that stands still is given up before it ends; raise one or lower the other",
                self.exit,
                lease,
            )


class Watchdog:
    """Of this process's main loop. ``interrupted`` counts, by definition, how often actors were stopped.

    ``accuse``: the command that is run, with the mark of a definition, when that has ended the worker.
    """

    def __init__(self, limits: Limits, accuse: Sequence[str] = ()) -> None:
        self.interrupted: Counter[str] = Counter()
        self._limits = limits
        self._accuse = accuse
        self._tick = min(filter(None, limits)) / TICKS
        self._main = native_thread()
        self._turns = 0  # of the loop, as its timer counts them
        self._still = 0  # the turn at which it was last seen to stand,
        self._blocked = 0.0  # and for how long
        self._reported = -1  # the last turn of which that was
        self._suspect: tuple[int, int, Culprit | None] = (-1, 0, None)  # turn, green thread, actor
        self._since = 0.0  # what _blocked was when it began to hold up the loop
        self._watchman = -1  # the pipe to it
        self._timer: Any = None

    def start(self) -> None:
        """Watch, from now to the end of the process. To be called in the main thread."""
        signal.signal(LOOK, self._look)
        if self._limits.exit:
            stacks = os.memfd_create("stacks")
            faulthandler.register(DIE, file=stacks, all_threads=True, chain=True)
            self._start_watchman(stacks)
        self._timer = gevent.get_hub().loop.timer(self._tick, self._tick, ref=False)
        self._timer.start(self._turn)
        get_original("_thread", "start_new_thread")(self._watch, ())

    def _start_watchman(self, stacks: int) -> None:
        its_end, self._watchman = os.pipe()
        os.set_blocking(self._watchman, False)
        numbers = os.getpid(), self._limits.exit, int(DIE), stacks
        words = [_WATCHMAN, *map(str, numbers), *self._accuse]
        command = [sys.executable, "-I", "-S", *words]
        subprocess.Popen(
            command, stdin=its_end, stdout=subprocess.DEVNULL, pass_fds=[stacks], env=environment()
        )
        os.close(its_end)

    def _turn(self) -> None:
        self._turns += 1
        if self._watchman >= 0:
            with contextlib.suppress(OSError):  # it is gone, or was stopped itself
                os.write(self._watchman, b".")

    def _watch(self) -> None:
        sleep = get_original("time", "sleep")
        before = monotonic()
        while True:
            sleep(self._tick)
            now = monotonic()
            if self._turns != self._still:
                self._still, self._blocked = self._turns, 0.0
            else:
                self._blocked += min(now - before, 2 * self._tick)
                self._act()
            before = now

    def _act(self) -> None:
        if self._blocked > 1.5 * self._tick:
            signal.pthread_kill(self._main, LOOK)
        if 0 < 2 * self._limits.report <= self._blocked and self._reported != self._still:
            # What runs takes no signals, or no single green thread is to blame.
            self._report(None, self._blocked, sys._current_frames().get(self._main))

    def _look(self, number: int, frame: FrameType | None) -> None:
        turn, blocked, limits = self._still, self._blocked, self._limits
        if self._turns != turn:
            return
        thread = gevent.getcurrent()
        culprit = culprit_of(thread)
        suspect = turn, id(thread), culprit
        if self._suspect != suspect:  # another may have held it up until just now, in the same turn
            self._suspect, self._since = suspect, blocked - 2 * self._tick
        held = blocked - self._since
        if 0 < limits.report <= held and self._reported != turn:
            self._report(culprit, held, frame)
        if culprit is not None and 0 < limits.interrupt <= held and not is_ours(frame):
            self._since += TICKS * self._tick
            raise self._interruption(culprit, held, frame)

    def _report(self, culprit: Culprit | None, held: float, frame: FrameType | None) -> None:
        self._reported = self._still
        who, stack = culprit or "no known actor", "".join(traceback.format_stack(frame) if frame else ())
        text = f"{who} has held up this worker for {held:.1f} s, {spell(frame)}\n{stack.rstrip()}"
        log_at_once(logging.WARNING, text, culprit.fields if culprit else {})

    def _interruption(self, culprit: Culprit, held: float, frame: FrameType | None) -> Interruption:
        self.interrupted[culprit.definition] += 1
        text = f"actor {culprit.name!r} held up its worker for {held:.1f} s, {spell(frame)}, and was stopped"
        times = self.interrupted[culprit.definition]
        told = f"{text} ({culprit.definition}, stopped {times} times so far)"
        log_at_once(logging.ERROR, told, culprit.fields)
        return Interruption(ActorHung(text))
