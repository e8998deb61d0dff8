"""The client in examples/node, which was written from docs/protocol.md, against a real cluster."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stractory
from stractory.proof import keys
from tests.support.cluster import Cluster, until
from tests.support.node import Node, install
from tests.support.programs import run_program
from tests.support.tls import signed_by

CLIENT = Path(__file__).parents[2] / "examples/node"
CALLING = Path(__file__).with_name("calling.js")


def probe(options: dict[str, Any]) -> Any:
    """What the client is tried on."""
    import os
    import weakref

    from gevent.event import Event

    class Probe:
        def __init__(self) -> None:
            self.waiting = 0
            self.all_here = Event()
            self.hearers: list[Any] = []
            self.given: Any = None
            self.generating = 0

        def echo(self, *words: Any) -> Any:
            return words

        def named(self, first: Any, **others: Any) -> Any:
            return [first, others]

        def fail(self, text: str) -> None:
            raise ValueError(text)

        def meet(self, number: int, of: int) -> int:
            """Returns when so many calls of it are under way."""
            self.waiting += 1
            if self.waiting == of:
                self.all_here.set()
            self.all_here.wait()
            return number

        def wait(self) -> None:
            Event().wait()

        def apply(self, function: Any, values: list[Any]) -> list[Any]:
            return [function.call(value) for value in values]

        def tell(self, function: Any, value: Any) -> None:
            function(value)

        def join(self, hear: Any) -> None:
            self.hearers.append(hear)
            hear.on_close(lambda: self.hearers.remove(hear))

        def say(self, word: str) -> None:
            for hear in self.hearers:
                hear(word)

        def has(self, hear: Any) -> bool:
            return hear in self.hearers

        def listening(self) -> int:
            return len(self.hearers)

        def doubler(self) -> Any:
            def double(number: int) -> int:
                return 2 * number

            self.given = weakref.ref(double)
            return double

        def held(self) -> bool:
            """Whether the function that was given is held by anybody."""
            return self.given() is not None

        def count(self, end: int) -> Any:
            self.generating += 1
            try:
                yield from range(end)
            finally:
                self.generating -= 1

        def generators(self) -> int:
            """How many of count() are under way."""
            return self.generating

        def count_and_fail(self, end: int) -> Any:
            yield from range(end)
            raise ValueError("no more")

        def kinds(self) -> Any:
            return [b"\0\xff", 2**40, 2**63 - 1, lambda: None]

        def loop(self) -> Any:
            looped: dict[str, Any] = {"list": []}
            looped["self"] = looped
            looped["list"].append(looped)
            return looped

        def process(self) -> int:
            return os.getpid()

    return Probe()


@pytest.fixture(scope="session", autouse=True)
def node_modules() -> None:
    """The npm packages of the client."""
    install(CLIENT)


def environment(cluster: Cluster, **more: str) -> dict[str, str]:
    ours = {"STRACTORY_REGISTRY": cluster.address, "STRACTORY_KEY_FILE": str(cluster.key_file)}
    return {**os.environ, **ours, **more}


Start = Callable[..., Node]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts clients, each connected; they have to end well."""
    started: list[Node] = []

    def start(cluster: Cluster, **options: Any) -> Node:
        node = Node(CALLING, env=environment(cluster))
        started.append(node)
        assert ask(node, "connect", **options) is None
        return node

    yield start
    assert [node.close() for node in started] == [0] * len(started)


def tell(node: Node, order: str, **given: Any) -> dict[str, Any]:
    """What becomes of an order."""
    node.order(order, **given)
    return node.told()


def ask(node: Node, order: str, **given: Any) -> Any:
    """What an order gives."""
    told = tell(node, order, **given)
    assert "given" in told, told
    return told["given"]


@pytest.fixture
def node(strac: stractory.Client, cluster: Cluster, name: str, start: Start) -> Iterator[Node]:
    """A client with a probe of its own."""
    strac.create(name, stractory.rpc(probe))
    node = start(cluster)
    ask(node, "get", name=name)
    yield node
    assert ask(node, "close") is None


# ---- calls --------------------------------------------------------------------------------------------


