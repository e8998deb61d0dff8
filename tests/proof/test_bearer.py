"""Tokens that stand for a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stractory.proof import bearer
from stractory.proof.keys import CLIENT, EVERYBODY, MASTER, NODE, OPERATOR, ROLES, Key, KeyRing

PATH = Path("cluster.key")
MASTER_KEY = Key("0a1b2c3d", MASTER, EVERYBODY, bytes(range(32)), PATH)
RING = KeyRing([MASTER_KEY], PATH)
TOKEN = bearer.make(MASTER_KEY.derive(CLIENT, "alice"))


def test_a_token_stands_for_its_key() -> None:
    key = bearer.holder(TOKEN, RING, ROLES)
    assert key is not None and (key.id, key.role, key.name) == ("0a1b2c3d", CLIENT, "alice")


def test_it_is_always_the_same() -> None:
    """Prometheus has it in a file."""
    assert TOKEN.split(".") == [
        "0a1b2c3d",
        "client",
        "YWxpY2U",
        "1_BuTWFJYoeLc7cp5BrM_jz8HnjFVe_NY3wDpHt9XXs",
    ]


def test_a_derived_key_in_the_file_makes_the_same() -> None:
    own = MASTER_KEY.derive(NODE, "worker 1")
    assert bearer.holder(bearer.make(own), KeyRing([own], PATH), [NODE]) is own


@pytest.mark.parametrize("roles", [(OPERATOR, NODE), ()])
def test_other_roles_are_not_asked_for(roles: tuple[str, ...]) -> None:
    assert bearer.holder(TOKEN, RING, roles) is None


def test_a_master_key_has_no_token() -> None:
    assert bearer.holder(bearer.make(MASTER_KEY), RING, (*ROLES, MASTER)[:3]) is None


def test_a_revoked_name() -> None:
    assert bearer.holder(TOKEN, KeyRing([MASTER_KEY], PATH, ["alice"]), ROLES) is None


def test_a_key_that_is_gone() -> None:
    other = Key(MASTER_KEY.id, MASTER, EVERYBODY, bytes(32), PATH)
    assert bearer.holder(TOKEN, KeyRing([other], PATH), ROLES) is None


def altered() -> list[str]:
    id, role, name, proof = TOKEN.split(".")
    return [
        *(
            "",
            ".",
            "...",
            "a.b.c.d",
            f"{TOKEN}.",
            TOKEN[:-1],
            f"{TOKEN}=",
            TOKEN.replace("client", "operator"),
        ),
        f"{id}.{role}.Ym9i.{proof}",  # another name
        f"00000000.{role}.{name}.{proof}",
        f"{id}.{role}.{name}.{'A' * len(proof)}",
        f"{id}.{role}.{name}.",
        f"{id}.{role}.\udcff.{proof}",
        f"{id}.{role}._w.{proof}",  # no UTF-8
    ]


@pytest.mark.parametrize("token", altered())
def test_anything_else_is_refused(token: str) -> None:
    assert bearer.holder(token, RING, ROLES) is None
