"""Both ends of xoscar: the actor, its pool, and a blocking caller of its coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import xoscar
from measuring import GREEN_THREADS, PATIENCE, PAYLOAD


class Echo(xoscar.Actor):  # type: ignore[misc]
    """What is created, looked up and called."""

    def echo(self, data: bytes) -> bytes:
        return data


async def serve(port: int, ready: Callable[[], None]) -> None:
    """A pool of one process, until it is killed."""
    pool = await xoscar.create_actor_pool(f"127.0.0.1:{port}", n_process=0)
    ready()
    await pool.join()


class Caller:
    """Each method does all of its work in one run of the loop, and raises TimeoutError when it takes long."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._address = f"127.0.0.1:{port}"
        self._actor = self._run(self._create("echo"))

    def create(self, names: Sequence[str]) -> None:
        """One after another."""
        self._run(self._each(self._create, names))

    def create_at_once(self, names: Sequence[str]) -> None:
        """By as many tasks as others have green threads, which take from one list."""
        left = iter(names)
        self._run(self._together(self._each(self._create, left) for _ in range(GREEN_THREADS)))

    def look_up(self, names: Sequence[str]) -> None:
        """One after another."""
        self._run(self._each(lambda name: xoscar.actor_ref(self._address, name), names))

    def call(self, count: int) -> None:
        """One after another."""
        self._run(self._each(lambda _: self._actor.echo(PAYLOAD), range(count)))

    def call_at_once(self, count: int) -> None:
        """All begun before the first is awaited."""
        self._run(self._together(self._actor.echo(PAYLOAD) for _ in range(count)))

    def close(self) -> None:
        """End the loop."""
        self._loop.close()

    def _create(self, name: str) -> Any:
        return xoscar.create_actor(Echo, address=self._address, uid=name)

    async def _each(self, work: Callable[[Any], Awaitable[Any]], items: Any) -> None:
        for item in items:
            await work(item)

    async def _together(self, all: Any) -> None:
        await asyncio.gather(*all)

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE))