def test_several_calls_at_once(node: Node) -> None:
    calls = [["meet", number, 20] for number in range(20)]
    assert ask(node, "atOnce", calls=calls) == list(range(20))


def test_named_arguments(node: Node) -> None:
    options = {"kwargs": {"second": 2}}
    assert ask(node, "callWith", method="named", options=options, args=[1]) == [1, {"second": 2}]


def test_values_of_all_kinds(node: Node) -> None:
    values = [None, True, -1, 1.5, "ä\U0001f600", [], {"a": [{"b": None}]}, 2**31]
    assert ask(node, "call", method="echo", args=values) == values
    assert ask(node, "largeIntegers") == [True, True, True]
    assert ask(node, "bytesAndTimes") == [[0, 255], 1500]
    assert ask(node, "cycle") is True


def test_far_more_than_a_window_both_ways(node: Node) -> None:
    assert ask(node, "echo", size=3_000_000) == 3_000_000


def test_an_error_of_the_actor(node: Node) -> None:
    told = tell(node, "call", method="fail", args=["as asked"])
    assert told == {"failed": "RemoteError", "text": "as asked", "type": "ValueError"}


def test_an_unknown_method(node: Node) -> None:
    told = tell(node, "call", method="nothing")
    assert told["failed"] == "UnknownMethod" and "has no method 'nothing'; it has: apply" in told["text"]


def test_no_answer_in_time(node: Node) -> None:
    told = tell(node, "callWith", method="wait", options={"timeout": 0.1})
    assert told["failed"] == "CallTimeout" and "did not answer within 0.1 s" in told["text"]
    assert ask(node, "call", method="echo", args=[1]) == [1]


# ---- functions ----------------------------------------------------------------------------------------


def test_a_function_is_called_back_and_waited_for(node: Node) -> None:
    assert ask(node, "timesTen", numbers=[1, 2, 3]) == [10, 20, 30]


def test_a_function_is_told_by_somebody_else(node: Node, strac: stractory.Client, name: str) -> None:
    ask(node, "join")
    assert ask(node, "isHome") == [True, False]
    strac.get(name).say("hello")
    assert until(lambda: ask(node, "heard")) == ["hello"]


def test_a_function_throws(node: Node) -> None:
    told = tell(node, "throwing")
    assert told["failed"] == "RemoteError" and "as Node.js throws" in told["text"]
    assert told["type"] == "RangeError"
    ask(node, "throwingOneWay")
    assert until(lambda: ask(node, "errors")) == ["unheard"]


def test_a_function_of_the_actors_until_it_is_released(node: Node) -> None:
    assert ask(node, "theirFunction") == [True, 42, True, False]


# ---- items --------------------------------------------------------------------------------------------


def test_more_items_than_may_come_unasked(node: Node) -> None:
    assert ask(node, "items", method="count", args=[500]) == list(range(500))


def test_items_that_nobody_takes_any_more(node: Node, strac: stractory.Client, name: str) -> None:
    assert ask(node, "items", method="count", args=[10**9], most=100) == list(range(100))
    assert ask(node, "items", method="count", args=[3]) == [0, 1, 2]  # all goes on
    probe = strac.get(name)
    assert until(lambda: probe.generators() == 0)


def test_items_that_end_with_an_error(node: Node) -> None:
    told = tell(node, "items", method="count_and_fail", args=[100])
    assert told == {"failed": "RemoteError", "text": "no more", "type": "ValueError"}


# ---- connections --------------------------------------------------------------------------------------


def test_pings_and_the_end_in_order(node: Node, strac: stractory.Client, name: str) -> None:
    assert ask(node, "ping") is True
    ask(node, "join")
    probe = strac.get(name)
    assert probe.listening() == 1
    ask(node, "leave")
    assert until(lambda: probe.listening() == 0)
    told = tell(node, "call", method="echo")
    assert told["failed"] == "ActorLost" and name in told["text"]


def test_an_actor_ends(node: Node, strac: stractory.Client, name: str) -> None:
    node.order("call", method="wait")
    strac.destroy(name)
    assert node.told()["failed"] == "ActorLost"
    assert tell(node, "get", name=name)["text"] == f"no actor is named '{name}'"


