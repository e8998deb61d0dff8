"""How long it takes until the programs are there."""

from __future__ import annotations

import subprocess
import sys

from bench import Bench
from measuring import BIN, Factory, seconds
from rows import OURS, Row, measures

REGISTRY = Row("start.registry", "start until a registry is ready", "s")
POOL = Row("start.pool", "start until a registry and 4 workers are ready", "s")
HELP = Row("start.help", "stractory --help", "s")


@measures(REGISTRY, POOL, by=OURS)
def ready(bench: Bench) -> tuple[float, float]:
    factory = Factory()
    registry = seconds(factory.__enter__)
    with factory:
        return registry, registry + seconds(lambda: factory.pool(4))


@measures(HELP, by=OURS)
def shown_help(bench: Bench) -> float:
    return seconds(lambda: run(str(BIN / "stractory"), "--help"))


@measures(REGISTRY, HELP, by="bare Python")
def bare_python(bench: Bench) -> tuple[float, float]:
    figure = seconds(lambda: run("-c", "pass"))
    return figure, figure


def run(*arguments: str) -> None:
    words = [sys.executable, *arguments]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # a program of ours
