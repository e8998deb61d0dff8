"""What is said when nobody answers."""

import pytest

from stractory.errors import UnreachableError
from stractory.net import sockets
from stractory.net.address import Address


def test_a_host_that_is_not_known() -> None:
    with pytest.raises(UnreachableError, match=r"nobody answers at no\.such\.host\.invalid:9000: ") as caught:
        sockets.connect(Address("no.such.host.invalid", 9000))
    assert "Unknown error" not in str(caught.value)