def test_an_actor_in_a_process_of_its_own(
    strac: stractory.Client, cluster: Cluster, name: str, start: Start
) -> None:
    strac.create(name, stractory.rpc(probe), isolate=True)
    node = start(cluster)
    ask(node, "get", name=name)
    assert ask(node, "call", method="process") == strac.get(name).process()
    ask(node, "close")


def test_a_key_for_clients_alone(
    strac: stractory.Client, cluster: Cluster, name: str, start: Start, tmp_path: Path
) -> None:
    strac.create(name, stractory.rpc(probe))
    key = keys.load(cluster.key_file).keys[0].derive(keys.CLIENT, "node-js")
    keys.write_key(tmp_path / "client.key", key)
    node = start(cluster, keyFile=str(tmp_path / "client.key"))
    ask(node, "get", name=name)
    assert ask(node, "timesTen", numbers=[1]) == [10]
    ask(node, "close")


def test_a_worker_dies_and_the_registry_goes_and_comes(start: Start) -> None:
    with Cluster(workers=1) as cluster, cluster.client() as strac:
        strac.create("probe", stractory.rpc(probe), restart="on-failure")
        node = start(cluster)
        ask(node, "get", name="probe")
        process = ask(node, "call", method="process")
        node.order("call", method="wait")
        os.kill(process, signal.SIGKILL)
        told = node.told()
        assert told["failed"] == "ActorLost" and "actor 'probe'" in told["text"]
        until(lambda: "given" in tell(node, "get", name="probe"))
        assert ask(node, "call", method="process") != process

        cluster.kill_registry()
        assert ask(node, "call", method="echo", args=[1]) == [1]  # it is not in the way
        told = tell(node, "get", name="probe")
        assert (
            told["failed"] in ("UnreachableError", "LinkClosed", "ActorLost") and "registry" in told["text"]
        )
        cluster.restart_registry()
        until(lambda: "given" in tell(node, "get", name="probe"))
        assert ask(node, "call", method="echo", args=[2]) == [2]
        ask(node, "close")


# ---- TLS ----------------------------------------------------------------------------------------------


def test_in_tls(start: Start) -> None:
    with Cluster(workers=1, tls=True) as cluster, cluster.client() as strac:
        strac.create("probe", stractory.rpc(probe))
        node = start(cluster)
        ask(node, "get", name="probe")
        assert ask(node, "timesTen", numbers=[1]) == [10]
        assert ask(node, "echo", size=3_000_000) == 3_000_000
        ask(node, "close")


def test_a_certificate_of_the_wrong_authority_or_none(tmp_path: Path) -> None:
    certificate, _ = signed_by(None)
    (tmp_path / "ca.pem").write_bytes(certificate)
    for tls, why in ((True, "the handshake of TLS failed"), (False, "does not use TLS")):
        with Cluster(workers=0, tls=tls) as cluster:
            run = call(cluster, "probe", "echo", STRACTORY_TLS_CA=str(tmp_path / "ca.pem"))
        assert run.returncode == 5 and why in sentence(run)


# ---- call.js ------------------------------------------------------------------------------------------


