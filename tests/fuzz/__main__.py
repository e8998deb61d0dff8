"""Lets a fuzzer loose on the harnesses, one after another: ``python -m tests.fuzz [SECONDS] [NAME...]``.

Each has a process of its own, which libFuzzer ends when it has found something. That stays in
``tests/fuzz/found/NAME``; copy it to ``corpus/NAME`` when it is mended. Other inputs are added there if they
reach lines of ours that none of the corpus does.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

FOUND = Path(__file__).with_name("found")
PACKAGE = str(Path(__file__).parents[2] / "stractory")

SECONDS = 600
"""For each, unless others are asked for."""

LARGEST_KEPT = 400
"""Bytes of an input that is worth keeping: the corpus of all is to stay small."""

LOG = 6000
"""Characters that are shown of what the fuzzer said, when it has found something."""

LIMITS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=2048")
"""Of an input: seconds, memory, bytes."""


def main() -> int:
    """Returns the exit status: how many harnesses found something."""
    logging.disable()
    words = sys.argv[1:]
    if words[:1] == ["--one"]:
        fuzz(words[1], words[2:])
    seconds = int(words.pop(0)) if words and words[0].isdecimal() else SECONDS
    from tests.fuzz.decoders import HARNESSES

    if unknown := [word for word in words if word not in HARNESSES]:
        print(f"no harness {', '.join(unknown)}; there are {', '.join(HARNESSES)}", file=sys.stderr)
        return 2
    failed = [name for name in words or HARNESSES if not run(HARNESSES[name], seconds)]
    print(f"found something: {', '.join(failed)}" if failed else "nothing was found")
    return len(failed)


def run(harness: Any, seconds: int) -> bool:
    """Whether nothing was found in so many seconds."""
    found = FOUND / harness.name
    found.mkdir(parents=True, exist_ok=True)
    temporary = tempfile.TemporaryDirectory
    with temporary() as folder, temporary() as others, open(found / "log", "wb") as log:
        for number, data in enumerate(harness.corpus()):
            Path(folder, f"{number}").write_bytes(data)
        print(f"{harness.name}: {seconds} s", flush=True)
        options = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={found}/", folder]
        command = [sys.executable, "-m", "tests.fuzz", "--one", harness.name, *options]
        environment = {**os.environ, "TMPDIR": others}  # it ends without cleaning up
        status = subprocess.call(command, stdout=log, stderr=log, env=environment)  # noqa: S603  # this very program
        keep(harness, [file.read_bytes() for file in Path(folder).iterdir()])
    if status:
        print((found / "log").read_text(errors="replace")[-LOG:])
    return status == 0


def fuzz(name: str, options: list[str]) -> None:
    """Does not return."""
    import atheris

    with atheris.instrument_imports(include=["stractory"]):
        from tests.fuzz.decoders import HARNESSES
    atheris.Setup([sys.argv[0], *options], HARNESSES[name].run)
    atheris.Fuzz()


def keep(harness: Any, inputs: list[bytes]) -> None:
    """Add to its corpus: again and again the one that reaches most lines that are not reached yet."""
    reached = {data: lines_of(harness.run, data) for data in inputs if len(data) <= LARGEST_KEPT}
    known = {line for data in harness.corpus() for line in lines_of(harness.run, data)}
    while any(lines - known for lines in reached.values()):
        best = max(reached, key=lambda data: (len(reached[data] - known), -len(data)))
        known |= reached.pop(best)
        harness.folder.mkdir(parents=True, exist_ok=True)
        (harness.folder / hashlib.sha256(best).hexdigest()[:12]).write_bytes(best)


def lines_of(run: Any, data: bytes) -> set[tuple[str, int]]:
    """The lines of ours that this input reaches; none where it is what was found."""
    lines: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        run(data)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        lines.clear()
    finally:
        sys.settrace(None)
    return lines


if __name__ == "__main__":
    sys.exit(main())
