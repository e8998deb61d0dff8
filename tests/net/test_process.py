import signal
import sys

import pytest

from stractory.net.process import in_words
from tests.support.programs import run_program


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("sys.exit(0)", "ended with status 0"),
        ("sys.exit(3)", "ended with status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 2)", "was ended by SIGRTMIN+2"),
    ],
)
def test_how_a_process_ended_in_words(ending: str, words: str) -> None:
    ended = run_program([sys.executable, "-c", f"import os, signal, sys; {ending}"])
    assert in_words(ended.returncode) == words


def test_a_signal_without_a_name() -> None:
    assert in_words(-(signal.SIGRTMIN - 1)) == f"was ended by signal {signal.SIGRTMIN - 1}"
