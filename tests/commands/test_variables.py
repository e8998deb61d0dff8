"""Variables of the environment that somebody misspelled."""

import os
import sys

import pytest

from stractory.commands import registry, worker, workers
from stractory.commands.variables import SETTINGS, VARIABLES, misspelled
from tests.support.cluster import BIN
from tests.support.programs import run_program


def test_all_settings_are_known() -> None:
    declared = {"config"}
    for module in (registry, worker, workers):
        declared |= set(module.make_parser().parse([], {"STRACTORY_WORKERS": "1"}).texts)
    assert set(SETTINGS) == declared


def test_what_is_misspelled() -> None:
    names = [*VARIABLES, "STRACTORY_LISTN", "STRACTORY_KEYFILE", "STRACTORY_OTHER", "LISTN", "HOME"]
    assert list(misspelled(names)) == [
        ("STRACTORY_KEYFILE", "STRACTORY_KEY_FILE"),
        ("STRACTORY_LISTN", "STRACTORY_LISTEN"),
    ]


@pytest.mark.parametrize("program", ["stractory", "stractory-worker", "stractory-workers"])
def test_it_is_warned_of(program: str) -> None:
    # The address is of no machine, so that the program ends.
    run = run_program(
        [sys.executable, str(BIN / program), "--listen=192.0.2.1:1"],
        env={**os.environ, "STRACTORY_LISTN": "9000", "STRACTORY_KEY_FILE": "/nowhere/cluster.key"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "STRACTORY_LISTN is no setting and is ignored; did you mean STRACTORY_LISTEN?" in run.stderr


def test_a_pool_of_nobody() -> None:
    command = [sys.executable, str(BIN / "stractory-workers"), "--workers=0"]
    run = run_program(command, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (2, "stractory-workers: a pool has at least one worker, not 0\n")
