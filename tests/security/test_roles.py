"""Each role may make the calls that docs/protocol.md has for it, and no other."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import stractory
from stractory.net.address import Address
from stractory.proof import keys
from stractory.registry.permissions import PERMITTED
from stractory.wire.life import Terms
from tests.factory.test_factory import exchange
from tests.security.guarded import Guarded, calls
from tests.support.actors import echo
from tests.support.green import green_until

FOR_OPERATORS = ("define", "create", "destroy", "drain")
FOR_CLIENTS = ("lookup", "wait", "list", "workers", "watch", "facts", "load", "page_link")
FOR_NODES = (
    "register", "beat", "leaving", "goodbye", "child_silent", "child_ended", "blame", "started", "ended",
    "reported", "snapshot", "problem", "exited",
)  # fmt: skip
OVER_A_WORKERS_OWN_LINK = ("define", "create", "destroy", "isolate", "end_child", "leave", "look", "facts")

NEEDED = {
    **dict.fromkeys(FOR_OPERATORS, (keys.OPERATOR,)),
    **dict.fromkeys(FOR_CLIENTS, (keys.OPERATOR, keys.CLIENT)),
    **dict.fromkeys(FOR_NODES, (keys.NODE,)),
}


def test_these_are_all_calls() -> None:
    assert NEEDED == PERMITTED


@pytest.mark.parametrize("role", keys.ROLES)
def test_a_call_that_is_for_another_role(guarded: Guarded, role: str) -> None:
    with guarded.link(guarded.key(role, f"eve-{role}")) as link:
        at_registry = calls(link)
        for method, roles in NEEDED.items():
            if role not in roles:
                text = f"{method}() needs the role {' or '.join(roles)}; 'eve-{role}' proved the role {role}"
                with pytest.raises(stractory.ForbiddenRole, match=f"^{re.escape(text)}$"):
                    at_registry.call(method, call_timeout=10)
        where = str(Address(*link.own_address[:2]))
    forbidden = sorted(method for method, roles in NEEDED.items() if role not in roles)
    by = {"role": role, "name": f"eve-{role}"}
    green_until(lambda: sorted(_refused(guarded, by, where)) == forbidden)


def _refused(guarded: Guarded, by: dict[str, str], where: str) -> list[str]:
    """Which calls the record says were refused to them, from there."""
    lines = map(json.loads, (guarded.cluster.folder / "registry/audit.log").read_text().splitlines())
    refused = {"by": by, "from": where, "outcome": "ForbiddenRole"}
    return [line["event"] for line in lines if line.items() >= refused.items()]


def test_a_client_may_use_what_it_may_not_make(guarded: Guarded, strac: stractory.Client, name: str) -> None:
    with guarded.client(keys.CLIENT, "bob") as bob:
        with pytest.raises(stractory.ForbiddenRole, match="needs the role operator"):
            bob.create(name, echo, timeout=10)
        assert bob.list(name) == []
        strac.create(name, echo)
        for if_exists in ("get", "replace"):
            with pytest.raises(stractory.ForbiddenRole, match="needs the role operator"):
                bob.create(name, echo, if_exists=if_exists, timeout=10)
        with pytest.raises(stractory.ForbiddenRole, match="needs the role operator"):
            bob.destroy(name, timeout=10)
        assert exchange(bob.get(name)) == b"hello"


def test_nobody_else_is_named_as_an_actors_creator(guarded: Guarded, name: str) -> None:
    with guarded.client(keys.OPERATOR, "alice") as alice:
        assert alice.create(name, echo).creator == "alice at 127.0.0.1"
    with guarded.link(guarded.key(keys.OPERATOR, "eve")) as link:
        asked = name, b"digest", {}, "get", b"id", list(Terms()), 5.0
        for more, named in (["alice at 127.0.0.1"], {}), ([], {"creator": "alice at 127.0.0.1"}):
            with pytest.raises(stractory.RemoteError, match="TypeError"):
                calls(link).call("create", *asked, *more, call_timeout=10, **named)


def test_a_program_with_a_workers_key_is_told_which_it_needs(guarded: Guarded) -> None:
    with (
        guarded.client(keys.NODE, "node1") as client,
        pytest.raises(stractory.AuthError, match="is for the role node; needed: operator or client"),
    ):
        client.list(timeout=10)


@pytest.mark.parametrize("role", [keys.CLIENT, keys.OPERATOR])
def test_a_worker_with_a_clients_key_is_told_which_it_needs(guarded: Guarded, role: str) -> None:
    worker = guarded.start_worker(guarded.key_file(role, "eve"), registry=guarded.address)
    assert worker.join() == 1
    (line,) = [line for line in worker.errors.read_text().splitlines() if f"for the role {role}" in line]
    assert line.startswith("stractory-worker: ") and line.endswith("needed: node")


@pytest.mark.parametrize("role", [keys.CLIENT, keys.OPERATOR])
def test_a_worker_takes_orders_from_its_registry_alone(
    guarded: Guarded, strac: stractory.Client, name: str, role: str
) -> None:
    """Over the link that it dialled itself; an operator who comes straight to it gets nothing made there."""
    strac.create(name, echo)
    place = guarded.look_up(name, role, "eve")
    with guarded.link(place, place.info.worker, "worker") as link:
        with pytest.raises(stractory.UnknownMethod, match="a worker has no service 'registry'"):
            calls(link)
        at_worker = calls(link, "worker")
        for method in OVER_A_WORKERS_OWN_LINK:
            with pytest.raises(stractory.UnknownMethod):
                at_worker.call(method, name, place.info.epoch, call_timeout=10)
        life = name, place.info.epoch
        assert at_worker.call("describe", *life, place.ticket, call_timeout=10)["options"] == {}
        other = guarded.look_up(name, role, "mallory").ticket
        for method in ("describe", "endpoint"):
            with pytest.raises(stractory.AuthError, match=f"is for the {role} mallory"):
                at_worker.call(method, *life, other, call_timeout=10)
            with pytest.raises(stractory.StaleTicket):
                at_worker.call(method, name, place.info.epoch + 1, place.ticket, call_timeout=10)
    assert exchange(strac.get(name)) == b"hello"


@pytest.mark.parametrize("service", ["worker", "actor", "", "master"])
def test_a_registry_has_no_other_service(guarded: Guarded, service: str) -> None:
    with (
        guarded.link(guarded.key(keys.OPERATOR, "eve")) as link,
        pytest.raises(stractory.UnknownMethod, match="a registry has no service"),
    ):
        calls(link, service)


@pytest.mark.parametrize("method", ["__class__", "_registry", "close", "end_revoked", ""])
@pytest.mark.parametrize("role", [keys.OPERATOR, keys.CLIENT, keys.NODE])
def test_nothing_can_be_called_that_is_not_meant_to_be(guarded: Guarded, role: str, method: Any) -> None:
    with (
        guarded.link(guarded.key(role, "eve")) as link,
        pytest.raises(stractory.UnknownMethod),
    ):
        calls(link).call(method, call_timeout=10)
