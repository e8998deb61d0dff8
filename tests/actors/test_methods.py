"""What clients of an rpc actor may call."""

from __future__ import annotations

import json
import math
from functools import cached_property, lru_cache, partialmethod, singledispatchmethod
from typing import Any

import pytest

from stractory.actors.rpc import methods_of


class Base:
    def inherited(self) -> str:
        return "inherited"


class Room(Base):
    Guest = dict

    def __init__(self) -> None:
        self.on_change = print
        self.people: list[str] = []

    @property
    def leader(self) -> str:
        return self.people[0]

    @cached_property
    def first(self) -> Any:
        raise LookupError("nobody has come yet")

    def say(self) -> str:
        return "say"

    @staticmethod
    def fixed() -> str:
        return "fixed"

    @classmethod
    def named(cls) -> str:
        return cls.__name__

    @lru_cache  # noqa: B019
    def cached(self) -> str:
        return "cached"

    @singledispatchmethod
    def dispatched(self, value: Any) -> str:
        return "dispatched"

    partial = partialmethod(dispatched, 1)

    def _private(self) -> None: ...

    def destroy(self) -> None: ...


def test_an_object_has_the_methods_of_its_class() -> None:
    methods = methods_of(Room())
    assert sorted(methods) == ["cached", "dispatched", "fixed", "inherited", "named", "partial", "say"]
    assert methods["say"]() == "say" and methods["named"]() == "Room" and methods["cached"]() == "cached"
    assert methods["dispatched"](1) == "dispatched"


def test_a_dict_has_whatever_it_holds() -> None:
    assert sorted(methods_of({"Guest": dict, "say": print, "destroy": print})) == ["Guest", "say"]


def test_a_module_has_its_functions() -> None:
    assert sorted(methods_of(json)) == ["detect_encoding", "dump", "dumps", "load", "loads"]
    assert methods_of(math)["floor"](1.5) == 1


class Empty:
    def __init__(self) -> None:
        self.say = print


@pytest.mark.parametrize("made", [7, None, print, {"a": 1}, {}, Empty()])
def test_what_has_none(made: Any) -> None:
    with pytest.raises(TypeError):
        methods_of(made)
