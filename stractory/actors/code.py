"""An actor's code: from a function to bytes on the client, and back to a function on the worker.

The only file that pickles or unpickles anything. :func:`ship` sends the user's own functions, classes and
modules by value, wherever they were defined: the worker cannot import them. What is installed (the standard
library, site-packages, extension modules, stractory itself) goes by name.

dill's own savers of functions, classes and modules are not used. They go by name for anything importable,
give every function a copy of its globals, fail for some cycles of classes, and find a function's globals by
swapping ``sys.stdout`` for a moment, for every thread. ``reducer_override``, pickle's documented hook, comes
before them and changes dill for nobody else; all other types stay dill's. What the hook returns follows one
pattern: make the empty thing, remember it, then fill it, so that cycles of any shape close.

What the user has to know:

* The functions of one module share their globals within one shipment (``global counter`` works); another
  shipment has its own. Only globals that the code names travel; ``globals()["name"]`` cannot be seen.
* ``import helpers`` inside a function runs on the worker, where the user's own modules are not.
* ``__init_subclass__`` and metaclasses do not run again on the worker; what they did travels with the class.
"""

from __future__ import annotations

import abc
import builtins
import contextlib
import dis
import enum
import functools
import importlib
import io
import marshal
import os
import re
import sys
import typing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from operator import attrgetter
from types import (
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple

import dill

from stractory.errors import ActorNotShippable, ProtocolError, VersionMismatch
from stractory.wire.shipping import Code

PYTHON_TAG: str = sys.implementation.cache_tag or sys.implementation.name
DILL_VERSION: str = dill.__version__

# Up to 2, equal code gives equal bytes; later ones depend on reference counts. Slices in 3.14 need 5.
_MARSHAL_VERSION = 2 if sys.version_info < (3, 14) else marshal.version
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset}
)
_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8  # of type.__flags__; made by a class statement: heap and mutable
_SLOT_TYPES = frozenset({GetSetDescriptorType, MemberDescriptorType})  # made anew with a class
_MODULE_MACHINERY = frozenset(
    {"__builtins__", "__cached__", "__file__", "__loader__", "__package__", "__path__", "__spec__"}
)
_CLASS_FIXTURES = ("__module__", "__slots__", "__orig_bases__")  # what a class must be made with
_FUNCTION_ATTRIBUTES = (
    *("__defaults__", "__kwdefaults__", "__annotations__", "__doc__"),
    *("__module__", "__qualname__", "__type_params__", "__dict__"),
)

# Types that must not travel, by the full name of the type or a base of it. dill would silently copy some of
# them (locks, files); others would fail at an attribute nobody has heard of. The first in a type's method
# resolution order counts: a StringIO is no open file.
_REFUSED = {
    name: words
    for words, names in {
        "": "_io.BytesIO _io.StringIO",
        "a condition": "threading.Condition",
        "a database connection": "sqlite3.Connection",
        "a database cursor": "sqlite3.Cursor",
        "a frame": "builtins.frame",
        "a lock": "_thread.lock _thread.RLock threading._RLock",
        "a semaphore": "threading.Semaphore",
        "a barrier": "threading.Barrier",
        "a pointer": "builtins.PyCapsule",
        "a poll object": "select.epoll select.poll",
        "a pool": "concurrent.futures._base.Executor",
        "a process": "subprocess.Popen multiprocessing.process.BaseProcess",
        "a queue": "queue.Queue _queue.SimpleQueue",
        "a running coroutine": "builtins.coroutine",
        "a running generator": "builtins.generator builtins.async_generator",
        "a socket": "_socket.socket gevent._socket3.socket",
        "a thread": "threading.Thread _thread._ThreadHandle",
        "a TLS context": "ssl.SSLContext _ssl._SSLContext",
        "a traceback": "builtins.traceback",
        "a view of memory": "builtins.memoryview",
        "an event": "threading.Event",
        "an open file": "_io._IOBase",
        "data of one thread": "_thread._local",
        "mapped memory": "mmap.mmap",
    }.items()
    for name in names.split()
}
_REFUSED_PACKAGES = {"gevent": "a gevent object", "greenlet": "a green thread", "zmq": "a ZeroMQ object"}


