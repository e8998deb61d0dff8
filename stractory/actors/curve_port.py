"""The own port of an rpc actor that is not public: a zerorpc server that asks for a key, by CURVE."""

from __future__ import annotations

import os

import zmq

from stractory.actors.curve import client_secret, public_key
from stractory.actors.kinds import Owner
from stractory.actors.zap import Admissions, guard
from stractory.actors.zerorpc_port import OpenPort, Port
from stractory.actors.zerorpc_session import HEARTBEAT, SILENCE, TIME_LIMIT
from stractory.net.address import Address
from stractory.net.serving import Methods, Serving

ADMISSION = 600.0
"""Seconds in which who asked for the port may begin to connect."""


class CurvePort(Port):
    """As :class:`Port`, for those who were admitted."""

    def __init__(
        self, owner: Owner, epoch: int, methods: Methods, serving: Serving, heartbeat: float = HEARTBEAT
    ) -> None:
        secret = os.urandom(32)
        self.key, guarding = public_key(secret), guard()  # first: where they cannot be, nothing is opened
        super().__init__(owner, epoch, methods, serving, heartbeat)
        self._life = owner.name, epoch
        limit = SILENCE if owner.may_block else TIME_LIMIT  # it is asked while the actor may block
        self.admissions = Admissions(ADMISSION + limit)
        self._domain = guarding.add(self.admissions)
        for option, value in (
            (zmq.CURVE_SERVER, 1),
            (zmq.CURVE_SECRETKEY, secret),
            (zmq.ZAP_DOMAIN, self._domain),
            (zmq.ZAP_ENFORCE_DOMAIN, 1),
            (zmq.HANDSHAKE_IVL, int(limit * 1000)),
        ):
            self._events.setsockopt(option, value)

    def admit(self, name: str, session: bytes) -> None:
        """Let in the client of ``session``, a link of who has proved ``name``."""
        self.admissions.admit(public_key(client_secret(session, *self._life)), name)

    def close(self) -> None:
        guard().remove(self._domain)
        super().close()


class OpenCurvePort(OpenPort):
    """A :class:`CurvePort` that runs; :class:`stractory.actors.kinds.Locked`."""

    def __init__(self, port: CurvePort, address: Address) -> None:
        super().__init__(port, address)
        self.key, self.admit, self.had = port.key, port.admit, port.admissions.had
