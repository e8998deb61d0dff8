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
import enum
import functools
import importlib
import io
import marshal
import re
import sys
import typing
from collections.abc import Callable
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
from typing import Any

import dill

from stractory.actors import rebuilding
from stractory.actors.naming import explain
from stractory.actors.ownership import has_installed_name, imported_as, is_installed
from stractory.actors.references import Names, closure_of, globals_of, submodules_of
from stractory.actors.refusals import refusal
from stractory.errors import ActorNotShippable, ProtocolError, VersionMismatch
from stractory.wire.shipping import Code

PYTHON_TAG: str = sys.implementation.cache_tag or sys.implementation.name
DILL_VERSION: str = dill.__version__

# Up to 2, equal code gives equal bytes; later ones depend on reference counts. Slices in 3.14 need 5.
_MARSHAL_VERSION = 2 if sys.version_info < (3, 14) else marshal.version
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
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
        raise ActorNotShippable(
            f"{what} of this actor cannot travel: {explain(function, what, _failure)}"
        ) from None


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
    function = _open(code.body) if code.path is None else _import(code.path)
    if not callable(function):
        raise TypeError(f"{code.path or 'the code of this actor'} is not callable: {type(function).__name__}")
    return typing.cast("Callable[..., Any]", function)


def _open(body: bytes) -> Any:
    return dill.loads(body, ignore=True)[0]  # noqa: S301  # to be run is what it was sent for


def _import(path: str) -> Any:
    if not _PATH.fullmatch(path):
        raise ProtocolError(f"malformed import path {path!r}")
    module, attribute = path.split(":")
    found = importlib.import_module(module)
    try:
        return attrgetter(attribute)(found)
    except AttributeError:
        raise AttributeError(f"module {module!r} has no {attribute!r}") from None


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
            return thing.__qualname__ if has_installed_name(thing) else self._reduce_function(thing)
        if issubclass(kind, type):
            return self._reduce_class(thing)
        if kind is CodeType:
            return marshal.loads, (marshal.dumps(thing, _MARSHAL_VERSION),)  # dill's changes warning filters
        if issubclass(kind, ModuleType):
            return self._reduce_module(thing)
        if kind is MethodType and type(thing.__func__) is not FunctionType:  # Cython's, as gevent.spawn
            return getattr, (thing.__self__, thing.__func__.__name__)
        if words := refusal(kind):
            raise _Refused(words)
        if kind is rebuilding.Late:
            late, self._late = self._late, []
            return rebuilding.set_late, (late, rebuilding.Late()) if late else (late, None)
        return self._reduce_instance(kind, thing)

    def save_global(self, thing: Any, name: str | None = None) -> None:
        """For what wants to go by name: the worker cannot import the user's own modules."""
        module = getattr(thing, "__module__", None)
        if isinstance(module, str) and not is_installed(module):
            raise _Refused(f"only a name in {module!r}, which the worker cannot import")
        super().save_global(thing, name)

    def _stand_in(self, owner: object, *reduction: Any) -> _StandIn:
        return self._stand_ins.setdefault(id(owner), _StandIn(*reduction))

    def _module(self, scope: dict[str, Any]) -> tuple[_StandIn, bool]:
        """The module with these globals, and whether the worker imports it or makes it anew."""
        name = imported_as(scope)
        if name is not None and is_installed(name):
            return self._stand_in(scope, importlib.import_module, (name,)), True
        return self._stand_in(scope, rebuilding.make_module, (scope.get("__name__") or "__main__",)), False

    def _cell(self, cell: CellType) -> _StandIn:
        return self._stand_in(cell, CellType, ())

    def _reduce_module(self, module: ModuleType) -> Any:
        stand_in, installed = self._module(vars(module))
        if installed:
            return rebuilding.same, (stand_in,)
        contents = {name: value for name, value in vars(module).items() if name not in _MODULE_MACHINERY}
        return rebuilding.same, (stand_in,), contents, None, None, rebuilding.fill_module

    def _reduce_dict(self, mapping: dict[Any, Any]) -> Any:
        if "__name__" not in mapping:
            return NotImplemented
        name = imported_as(mapping)
        if name is not None:
            return vars, (sys.modules[name],)
        return dict, (), None, None, iter(mapping.items())  # dill would import a module of that name

    def _reduce_function(self, function: FunctionType) -> Any:
        module, installed = self._module(function.__globals__)
        names = Names.of(function.__code__)
        variables = globals_of(function, names)
        closure = closure_of(function)
        submodules = submodules_of(names, [*variables.values(), *(content for _, _, content in closure)])
        cells = tuple(self._cell(cell) for cell in function.__closure__ or ())
        filled = [(self._cell(cell), content) for _, cell, content in closure]
        attributes = {
            name: value for name in _FUNCTION_ATTRIBUTES if (value := getattr(function, name, None))
        }
        empty = rebuilding.make_function, (function.__code__, module, function.__name__, cells)
        state = ({} if installed else variables, filled, attributes, submodules)
        return *empty, state, None, None, rebuilding.fill_function

    def _reduce_class(self, cls: type) -> Any:
        if cls.__module__ == "builtins":  # some have no name there, which dill knows to get round
            return NotImplemented
        if has_installed_name(cls):
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
        empty = rebuilding.make_class, (type(cls), cls.__name__, cls.__bases__, fixed)
        return *empty, (contents, subclasses), None, None, rebuilding.fill_class

    def _reduce_instance(self, kind: type, thing: Any) -> Any:
        """Instances of library classes that dill or pickle get wrong."""
        if issubclass(kind, enum.Enum) and not has_installed_name(kind):
            base = kind._member_type_  # type: ignore[attr-defined]
            arguments = thing.__getnewargs__() if base is not object else ()
            return rebuilding.make_member, (base, kind, *arguments), vars(thing)
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
    _Pickler(file).dump((thing, rebuilding.Late()))
    return file.getvalue()


def _failure(thing: Any) -> str:
    try:
        _dumps(thing)
    except _Refused as refused:
        return f"is {refused}"
    except Exception as error:
        return f"cannot be pickled ({type(error).__name__}: {error})"
    return ""
