"""The rules of the tree, read from its source: who may import whom, what may be done in one place only."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.support.programs import run_program

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "stractory"

ORDER = ["errors", "wire", "net", "proof", "actors", "store", "ROLES", "http", "commands", "testing"]
"""From the ground up: each may import what stands before it, and itself."""

ROLES = {"registry", "worker", "clients"}
"""They meet in messages, never in imports."""

ANYWHERE = {"version"}

MOST_LINES = 350

CODE_LOADERS = {
    *(
        "dill",
        "pickle",
        "_pickle",
        "cloudpickle",
        "marshal",
        "shelve",
        "jsonpickle",
        "joblib",
        "yaml",
        "numpy",
    ),
    *("runpy", "code", "codeop", "imp", "multiprocessing", "xmlrpc", "logging.config"),
}
"""What opens code, or receives what opens it."""

CODE_MODULE = "stractory.actors.code"
CODE_CALLS = {"eval", "exec", "__import__", "exec_module", "run_path", "run_module"}
CTL = "stractory.commands.ctl"
IMPORTERS = {CODE_MODULE, "stractory.actors.rebuilding", "stractory.actors.kinds", "stractory", f"{CTL}.main"}
"""They import by name: what code says that was opened, and what is spelled out in them or their package."""

PROMPT_MODULE, PROMPT = f"{CTL}.prompt", {"code"}
"""At ``stractoryctl repl`` what its user types is run. No other command loads it, and no daemon."""

BINDING_MODULE = "stractory.net.listener"
BINDING_CALLS = {"bind", "StreamServer", "DatagramServer", "create_server", "tcp_listener", "bind_and_listen"}


@dataclass(frozen=True)
class Module:
    name: str
    path: Path

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, str(self.path))

    @property
    def part(self) -> str:
        """The folder or module right under stractory; "" for stractory/__init__.py."""
        return [*self.name.split("."), ""][1]

    @cached_property
    def imports(self) -> frozenset[str]:
        """The full names of what it imports, anywhere in the file; of ``from a import b`` both a and a.b."""
        names = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.name}:{node.lineno} imports relatively"
                assert node.module is not None
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        return frozenset(names)

    @cached_property
    def calls(self) -> frozenset[str]:
        """The last names of what it calls: ``bind`` of ``server.bind(...)``, but for names in the process."""
        functions = [
            node.func
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and not (node.args and is_inproc(node.args[0]))
        ]
        return frozenset(
            function.attr if isinstance(function, ast.Attribute) else function.id
            for function in functions
            if isinstance(function, ast.Attribute | ast.Name)
        )

    def __str__(self) -> str:
        return self.name


def is_inproc(node: ast.expr) -> bool:
    """Whether it is an address of ZeroMQ's that nobody outside of the process can reach."""
    return isinstance(node, ast.Constant) and str(node.value).startswith("inproc://")


def read_modules() -> Iterator[Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path)


MODULES = {module.name: module for module in read_modules()}

every_module = pytest.mark.parametrize("module", MODULES.values(), ids=str)


def ours(module: Module) -> set[Module]:
    """The modules of this tree that a module imports, with the packages they stand in."""
    found = {name for name in module.imports if name in MODULES}
    found |= {".".join(name.split(".")[:end]) for name in found for end in range(1, name.count(".") + 1)}
    return {MODULES[name] for name in found}


def rank(part: str) -> int:
    return ORDER.index("ROLES" if part in ROLES else part)


def reached(start: Module) -> set[Module]:
    """All that importing a module imports. (stractory/__init__.py waits until it is asked.)"""
    seen, todo = {start}, [start]
    while todo:
        new = {module for module in ours(todo.pop()) if module.part} - seen
        seen |= new
        todo += new
    return seen


def outsiders(module: Module) -> set[str]:
    """The top names of the imports that are not of this tree."""
    return {name.split(".")[0] for name in module.imports} - {"stractory"}


def test_every_folder_has_its_place() -> None:
    assert {module.part for module in MODULES.values()} - {""} == {*ORDER, *ROLES, *ANYWHERE} - {"ROLES"}


@every_module
def test_imports_point_downwards(module: Module) -> None:
    if module.part == "":
        return  # the public names, from everywhere
    assert module.part not in ANYWHERE or not ours(module)
    for imported in ours(module):
        if imported.part in {"", *ANYWHERE}:
            continue
        assert rank(imported.part) <= rank(module.part), f"{module} imports {imported}"
        if module.part in ROLES and imported.part in ROLES:
            assert imported.part == module.part, f"{module} imports {imported}: roles meet in messages"


