"""What the tests of the security share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

import stractory
from stractory.proof import keys
from stractory.proof.handshake import Credential
from tests.security.guarded import Guarded
from tests.support.actors import echo


@pytest.fixture(scope="package")
def guarded() -> Iterator[Guarded]:
    """A registry and two workers; each test uses names of its own."""
    with Guarded() as started:
        yield started


@pytest.fixture
def strac(guarded: Guarded) -> Iterator[stractory.Client]:
    """The client of an operator."""
    with guarded.client() as client:
        yield client


class Door(NamedTuple):
    """A port that asks for the proof, and what the client bob can prove there."""

    purpose: str
    where: str
    credential: Credential


@pytest.fixture(params=["registry", "worker", "actor"])
def door(
    request: pytest.FixtureRequest, guarded: Guarded, strac: stractory.Client, name: str
) -> Iterator[Door]:
    """One of each kind."""
    if request.param == "registry":
        yield Door("registry", guarded.address, guarded.key(keys.CLIENT, "bob"))
        return
    strac.create(name, echo)
    place = guarded.look_up(name)
    own = strac.endpoint(name).removeprefix("tcp://")
    yield Door(request.param, own if request.param == "actor" else place.info.worker, place)
    strac.destroy(name)
