"""Which roles may make which calls to a registry. What is not here nobody may."""

from __future__ import annotations

from stractory.proof.keys import CLIENT, NODE, OPERATOR

_METHODS = {
    (OPERATOR,): ("define", "create", "destroy", "drain"),
    (OPERATOR, CLIENT): ("lookup", "wait", "list", "workers", "watch", "facts", "load", "page_link"),
    (NODE,): (
        *("register", "beat", "leaving", "goodbye", "blame", "started", "ended", "exited"),
        *("reported", "snapshot", "problem", "child_silent", "child_ended"),
    ),
}

PERMITTED = {method: roles for roles, methods in _METHODS.items() for method in methods}
"""The roles that may call it, by the name of each method."""