def ship(function: Any, what: str) -> Code:
    """The code of ``function``: any callable, or ``"package.module:function"`` for the worker to import.

    ``what`` is its role ("init", "client"), for the text of ActorNotShippable, which also names the variable
    that cannot travel. Equal code gives equal bytes, in this process at least. Takes no lock and may be used
    from any thread, but a variable that another thread changes meanwhile may travel either way.
    """
    if isinstance(function, str):
        if not _PATH.fullmatch(function):
            raise ActorNotShippable(
                f"{what} of this actor is {function!r}, not like 'package.module:function'"
            )
        return Code.imported(function)
    if not callable(function):
        raise ActorNotShippable(f"{what} of this actor is not callable: {type(function).__name__}")
    try:
        return Code.shipped(_dumps(function), PYTHON_TAG, DILL_VERSION)
    except Exception:  # pickle has no common root: PicklingError, TypeError, ValueError, RecursionError ...
        raise ActorNotShippable(f"{what} of this actor cannot travel: {_explain(function, what)}") from None


def load(code: Code) -> Callable[..., Any]:
    """The callable in ``code``.

    Raises VersionMismatch for code of another Python or dill and ProtocolError for damaged code, both before
    anything is unpickled; ImportError or AttributeError for what this process lacks, TypeError for what is
    not callable, and whatever the code itself raises.
    """
    if code.path is None:
        if code.python != PYTHON_TAG:
            raise VersionMismatch(f"code made by {code.python} cannot run on {PYTHON_TAG}")
        if code.dill is None or code.dill.split(".")[:2] != DILL_VERSION.split(".")[:2]:
            raise VersionMismatch(f"code made by dill {code.dill} cannot be opened by dill {DILL_VERSION}")
    if not code.intact():
        raise ProtocolError("damaged code: its digest does not fit")
    function = _import(code.path) if code.path is not None else dill.loads(code.body, ignore=True)[0]
    if not callable(function):
        raise TypeError(f"{code.path or 'the code of this actor'} is not callable: {type(function).__name__}")
    return typing.cast("Callable[..., Any]", function)


def _import(path: str) -> Any:
    if not _PATH.fullmatch(path):
        raise ProtocolError(f"malformed import path {path!r}")
    module, attribute = path.split(":")
    found = importlib.import_module(module)
    try:
        return attrgetter(attribute)(found)
    except AttributeError:
        raise AttributeError(f"module {module!r} has no {attribute!r}") from None


# What travels how


def _is_installed(module: str) -> bool:
    """Whether the worker can be expected to import this too: by where it was loaded from, not by its name."""
    if module == "__main__":
        return False
    if module.partition(".")[0] == "stractory" or module in sys.builtin_module_names:
        return True
    found = sys.modules.get(module)
    if getattr(getattr(found, "__spec__", None), "origin", None) in ("built-in", "frozen"):
        return True
    file = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), None)
    if not isinstance(file, str):  # made by code: goes with its package, if it has one
        parent = module.rpartition(".")[0]
        return bool(parent) and _is_installed(parent)
    return (
        file.startswith(_STANDARD_LIBRARY)
        or file.endswith(tuple(EXTENSION_SUFFIXES))
        or f"{os.sep}site-packages{os.sep}" in file
        or f"{os.sep}dist-packages{os.sep}" in file
    )


def _imported_as(scope: dict[str, Any]) -> str | None:
    """The name in sys.modules of the module with these globals; gevent.event's ``__name__`` is another."""
    name = scope.get("__name__")
    if isinstance(name, str) and getattr(sys.modules.get(name), "__dict__", None) is scope:
        return name
    modules = sys.modules.copy().items()
    return next((key for key, module in modules if getattr(module, "__dict__", None) is scope), None)


def _has_installed_name(thing: Any) -> bool:
    """Whether a function or class is what an installed module has under its name."""
    module = thing.__module__
    if not isinstance(module, str) or module not in sys.modules or not _is_installed(module):
        return False
    try:
        return attrgetter(thing.__qualname__)(sys.modules[module]) is thing
    except AttributeError:
        return False


def _refusal(kind: type) -> str:
    """Why things of this type do not travel; empty if they may."""
    for base in kind.__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        words = _REFUSED.get(name, _REFUSED_PACKAGES.get(name.partition(".")[0]))
        if words is not None:
            return words and f"{words} ({kind.__module__}.{kind.__qualname__})"
    return ""


class _Names(NamedTuple):
    """What a code object and those inside it name."""

    variables: set[str]  # globals
    all: set[str]  # those and attributes

    @classmethod
    def of(cls, code: CodeType) -> _Names:
        names = cls(set(), set(code.co_names))
        for step in dis.get_instructions(code):
            if "_GLOBAL" in step.opname or step.opname == "LOAD_NAME":  # the latter: a class in a function
                names.variables.add(step.argval)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                inner = cls.of(constant)
                names.variables.update(inner.variables)
                names.all.update(inner.all)
        return names


