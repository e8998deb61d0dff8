"""Settings of a worker's own ports for actors."""

from __future__ import annotations

import socket

import pytest

import stractory
from tests.factory.test_factory import Leaver, exchange, host_port
from tests.support.actors import echo
from tests.support.cluster import Cluster, until


def free_range(size: int) -> range:
    """That many ports in a row, free just now."""

    def find():
        with socket.create_server(("127.0.0.1", 0)) as first:
            start = first.getsockname()[1] + 1
        try:
            for number in range(start, start + size):
                socket.create_server(("127.0.0.1", number)).close()
        except OSError:
            return None
        return range(start, start + size)

    return until(find)


def listens(number: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", number)) == 0


def test_eager_ports_in_a_range(tmp_path):
    numbers = free_range(2)
    arguments = ["--actor-ports=eager", f"--actor-port-range={numbers[0]}-{numbers[-1]}"]
    with Cluster(workers=1, pool_arguments=arguments) as cluster, cluster.client() as strac:
        strac.create("a", echo)
        assert listens(numbers[0]) and not listens(numbers[1])
        strac.create("b", echo)
        assert host_port(strac.endpoint("b"))[1] == numbers[1]

        path = tmp_path / "destroyed"
        with pytest.raises(stractory.PortUnavailable, match=f"{numbers[0]}-{numbers[-1]}"):
            strac.create("c", Leaver, options={"path": str(path)})
        assert path.exists()  # the one that had no port was ended in order
        assert {info.name for info in strac.list()} == {"a", "b"}

        strac.destroy("a")
        strac.create("c", echo)
        assert host_port(strac.endpoint("c"))[1] == numbers[0]
        with strac.connect("c", direct=True) as stream:
            assert exchange(stream) == b"hello"


def test_no_public_actors():
    arguments = ["--allow-public-actors=no"]
    with Cluster(workers=1, pool_arguments=arguments) as cluster, cluster.client() as strac:
        with pytest.raises(stractory.ActorNotPublic, match="allow-public-actors = no"):
            strac.create("a", echo, public=True)
        assert strac.list() == []


adder = stractory.rpc(lambda options: {"add": lambda a, b: a + b})


def test_eager_ports_of_rpc_actors():
    numbers = free_range(2)
    arguments = ["--actor-ports=eager", f"--actor-port-range={numbers[0]}-{numbers[-1]}"]
    with Cluster(workers=1, pool_arguments=arguments) as cluster, cluster.client() as strac:
        for name, public, number in (("secret", False, numbers[0]), ("open", True, numbers[1])):
            assert not listens(number)
            strac.create(name, adder, public=public)
            assert listens(number)
            with strac.connect(name, direct=True) as client:
                assert client.add(1, 2) == 3


def test_a_range_that_is_used_up_by_rpc_actors():
    numbers = free_range(1)
    arguments = [f"--actor-port-range={numbers[0]}-{numbers[-1]}"]
    with Cluster(workers=1, pool_arguments=arguments) as cluster, cluster.client() as strac:
        strac.create("first", adder, public=True)
        with pytest.raises(stractory.PortUnavailable):
            strac.create("second", adder, public=True)
        assert [info.name for info in strac.list()] == ["first"]
        strac.destroy("first")
        strac.create("second", adder, public=True)
