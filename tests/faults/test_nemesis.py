"""Row 37: a factory that is used while one thing after another goes wrong in it.

scripts/soak does the same for hours.
"""

from __future__ import annotations

import os

import pytest

from tests.support.cluster import until
from tests.support.etcd import Etcd
from tests.support.faults import descriptors
from tests.support.ordeal.harms import GENTLE, ROUGH
from tests.support.ordeal.harms_of_several import BRIEF
from tests.support.ordeal.judge import ordeal, ordeal_of_several
from tests.support.ordeal.several import SeveralRegistries
from tests.support.ordeal.site import OneRegistry

SECONDS = float(os.environ.get("FAULTS_SECONDS", "8"))
SEED = os.environ.get("FAULTS_SEED") or os.urandom(4).hex()


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("harms", [GENTLE, ROUGH], ids=["gentle", "rough"])
def test_a_factory_under_faults(harms: tuple[str, ...]) -> None:
    with OneRegistry(workers=3) as site:
        base = max(map(descriptors, site.worker_pids()))
        outcome = ordeal(site, SEED, SECONDS, harms)
        assert not outcome.wrong, f"{outcome}; FAULTS_SEED={SEED} has the same faults again"
        assert outcome.clients["increment"], outcome  # how many there are is up to the machine
        until(lambda: all(descriptors(pid) <= base for pid in site.worker_pids()))
        assert "Traceback" not in site.cluster.errors()


@pytest.mark.timeout(SECONDS + 90)
def test_several_registries_under_faults(three_members: Etcd) -> None:
    with SeveralRegistries(three_members) as site:
        outcome = ordeal_of_several(site, SEED, SECONDS, BRIEF)
        assert not outcome.wrong, f"{outcome}; FAULTS_SEED={SEED} has the same faults again"
        assert outcome.clients["increment"] and outcome.clients["held"], outcome
        assert "Traceback" not in site.cluster.errors()