def _globals(function: FunctionType, names: _Names) -> dict[str, Any]:
    """The globals that a function names, in an order that does not depend on hashes."""
    scope = function.__globals__
    return {name: scope[name] for name in sorted(names.variables) if name in scope}


def _closure(function: FunctionType) -> list[tuple[str, CellType, Any]]:
    """The variables of enclosing functions that have a value: (name, cell, content)."""
    filled = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # still empty
            filled.append((name, cell, cell.cell_contents))
    return filled


def _submodules(names: _Names, values: Iterable[Any]) -> list[str]:
    """What else to import for ``import a.b`` and ``a.b.f()``: the code only refers to ``a``."""
    packages = [
        value.__name__
        for value in values
        if issubclass(type(value), ModuleType) and hasattr(value, "__path__")
    ]
    return [
        f"{package}.{rest}"
        for package in packages
        if _is_installed(package)
        for start, _, rest in sorted(name.partition(f"{package}.") for name in sys.modules.copy())
        if rest and not start and names.all.issuperset(rest.split("."))
    ]


class _Refused(dill.PicklingError):  # type: ignore[misc]  # dill has no types
    """Its text goes on after "variable 'x' is"."""


class _StandIn:
    """Stands in a pickle for what is made empty on the other side, once for each thing it stands for."""

    def __init__(self, *reduction: Any) -> None:
        self.reduction = reduction

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduction


class _Pickler(dill.Pickler):  # type: ignore[misc]
    """dill's, but for functions, classes, modules and what may not travel. It dumps once."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._stand_ins: dict[int, _StandIn] = {}  # by id: pickle's memo keeps their owners alive
        self._late: list[tuple[type, Any]] = []

    def reducer_override(self, thing: Any) -> Any:
        kind = type(thing)
        if kind in _PLAIN:
            return NotImplemented
        if kind is dict:
            return self._reduce_dict(thing)
        if kind is FunctionType:
            return thing.__qualname__ if _has_installed_name(thing) else self._reduce_function(thing)
        if issubclass(kind, type):
            return self._reduce_class(thing)
        if kind is CodeType:
            return marshal.loads, (marshal.dumps(thing, _MARSHAL_VERSION),)  # dill's changes warning filters
        if issubclass(kind, ModuleType):
            return self._reduce_module(thing)
        if kind is MethodType and type(thing.__func__) is not FunctionType:  # Cython's, as gevent.spawn
            return getattr, (thing.__self__, thing.__func__.__name__)
        if refusal := _refusal(kind):
            raise _Refused(refusal)
        if kind is _Late:
            late, self._late = self._late, []
            return _set_late, (late, _Late()) if late else (late, None)
        return self._reduce_instance(kind, thing)

    def save_global(self, thing: Any, name: str | None = None) -> None:
        """For what wants to go by name: the worker cannot import the user's own modules."""
        module = getattr(thing, "__module__", None)
        if isinstance(module, str) and not _is_installed(module):
            raise _Refused(f"only a name in {module!r}, which the worker cannot import")
        super().save_global(thing, name)

    def _stand_in(self, owner: object, *reduction: Any) -> _StandIn:
        return self._stand_ins.setdefault(id(owner), _StandIn(*reduction))

    def _module(self, scope: dict[str, Any]) -> tuple[_StandIn, bool]:
        """The module with these globals, and whether the worker imports it or makes it anew."""
        name = _imported_as(scope)
        if name is not None and _is_installed(name):
            return self._stand_in(scope, importlib.import_module, (name,)), True
        return self._stand_in(scope, _make_module, (scope.get("__name__") or "__main__",)), False

    def _cell(self, cell: CellType) -> _StandIn:
        return self._stand_in(cell, CellType, ())

    def _reduce_module(self, module: ModuleType) -> Any:
        stand_in, installed = self._module(vars(module))
        if installed:
            return _same, (stand_in,)
        contents = {name: value for name, value in vars(module).items() if name not in _MODULE_MACHINERY}
        return _same, (stand_in,), contents, None, None, _fill_module

    def _reduce_dict(self, mapping: dict[Any, Any]) -> Any:
        if "__name__" not in mapping:
            return NotImplemented
        name = _imported_as(mapping)
        if name is not None:
            return vars, (sys.modules[name],)
        return dict, (), None, None, iter(mapping.items())  # dill would import a module of that name

    def _reduce_function(self, function: FunctionType) -> Any:
        module, installed = self._module(function.__globals__)
        names = _Names.of(function.__code__)
        variables = _globals(function, names)
        closure = _closure(function)
        submodules = _submodules(names, [*variables.values(), *(content for _, _, content in closure)])
        cells = tuple(self._cell(cell) for cell in function.__closure__ or ())
        filled = [(self._cell(cell), content) for _, cell, content in closure]
        attributes = {
            name: value for name in _FUNCTION_ATTRIBUTES if (value := getattr(function, name, None))
        }
        empty = _make_function, (function.__code__, module, function.__name__, cells)
        state = ({} if installed else variables, filled, attributes, submodules)
        return *empty, state, None, None, _fill_function

    def _reduce_class(self, cls: type) -> Any:
        if cls.__module__ == "builtins":  # some have no name there, which dill knows to get round
            return NotImplemented
        if _has_installed_name(cls):
            return cls.__qualname__
        if cls.__flags__ & (_HEAP_TYPE | _IMMUTABLE_TYPE) != _HEAP_TYPE:
            raise _Refused("a class made in C that no module has under its name")
        contents = {
            name: value
            for name, value in vars(cls).items()
            if not (type(value) in _SLOT_TYPES and value.__objclass__ is cls)
        }
        subclasses = []
        if contents.pop("_abc_impl", None):
            subclasses = [subclass() for subclass in abc._get_dump(cls)[0]]  # type: ignore[attr-defined]
        if "__init_subclass__" in contents:
            self._late.append((cls, contents.pop("__init_subclass__")))
        fixed = {name: contents.pop(name) for name in _CLASS_FIXTURES if name in contents}
        fixed["__qualname__"] = cls.__qualname__
        empty = _make_class, (type(cls), cls.__name__, cls.__bases__, fixed)
        return *empty, (contents, subclasses), None, None, _fill_class

    def _reduce_instance(self, kind: type, thing: Any) -> Any:
        """Instances of library classes that dill or pickle get wrong."""
        if issubclass(kind, enum.Enum) and not _has_installed_name(kind):
            base = kind._member_type_  # type: ignore[attr-defined]
            arguments = thing.__getnewargs__() if base is not object else ()
            return _make_member, (base, kind, *arguments), vars(thing)
        if issubclass(kind, functools.cached_property):  # has a lock up to Python 3.11
            return kind, (thing.func,), {name: value for name, value in vars(thing).items() if name != "lock"}
        if kind is typing.NewType:
            return kind, (thing.__name__, thing.__supertype__)
        if kind is getattr(typing, "TypeAliasType", None):  # from Python 3.12
            return functools.partial(
                kind, thing.__name__, thing.__value__, type_params=thing.__type_params__
            ), ()
        if kind in (typing.TypeVar, typing.ParamSpec):  # would go by name
            variance = {"covariant": thing.__covariant__, "contravariant": thing.__contravariant__}
            constraints = getattr(thing, "__constraints__", ())
            make = functools.partial(kind, thing.__name__, *constraints, bound=thing.__bound__, **variance)
            return make, ()
        return NotImplemented


