"""The page's pure modules, tested where they can be run without a page: by Node's own test runner."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.programs import run_program

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = Path("stractory/http/page")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules and their tests, as they lie to each other; told to be modules."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / PAGE, folder / PAGE)
    shutil.copytree(HERE, folder / HERE.relative_to(ROOT), ignore=shutil.ignore_patterns("pictures", "*.py"))
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.mark.parametrize("test", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_module(copied: Path, test: str) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    file = copied / HERE.relative_to(ROOT) / test
    run = run_program(["node", "--test", file], capture_output=True, text=True, timeout=50)
    assert run.returncode == 0, run.stdout + run.stderr