def call(cluster: Cluster, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A run of call.js to its end."""
    words = ["node", str(CLIENT / "call.js"), *arguments]
    run: subprocess.CompletedProcess[str] = run_program(
        words, env=environment(cluster, **more), capture_output=True, text=True, timeout=50
    )
    return run


def sentence(run: subprocess.CompletedProcess[str]) -> str:
    """The one line that it has to have said on standard error, and nothing else."""
    assert not run.stdout
    (line,) = run.stderr.splitlines()
    assert line.startswith("call: ")
    return line.removeprefix("call: ")


@pytest.fixture(scope="module")
def called(cluster: Cluster) -> Cluster:
    """The cluster, with an actor "called"."""
    with cluster.client() as strac:
        strac.create("called", stractory.rpc(probe))
        strac.create("no-rpc", lambda options: lambda stream, address: None)
    return cluster


def test_a_call_prints_json(called: Cluster) -> None:
    run = call(called, "called", "echo", "2", '"text"', '{"a": [null]}')
    assert (run.returncode, run.stdout, run.stderr) == (0, '[2,"text",{"a":[null]}]\n', "")
    assert call(called, "called", "count", "3").stdout == "0\n1\n2\n"
    kinds = '["AP8=",1099511627776,"9223372036854775807","function 1"]\n'
    assert call(called, "called", "kinds").stdout == kinds
    assert call(called, "called", "wait", "--timeout=0.1").returncode == 124


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 2, "NAME and METHOD are needed"),
        (["called", "echo", "text"], 2, "text is not JSON"),
        (["--no-such-option", "called", "echo"], 2, "Unknown option '--no-such-option'"),
        (["--timeout=soon", "called", "echo"], 2, "--timeout soon is no number"),
        (["--registry=nowhere", "called", "echo"], 2, "'nowhere' is not an address"),
        (["--tls-ca=/no/such/file", "called", "echo"], 2, "cannot read the CA in /no/such/file"),
        (["called", "fail", '"as asked"'], 1, "ValueError: as asked"),
        (["called", "loop"], 1, "contains itself, and JSON cannot tell that"),
        (["no-rpc", "echo"], 1, "'no-rpc' is a stream actor, not rpc"),
        (["nobody", "echo"], 3, "no actor is named 'nobody'"),
        (["called", "nothing"], 3, "has no method 'nothing'; it has: apply"),
        (["--registry=1", "called", "echo"], 4, "registry 127.0.0.1:1: nobody answers there (ECONNREFUSED)"),
        (["--key-file=/no/such/file", "called", "echo"], 5, "no key file at /no/such/file"),
    ],
)
def test_a_mistake_is_one_sentence(called: Cluster, arguments: list[str], status: int, text: str) -> None:
    run = call(called, *arguments)
    assert text in sentence(run)
    assert run.returncode == status


def test_another_key_is_refused(called: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    key = keys.Key.new_master(other)
    keys.write_key(other, key)
    run = call(called, "called", "echo", STRACTORY_KEY_FILE=str(other))
    assert f"registry {called.address}: it refuses the key {key.id} of {other}" in sentence(run)
    assert run.returncode == 5


@pytest.mark.parametrize("line", ["no key at all", "stractory-key-v1 id wizard name AAAA", "# nothing"])
def test_a_key_file_that_is_none(called: Cluster, tmp_path: Path, line: str) -> None:
    path = tmp_path / "broken.key"
    path.write_text(line + "\n")
    path.chmod(0o600)
    run = call(called, "called", "echo", STRACTORY_KEY_FILE=str(path))
    assert str(path) in sentence(run)
    assert run.returncode == 5


def test_a_key_file_that_others_can_read(called: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "open.key"
    path.write_bytes(called.key_file.read_bytes())
    path.chmod(0o644)
    run = call(called, "called", "echo", STRACTORY_KEY_FILE=str(path))
    assert sentence(run) == f"the key file {path} can be used by others: chmod 600 {path}"
    assert run.returncode == 5


def test_the_port_of_a_worker_is_no_registry(called: Cluster) -> None:
    with called.client() as strac:
        (worker, *_) = [info.address for info in strac.workers()]
    run = call(called, "called", "echo", STRACTORY_REGISTRY=worker)
    assert "it is the port of a stractory worker, not of a registry" in sentence(run)
    assert run.returncode == 5


# ---- README.md ----------------------------------------------------------------------------------------


def test_what_the_readme_shows(cluster: Cluster, tmp_path: Path) -> None:
    shown = dict(re.findall(r"```(python|js)\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL))
    (tmp_path / "shown.py").write_text(shown["python"])
    (tmp_path / "shown.mjs").write_text(shown["js"].replace("./client.js", str(CLIENT / "client.js")))
    said = ""
    for words in ([sys.executable, tmp_path / "shown.py"], ["node", tmp_path / "shown.mjs"]):
        run = run_program(words, env=environment(cluster), capture_output=True, text=True, timeout=50)
        assert (run.returncode, run.stderr) == (0, "")
        said += run.stdout
    assert said.splitlines() == ["heard: hello", "told 1", "a", "b", "c", "UnknownMethod"]
