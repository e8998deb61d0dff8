"""Which wrappers a client uses: those of installed packages, and its process's own."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import stractory
from tests.support.actors import echo


def test_a_wrapper_that_an_installed_package_brings(strac, name, tmp_path, monkeypatch):
    (tmp_path / "made_by_others.py").write_text(
        "class Shout:\n"
        "    def __init__(self, stream, options):\n"
        "        self.stream = stream\n"
        "        self.mark = options['mark']\n"
    )
    installed = tmp_path / "made_by_others-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: made-by-others\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[stractory.wrappers]\n{name} = made_by_others:Shout\n")
    strac.create(name, stractory.stream(echo, options={"mark": "!"}, client=name))
    with pytest.raises(stractory.WrapperNotFound, match=name):
        strac.get(name)
    monkeypatch.syspath_prepend(tmp_path)
    shout = strac.get(name)
    assert (type(shout).__module__, shout.mark) == ("made_by_others", "!")
    shout.stream.sendall(b"hello")
    assert shout.stream.recv(5) == b"hello"


def test_only_so_many_own_wrappers_are_remembered(strac, name, monkeypatch):
    monkeypatch.setattr("stractory.clients.wrappers.OWN_LIMIT", 2)
    monkeypatch.setattr("stractory.clients.wrappers._own", OrderedDict())

    def create(number):
        definition = stractory.stream(echo, client=lambda stream, options: number)
        strac.create(f"{name}.{number}", definition, if_exists="replace")

    for number in (1, 2, 1, 3):
        create(number)
    assert [strac.get(f"{name}.{number}") for number in (1, 3)] == [1, 3]
    with pytest.raises(stractory.UntrustedWrapper):
        strac.get(f"{name}.2")
