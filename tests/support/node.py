"""Programs for Node.js: their packages, and a process that is given orders and tells what happens."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import run_program, start_program

TIMEOUT = 20  # seconds for a process to end
OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED", "ECONNRESET")


def install(folder: Path) -> None:
    """The npm packages of its package-lock.json, fetched once into ``folder``.

    Skips the test where there is no Node.js, or no way to npm's registry.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    lock, installed = folder / "package-lock.json", folder / "node_modules/.package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    run = run_program(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
    )
    if run.returncode:
        offline = next((code for code in OFFLINE if code in run.stderr), None)
        if offline:
            pytest.skip(f"npm cannot reach its registry ({offline})")
        pytest.fail(f"npm ci failed:\n{run.stderr}")
    installed.touch()


class Node:
    """The process of a program: orders go in by :meth:`order`, events come out of :meth:`told`."""

    def __init__(self, program: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.process = start_program(
            ["node", str(program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    def order(self, order: str, **arguments: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"order": order, **arguments}) + "\n")
        self.process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """The next event. (That it comes at all is for the test's own timeout to see.)"""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"node ended with {self.process.wait(TIMEOUT)}"
        event: dict[str, Any] = json.loads(line)
        return event

    def close(self) -> int:
        """Ends the process: it goes when its stdin is closed. Returns its exit status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        status = self.process.wait(TIMEOUT)
        self.process.stdout.close()
        return status
