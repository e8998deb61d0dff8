"""What scripts/soak runs: a factory that is used under faults for hours, in rounds, each of them checked.

With one registry nobody dies in most rounds, and after each the factory is empty: what its daemons need then
should be the same for ever. Every fourth is in a factory of its own, where they do die. At the end soak/ has
a curve of each. With three registries each round is in a factory of its own, on one etcd of three members.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from tests.support.etcd import Etcd
from tests.support.faults import let_pass
from tests.support.ordeal.harms import LASTING, ROUGH
from tests.support.ordeal.harms_of_several import LONG
from tests.support.ordeal.judge import Outcome, ordeal, ordeal_of_several
from tests.support.ordeal.several import SeveralRegistries
from tests.support.ordeal.site import Gauge, OneRegistry
from tests.support.registries import SIZE

ROOT = Path(__file__).resolve().parents[2]

ROUND = 60.0


def main() -> int:
    """Print a line for each round, and what was wrong; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Use a factory while it is harmed.")
    parser.add_argument("seconds", type=float, nargs="?", default=3600.0)
    parser.add_argument("seed", nargs="?", default=os.urandom(4).hex(), help="which faults there are")
    parser.add_argument("--registries", type=int, choices=[1, SIZE], default=1, help="how many it has")
    arguments = parser.parse_args()
    seconds, seed, registries = arguments.seconds, arguments.seed, arguments.registries
    again = f"scripts/soak {seconds:g} {seed} --registries {registries}"
    print(f"seed {seed}: {again} does the same again", flush=True)
    rounds = with_one_registry if registries == 1 else with_several
    return int(sum(told(outcome) for outcome in rounds(seed, time.monotonic() + seconds)) > 0)


def told(outcome: Outcome) -> int:
    """How much was wrong, which is printed."""
    for text in outcome.wrong:
        print(f"        WRONG: {text}", flush=True)
    return len(outcome.wrong)


def rounds_until(end: float) -> Iterator[tuple[int, float]]:
    """Their numbers and lengths."""
    for number in count():
        left = end - time.monotonic()
        if left <= 0:
            return
        yield number, min(ROUND, left)


def with_several(seed: str, end: float) -> Iterator[Outcome]:
    with Etcd(SIZE) as etcd:
        for number, seconds in rounds_until(end):
            with SeveralRegistries(etcd) as site:
                outcome = ordeal_of_several(site, f"{seed} {number}", seconds, LONG)
            print(f"{number:6}  {' '.join(sorted(outcome.harms))}   {outcome.calls} calls", flush=True)
            yield outcome


def with_one_registry(seed: str, end: float) -> Iterator[Outcome]:
    gauged: list[tuple[int, list[Gauge]]] = []
    with OneRegistry(workers=3) as lasting:
        print("        registry and workers, at rest: MiB / descriptors / green threads", flush=True)
        for number, seconds in rounds_until(end):
            if number % 4 == 3:
                with OneRegistry(workers=3) as mortal:
                    outcome = ordeal(mortal, f"{seed} {number}", seconds, ROUGH)
                state = "a factory of mortals"
            else:
                outcome = ordeal(lasting, f"{seed} {number}", seconds, LASTING)
                let_pass(1)  # what was closed is gone by then
                gauges = [lasting.gauge(pid) for pid in (lasting.registry_pid, *lasting.worker_pids())]
                gauged.append((number + 1, gauges))
                state = "   ".join(map(str, gauges))
            print(f"{number:6}  {state}   {outcome.calls} calls", flush=True)
            yield outcome
    draw(gauged)


def draw(gauged: Sequence[tuple[int, Sequence[Gauge]]]) -> None:
    """What registry and workers needed together, after so many rounds."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from plots import curve

    folder = ROOT / "soak"
    folder.mkdir(exist_ok=True)
    for field in Gauge._fields:
        points = [(number, sum(getattr(each, field) for each in gauges)) for number, gauges in gauged]
        up = f"{field.replace('_', ' ')} of a registry and 3 workers" + ", MiB" * (field == "memory")
        (folder / f"{field}.svg").write_text(curve([(0, points[0][1]), *points], "minutes", up))


if __name__ == "__main__":
    raise SystemExit(main())
