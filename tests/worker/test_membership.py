"""What a worker makes of the registry's answers, by a clock that the test moves."""

from __future__ import annotations

import pytest

from stractory.net.address import address
from stractory.proof import keys
from stractory.wire.life import Terms
from stractory.worker import fence, membership
from stractory.worker.server import WorkerServer
from tests.worker.test_host import Room, definition, life

LASTING = life(1)._replace(terms=Terms(restart="on-failure"))


class FakeRegistry:
    """Its link, stream and calls. It takes ``slow`` seconds to answer."""

    own_address = ("127.0.0.1", 1)
    ended = "over"

    def __init__(self, monkeypatch) -> None:
        self.now, self.slow = 1000.0, 0.0
        self.posted: list[str] = []
        monkeypatch.setattr(membership, "boot_time", lambda: self.now)
        monkeypatch.setattr(fence, "boot_time", lambda: self.now)
        monkeypatch.setattr(membership, "dial", lambda *args: self)
        monkeypatch.setattr(membership, "Calls", lambda stream: self)

    def open(self, dial, label):
        return self

    def wait_accepted(self) -> None:
        pass

    def call(self, method, *args):
        self.now += self.slow
        return 15.0, [], 0.0

    def post(self, method, args, kwargs) -> None:
        self.posted.append(method)

    def close(self) -> None:
        pass


@pytest.fixture
def registry(monkeypatch) -> FakeRegistry:
    return FakeRegistry(monkeypatch)


@pytest.fixture
def worker(tmp_path):
    ring = keys.load(tmp_path / "cluster.key", create=True)
    made = WorkerServer(address("127.0.0.1:0"), address("127.0.0.1:1"), ring, make_client=lambda: None)
    made._for_registry["define"](definition().packed)
    made._for_registry["create"](list(LASTING), definition().digest, {"init": lambda context: Room()})
    yield made
    made._listener.close()


@pytest.mark.parametrize("slow", [0.0, 20.0])
def test_actors_serve_again_unless_the_answer_came_too_late(worker, registry, slow):
    assert worker.membership._cut_off()
    registry.slow = slow
    worker.membership._register()
    assert worker._host.find("room", 1).suspended is (slow > 0)


def test_of_what_has_exited_no_other_end_is_told(worker, registry):
    worker.membership._register()
    worker.membership._exits[LASTING] = 0
    worker._host.destroy("room", 1)
    worker.membership._tell_outcome(registry, LASTING)
    assert registry.posted == []
    del worker.membership._exits[LASTING]
    worker.membership._tell_outcome(registry, LASTING)
    assert registry.posted == ["ended"]
