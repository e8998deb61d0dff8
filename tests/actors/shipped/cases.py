"""Functions of a user's own module. Each runs where nobody has heard of it, and raises if it is wrong."""

import abc
import collections
import concurrent.futures
import contextlib
import dataclasses
import enum
import functools
import io
import json
import logging
import os.path
import traceback
import typing
import weakref
import xml.etree.ElementTree

import gevent
import gevent.event
import helpers
import whole
from helpers import LIMIT, SHARED, Base, bump, count, double, join, people

CONSTANTS = {"pair": (1, 2), "nested": [{"a": {1, 2}}], "kind": frozenset("ab")}
log = logging.getLogger("cases")
T = typing.TypeVar("T", bound=int)
UserId = typing.NewType("UserId", int)
tricky = {"__name__": "antigravity"}  # dill would import a module of that name
buffer = io.StringIO("text")


def case_constants():
    assert {"pair": (1, 2), "nested": [{"a": {1, 2}}], "kind": frozenset("ab")} == CONSTANTS
    assert LIMIT == 7 and tricky["__name__"] == "antigravity" and buffer.getvalue() == "text"


def case_from_import():
    assert double(4) == 8


def case_whole_module():
    assert whole.call() == "[1, 2]" and whole.calls == 1
    whole.VALUES.append(3)
    assert whole.call() == "[1, 2, 3]" and whole.calls == 2
    assert whole.__name__ == "whole"


def case_shared_mutable():
    join("Alex")
    assert people() == ["Alex"] and SHARED["people"] is people()


def case_shared_global():
    assert count() == 0
    bump()
    bump()
    assert count() == 2


def factorial(number):
    return 1 if number < 2 else number * factorial(number - 1)


def even(number):
    return number == 0 or odd(number - 1)


def odd(number):
    return number != 0 and even(number - 1)


@functools.lru_cache(maxsize=100)
def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


def case_recursion():
    assert factorial(5) == 120 and even(10) and not odd(10) and fibonacci(20) == 6765


def make_counter(start):
    value = start

    def increment(step=1, *, times=1):
        nonlocal value
        value += step * times
        return value

    def current():
        return value

    def again():
        return again

    return increment, current, again


increment, current, again = make_counter(10)


def case_closures():
    assert increment() == 11 and increment(2, times=3) == 17
    assert current() == 17  # one cell
    assert again() is again


def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return ["traced", function(*args, **kwargs)]

    return wrapper


@traced
def decorated(value: UserId) -> UserId:
    """Its text."""
    return value


@contextlib.contextmanager
def managed():
    yield 5


def case_decorated():
    assert decorated(3) == ["traced", 3]
    assert (decorated.__name__, decorated.__doc__) == ("decorated", "Its text.")
    assert decorated.__wrapped__(4) == 4 and UserId(1) == 1
    with managed() as value:
        assert value == 5


class Left(Base):
    kinds: typing.ClassVar[list] = []

    def __init__(self, name="left"):
        self.name = name

    def greet(self):
        return f"{self.name}+{super().greet()}"

    @classmethod
    def make(cls, name):
        return cls(name)

    @staticmethod
    def twice(value):
        return double(value)

    @property
    def loud(self):
        return self.name.upper()

    @functools.cached_property
    def slow(self):
        return [self.name]

    def me(self):
        return Left


class Right(Base):
    def greet(self):
        return f"right+{super().greet()}"


class Both(Left, Right):
    class Inner:
        pass


Left.default = Both("one")


def case_classes():
    both = Both.make("x")
    assert both.greet() == "x+right+base" and both.loud == "X" and both.slow is both.slow
    assert Left.twice(3) == 6 and both.me() is Left and isinstance(Left.default, Both)
    assert Both.Inner.__qualname__ == "Both.Inner" and Both.__module__ == "cases"
    assert Both.__mro__ == (Both, Left, Right, Base, object)

    class Local(Both):
        limit = LIMIT  # a global named in the body of a class

    assert Local.limit == 7 and Local("l").greet() == "l+right+base"


class Plugin:
    names: typing.ClassVar[list] = []

    def __init_subclass__(cls, *, name):
        Plugin.names.append(name)


class First(Plugin, name="first"):
    pass


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Square(Shape):
    __slots__ = ("__secret", "side")

    def __init__(self, side):
        self.side = self.__secret = side

    def area(self):
        return self.side * self.__secret


@Shape.register
class Circle:
    pass


class Registered(type):
    made: typing.ClassVar[list] = []

    def __new__(mcs, name, bases, namespace):
        mcs.made.append(name)
        return super().__new__(mcs, name, bases, namespace)