@every_module
def test_only_the_top_takes_the_public_names(module: Module) -> None:
    """``from stractory import x`` inside the tree would go round the order above."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "stractory":
            assert {alias.name for alias in node.names} <= {
                name.split(".")[1] for name in MODULES if "." in name
            }
        if isinstance(node, ast.Import):
            assert "stractory" not in {alias.name for alias in node.names}


@pytest.mark.parametrize("module", [m for m in MODULES.values() if m.part in ("wire", "errors")], ids=str)
def test_the_wire_is_pure(module: Module) -> None:
    allowed = {"msgpack"} | set(sys.stdlib_module_names)
    forbidden = {
        "socket",
        "ssl",
        "select",
        "selectors",
        "asyncio",
        "threading",
        "time",
        "logging",
        "os",
        "random",
    }
    assert outsiders(module) <= allowed - forbidden


@every_module
def test_code_is_loaded_in_one_place(module: Module) -> None:
    if module.name != CODE_MODULE:
        loaders = CODE_LOADERS - (PROMPT if module.name == PROMPT_MODULE else set())
        assert not (outsiders(module) | module.imports) & loaders
        assert PROMPT_MODULE not in module.imports
        assert not module.calls & CODE_CALLS
    if module.name not in IMPORTERS:
        assert "import_module" not in module.calls


@pytest.mark.parametrize("program", sorted((ROOT / "bin").iterdir()), ids=lambda path: path.name)
def test_a_launcher_opens_no_code(program: Path) -> None:
    module = Module(program.name, program)
    assert not module.imports & CODE_LOADERS and not module.calls & CODE_CALLS


def test_the_store_is_the_registrys() -> None:
    users = {module.name for module in MODULES.values() if any(used.part == "store" for used in ours(module))}
    others = {name for name in users if not name.startswith(("stractory.store.", "stractory.registry."))}
    assert others == {"stractory.commands.keeping", "stractory.commands.registry"}
    assert not any(used.part == "actors" for m in MODULES.values() if m.part == "store" for used in ours(m))


def test_the_registry_passes_code_on_unopened() -> None:
    for module in MODULES.values():
        if module.part == "registry" or module.name == "stractory.commands.registry":
            assert not [other.name for other in reached(module) if other.part == "actors"], module


@every_module
def test_ports_are_bound_in_one_place(module: Module) -> None:
    if module.name != BINDING_MODULE:
        assert not module.calls & BINDING_CALLS
        assert not {name for name in module.imports if name.startswith("gevent.server.") and "Server" in name}


@every_module
def test_a_module_says_what_it_is_for(module: Module) -> None:
    if module.path.name != "__init__.py" or module.source:
        assert ast.get_docstring(module.tree)


@every_module
def test_a_module_is_short(module: Module) -> None:
    assert module.source.count("\n") < MOST_LINES


def in_a_new_process(program: str) -> None:
    run = run_program(
        [sys.executable, "-W", "error::DeprecationWarning:stractory", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr


def test_importing_stractory_does_nothing() -> None:
    in_a_new_process(
        "import logging, signal, sys, threading\n"
        "before = signal.getsignal(signal.SIGTERM), sys.excepthook\n"
        "import stractory\n"
        "assert 'gevent' not in sys.modules and 'dill' not in sys.modules\n"
        "for name in stractory.__all__: getattr(stractory, name)\n"
        "import gevent.monkey\n"
        "assert not gevent.monkey.saved\n"
        "assert not logging.root.handlers\n"
        "names = [name for name in logging.root.manager.loggerDict if name.startswith('stractory')]\n"
        "assert not [name for name in names if logging.getLogger(name).handlers]\n"
        "assert not [name for name in names if logging.getLogger(name).level]\n"
        "assert (signal.getsignal(signal.SIGTERM), sys.excepthook) == before\n"
        "assert threading.active_count() == 1\n"
    )


def test_a_program_may_patch_itself_after_it_has_loaded_a_client() -> None:
    in_a_new_process(
        "import sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "import stractory\n"
        "stractory.client()\n"
        "assert 'ssl' not in sys.modules\n"
        "import gevent.monkey\n"
        "gevent.monkey.patch_all()\n"  # it warns when ssl was loaded before
    )


def test_a_registry_process_cannot_open_code() -> None:
    names = [
        m.name for m in MODULES.values() if m.part == "registry" or m.name == "stractory.commands.registry"
    ]
    in_a_new_process(
        f"import sys, {', '.join(names)}\n"
        "assert 'dill' not in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('stractory.actors')]\n"
    )


def test_the_design_lists_each_module() -> None:
    listed, folder = set(), ""
    for line in (ROOT / "docs/design.md").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"    (\w+(?:/\w+)*)/  ", line):
            folder = found[1]
        elif folder and (found := re.match(r"      (\w+(?:, \w+)*)  ", line)):
            listed |= {f"{folder}/{name}" for name in found[1].split(", ")}
        elif not line:
            folder = ""
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    there = {str(path) for path in paths if len(path.parts) > 1}
    assert listed == {name for name in there if not name.endswith("__init__")}
