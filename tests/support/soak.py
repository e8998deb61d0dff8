"""What scripts/soak runs: a factory that is used under faults for hours, in rounds, each of them checked.

In most rounds nobody dies, and after each the factory is empty: what its daemons need then should be the same
for ever. Every fourth is in a factory of its own, where they do die. At the end soak/ has a curve of each.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.support.faults import let_pass
from tests.support.ordeal.harms import LASTING, ROUGH
from tests.support.ordeal.judge import ordeal
from tests.support.ordeal.site import Gauge, OneRegistry

ROOT = Path(__file__).resolve().parents[2]

ROUND = 60.0


def main(seconds: float, seed: str) -> int:
    """Print a line for each round, and what was wrong; returns the exit status."""
    print(f"seed {seed}: scripts/soak {seconds:g} {seed} does the same again", flush=True)
    end = time.monotonic() + seconds
    wrong = 0
    gauged: list[tuple[int, list[Gauge]]] = []
    with OneRegistry(workers=3) as lasting:
        print("        registry and workers, at rest: MiB / descriptors / green threads", flush=True)
        for number in count():
            left = end - time.monotonic()
            if left <= 0:
                break
            if number % 4 == 3:
                with OneRegistry(workers=3) as mortal:
                    outcome = ordeal(mortal, f"{seed} {number}", min(ROUND, left), ROUGH)
                state = "a factory of mortals"
            else:
                outcome = ordeal(lasting, f"{seed} {number}", min(ROUND, left), LASTING)
                let_pass(1)  # what was closed is gone by then
                gauges = [lasting.gauge(pid) for pid in (lasting.registry_pid, *lasting.worker_pids())]
                gauged.append((number + 1, gauges))
                state = "   ".join(map(str, gauges))
            print(f"{number:6}  {state}   {sum(outcome.clients.values())} calls", flush=True)
            for text in outcome.wrong:
                print(f"        WRONG: {text}", flush=True)
            wrong += len(outcome.wrong)
    draw(gauged)
    return int(wrong > 0)


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
    given = sys.argv[1:]
    raise SystemExit(main(float(given[0]) if given else 3600.0, (*given, "", "")[1] or os.urandom(4).hex()))