class Made(metaclass=Registered):
    pass


class Box(typing.Generic[T]):
    def __init__(self, item: T):
        self.item = item


class Fault(Exception):
    pass


def case_special_classes():
    assert First and Plugin.names == ["first"]

    class Second(Plugin, name="second"):
        pass

    assert Plugin.names == ["first", "second"]
    assert Square(3).area() == 9 and isinstance(Circle(), Shape)
    try:
        Shape()
    except TypeError:
        pass
    else:
        raise AssertionError("abstract")
    assert Registered.made == ["Made"] and type(Made) is Registered
    assert Box[int](3).item == 3
    try:
        raise Fault("it")
    except Fault as fault:
        assert fault.args == ("it",)


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    ROUGE = 1  # noqa: PIE796

    def low(self):
        return self.name.lower()


class Planet(enum.Enum):
    EARTH = (1, 2)

    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Word(str, enum.Enum):
    YES = "yes"


def case_enums():
    assert Color.RED.low() == "red" and Color(2) is Color.GREEN and Color.ROUGE is Color.RED
    assert list(Color) == [Color.RED, Color.GREEN] and Color["GREEN"] is Color.GREEN
    assert Planet.EARTH.radius == 2 and Level(1) is Level.LOW == 1 and Word("yes") is Word.YES == "yes"
    assert (Mode.READ | Mode.WRITE) & Mode.WRITE is Mode.WRITE
    assert {Color.RED: 1}[Color.RED] == 1 and repr(Color.RED) == "<Color.RED: 1>"


@dataclasses.dataclass
class Point:
    x: int
    tags: list = dataclasses.field(default_factory=list)

    def moved(self, by):
        return dataclasses.replace(self, x=self.x + by)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Frozen:
    x: int = 3


Pair = collections.namedtuple("Pair", "a b", defaults=(5,))


class Named(typing.NamedTuple):
    x: int
    y: int = 2

    def total(self):
        return self.x + self.y


class Options(typing.TypedDict):
    x: int


origin = Point(0)


def case_records():
    assert Point(1).moved(2) == Point(3, []) and Point(1).tags is not Point(1).tags
    assert origin == Point(0) and dataclasses.asdict(origin) == {"x": 0, "tags": []}
    assert Frozen() == Frozen(3) < Frozen(4) and {Frozen(): 1}[Frozen()] == 1
    try:
        Frozen().x = 4
    except dataclasses.FrozenInstanceError:
        pass
    else:
        raise AssertionError("not frozen")
    assert Pair(1) == (1, 5) and Pair(1)._replace(b=2).b == 2 and repr(Pair(1)) == "Pair(a=1, b=5)"
    assert Named(1).total() == 3 and Options(x=1) == {"x": 1}


def numbers(limit):
    received = yield 0
    yield from range(limit)
    return received


async def coroutine():
    return 9


triple = lambda number: number * 3  # noqa: E731
add_two = functools.partial(lambda a, b: a + b, 2)
bound = Left("bound").greet


@functools.singledispatch
def kind(value):
    return "other"


@kind.register
def _(value: int):
    return "int"


def case_callables():
    assert list(numbers(3)) == [0, 0, 1, 2] and triple(2) == 6 and add_two(3) == 5
    assert bound() == "bound+base" and kind(1) == "int" and kind("") == "other"
    try:
        coroutine().send(None)
    except StopIteration as stop:
        assert stop.value == 9


class Cell:
    pass


kept = Cell()
weak = weakref.ref(kept)


def case_installed():
    assert json.dumps(1) == "1" and os.path.join("a", "b") == "a/b" and log.name == "cases"
    assert xml.etree.ElementTree.Element("a").tag == "a"
    assert concurrent.futures.ThreadPoolExecutor
    assert weak() is kept


def case_green_threads():
    event = gevent.event.Event()
    gevent.spawn(event.set)
    assert event.wait(5) and gevent.idle() is None


def case_names():
    assert __name__ == "cases" and case_names.__module__ == "cases" and double.__module__ == "helpers"
    try:
        helpers_fail()
    except ZeroDivisionError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        assert last.filename.endswith("cases.py") and last.name == "helpers_fail"
        assert last.lineno == helpers_fail.__code__.co_firstlineno + 1


def helpers_fail():
    return 1 / 0


def case_inner_import():
    import base64

    assert base64.b64encode(b"a") == b"YQ=="
    try:
        import helpers as again_helpers  # noqa: F401
    except ModuleNotFoundError as error:
        assert error.name == "helpers"
    else:
        raise AssertionError("the user's modules are here")


def uses_lock_of_helper():
    return helpers.locked()
