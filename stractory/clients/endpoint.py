"""Where an actor's own port is, and what it takes to get in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stractory.net.address import Address, address

if TYPE_CHECKING:
    from stractory.actors.curve import CurveKeys


class Endpoint(str):
    """As "tcp://host:port". ``curve``: the keys for ZeroMQ's options; None where none are needed."""

    curve: CurveKeys | None

    def __new__(cls, where: str, curve: CurveKeys | None = None) -> Endpoint:
        self = super().__new__(cls, where)
        self.curve = curve
        return self

    @property
    def address(self) -> Address:
        return address(self.removeprefix("tcp://"))