def _dumps(thing: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump((thing, _Late()))
    return file.getvalue()


# What a pickle calls while it is loaded. Their names are in the pickles: keep them.


class _Late:
    """Comes after everything else in a pickle, and is replaced there by what had to wait."""


def _set_late(late: list[tuple[type, Any]], more: None) -> None:
    """Give classes their ``__init_subclass__``, now that their subclasses exist."""
    for cls, hook in late:
        type.__setattr__(cls, "__init_subclass__", hook)


def _make_module(name: str) -> ModuleType:
    module = ModuleType(name)
    vars(module)["__builtins__"] = builtins
    return module


def _same(thing: Any) -> Any:
    return thing


def _fill_module(module: ModuleType, contents: dict[str, Any]) -> None:
    vars(module).update(contents)


def _make_function(
    code: CodeType, module: ModuleType, name: str, closure: tuple[CellType, ...]
) -> FunctionType:
    return FunctionType(code, vars(module), name, None, closure)


def _fill_function(function: FunctionType, state: tuple[Any, ...]) -> None:
    variables, cells, attributes, submodules = state
    for name in submodules:
        importlib.import_module(name)
    function.__globals__.update(variables)
    for cell, content in cells:
        cell.cell_contents = content
    for name, value in attributes.items():
        setattr(function, name, value)


def _make_class(metaclass: type, name: str, bases: tuple[type, ...], fixed: dict[str, Any]) -> type:
    make = abc.ABCMeta.__new__ if issubclass(metaclass, abc.ABCMeta) else type.__new__
    return make(metaclass, name, bases, fixed)


def _fill_class(cls: type, state: tuple[Any, ...]) -> None:
    contents, subclasses = state
    for name, value in contents.items():
        type.__setattr__(cls, name, value)  # not the metaclass's: enum's forbids it
    for subclass in subclasses:
        abc.ABCMeta.register(cls, subclass)  # type: ignore[arg-type]


def _make_member(base: type, cls: type, *arguments: Any) -> Any:
    return base.__new__(cls, *arguments)


# Naming what cannot travel


class _Part(NamedTuple):
    """Something a thing holds: ``label`` is a variable where ``where`` says whose, else how to get at it."""

    label: str
    where: str
    thing: Any


def _explain(function: Any, what: str) -> str:
    """Which variable cannot travel, and why."""
    path, owner, thing = what, "", function
    for part in _bad_parts(function, {id(function): function}) or ():
        path, owner = (part.label, f" ({part.where})") if part.where else (path + part.label, owner)
        thing = part.thing
    return f"variable {path!r}{owner} {_failure(thing)}; make it inside {what}"


def _bad_parts(whole: Any, seen: dict[int, Any]) -> list[_Part] | None:
    """The way down to something that cannot travel though all its parts can, found by trying each.

    None where every way down only leads back to what was ``seen``.
    """
    innermost = True
    for part in _parts(whole):
        if _failure(part.thing):
            innermost = False
            if id(part.thing) not in seen:
                seen[id(part.thing)] = part.thing
                rest = _bad_parts(part.thing, seen)
                if rest is not None:
                    return [part, *rest]
    return [] if innermost else None


def _failure(thing: Any) -> str:
    try:
        _dumps(thing)
    except _Refused as refused:
        return f"is {refused}"
    except Exception as error:
        return f"cannot be pickled ({type(error).__name__}: {error})"
    return ""


def _parts(whole: Any) -> Iterator[_Part]:
    if isinstance(whole, FunctionType):
        yield from _variables(whole)
    if isinstance(whole, FunctionType) or _refusal(type(whole)):
        return
    match whole:
        case staticmethod() | classmethod():
            yield _Part("", "", whole.__func__)
        case MethodType():
            yield _Part(".__func__", "", whole.__func__)
            yield _Part(".__self__", "", whole.__self__)
        case property():
            yield from (_Part("", "", function) for function in (whole.fget, whole.fset, whole.fdel))
        case functools.partial():
            yield _Part(".func", "", whole.func)
            yield _Part(".args", "", whole.args)
            yield _Part(".keywords", "", whole.keywords)
        case dict():
            yield from (_Part(f"[{key!r}]", "", value) for key, value in whole.items())
            yield from (_Part(f"[{key!r}]", "", key) for key in whole)
        case list() | tuple() | set() | frozenset() | deque():
            yield from (_Part(f"[{index}]", "", value) for index, value in enumerate(whole))
        case type():
            yield from (_Part("", "", base) for base in whole.__bases__)
    slots = (name for kind in type(whole).__mro__ for name in vars(kind).get("__slots__", ()))
    attributes = {name: getattr(whole, name) for name in slots if hasattr(whole, name)}
    attributes.update(getattr(whole, "__dict__", {}))
    yield from (_Part(f".{name}", "", value) for name, value in attributes.items())
    yield _Part("", "", type(whole))


def _variables(function: FunctionType) -> Iterator[_Part]:
    code, of = function.__code__, f"of {function.__qualname__!r}"
    yield from (_Part(name, f"closure {of}", content) for name, _, content in _closure(function))
    for name, value in _globals(function, _Names.of(code)).items():
        yield _Part(name, f"global {of}", value)
    defaults = function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    for name, value in [*zip(names, defaults, strict=True), *(function.__kwdefaults__ or {}).items()]:
        yield _Part(name, f"default argument {of}", value)
    yield from (_Part(name, f"attribute {of}", value) for name, value in vars(function).items())
    yield from (_Part(name, f"annotation {of}", value) for name, value in function.__annotations__.items())
