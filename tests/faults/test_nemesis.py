"""Row 37: a factory that is used while one thing after another goes wrong in it.

scripts/soak does the same for hours.
"""

from __future__ import annotations

import os

import pytest

from tests.support.cluster import until
from tests.support.faults import descriptors
from tests.support.nemesis import GENTLE, ROUGH, Site, ordeal

SECONDS = float(os.environ.get("FAULTS_SECONDS", "8"))
SEED = os.environ.get("FAULTS_SEED") or os.urandom(4).hex()


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("harms", [GENTLE, ROUGH], ids=["gentle", "rough"])
def test_a_factory_under_faults(harms: tuple[str, ...]) -> None:
    with Site(workers=3) as site:
        base = max(map(descriptors, site.worker_pids()))
        outcome = ordeal(site, SEED, SECONDS, harms)
        assert not outcome.wrong, f"{outcome}; FAULTS_SEED={SEED} has the same faults again"
        assert outcome.clients["increment"], outcome  # how many there are is up to the machine
        until(lambda: all(descriptors(pid) <= base for pid in site.worker_pids()))
        assert "Traceback" not in site.cluster.errors()
