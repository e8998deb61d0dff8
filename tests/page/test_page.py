"""The page of a real registry, used as people use it: by keyboard, by pointer, by its address."""

from __future__ import annotations

import os
import signal
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys

import stractory
from tests.page.browser import Browser
from tests.page.conftest import Shown
from tests.support.actors import echo
from tests.support.cluster import REGISTRY_READY, Cluster, until
from tests.support.etcd import Etcd, free_ports
from tests.support.stores import settings_for

EVIL = (
    "<img src=x onerror=document.title='hit'>",
    "</script><script>document.title='hit'</script>",
    "two\nlines\tand a tab",
    "\u202eexe.png",
    "\u05e9\u05dc\u05d5\u05dd",
    "a/../b",
    "..",
    "%2e%2e",
    "q?a=b#c&d",
    "x" * 512,
    "\N{WAVING HAND SIGN}" * 128,
)


def calculator(options):
    def add(one, other):
        return one + other

    def fail():
        raise ValueError("there is no such <b>move</b>")

    return {"add": add, "fail": fail}


def lately(browser: Browser) -> str:
    return browser.text("#lately")


def find(browser: Browser, name: str) -> None:
    """Search for it, and open its facts, with keys alone."""
    browser.press("/")
    until(lambda: browser.focused() == "search")
    browser.press(name)
    until(lambda: browser.all(f"#results li[data-name={name!r}]"))
    browser.press(Keys.ENTER)
    until(lambda: browser.text("#facts-title") == name)
    until(browser.facts)


def test_all_by_keyboard(browser: Browser, real: Shown, name: str) -> None:
    for number in range(3):
        real.strac.create(f"{name}/{number}", echo)
    browser.open(real.address)
    browser.press("/", name)
    until(lambda: len(browser.all("#results li")) == 3)
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert browser.text("#results [aria-selected]").startswith(f"{name}/1")
    assert browser.one("#search").get_attribute("aria-activedescendant") == "result-1"
    browser.press(Keys.ENTER)
    until(lambda: browser.facts().get("kind", "").strip() == "stream")
    assert browser.focused() == "facts-title"
    assert browser.driver.current_url.endswith(f"#actor={quote(name, safe='')}%2F1")
    while browser.focused() != browser.facts()["worker"]:
        browser.press(Keys.TAB)
    browser.press(Keys.ENTER)
    until(lambda: "processor" in browser.facts())
    assert browser.all("tr.selected")
    browser.press(Keys.ESCAPE)
    assert not browser.facts() and "#" not in browser.driver.current_url
    browser.press("n")
    until(lambda: "processor" in browser.facts())
    first = browser.text("#facts-title")
    browser.press("n")
    until(lambda: browser.text("#facts-title") != first)
    browser.press("p")
    until(lambda: browser.text("#facts-title") == first)


def test_facts_of_an_actor(browser: Browser, real: Shown, name: str) -> None:
    real.strac.create(name, stractory.rpc(calculator), isolate=True, restart="on-failure")
    client = real.strac.get(name)
    client.add(1, 2)
    with pytest.raises(stractory.RemoteError, match="no such"):
        client.fail()
    browser.open(f"{real.address}#actor={name}")
    until(lambda: browser.facts().get("last error", "none") != "none")
    facts = browser.facts()
    assert facts["last error"].startswith("ValueError: there is no such <b>move</b> (")
    assert facts["created by"].endswith("at 127.0.0.1")
    assert (facts["state"], facts["restart"], facts["process"]) == ("running", "on-failure", "one of its own")
    assert facts["calls"].startswith("2 (") and facts["clients"] == "1"
    client.add(1, 2)
    until(lambda: browser.facts()["calls"].startswith("3 ("))
    real.strac.destroy(name)
    until(lambda: browser.text("#facts .note") == "There is no such actor now.")
    assert all("404" in complaint for complaint in browser.complaints())


def test_births_and_deaths(browser: Browser, real: Shown, name: str) -> None:
    browser.open(real.address)
    total = int(browser.text("#total-actors"))
    real.strac.create(name, echo)
    until(lambda: f"{name} born" in lately(browser))
    until(lambda: int(browser.text("#total-actors")) == total + 1)
    real.strac.destroy(name)
    until(lambda: f"{name} died, destroyed" in lately(browser))
    until(lambda: int(browser.text("#total-actors")) == total)
    told = browser.one("#news")
    until(lambda: told.get_property("textContent") == "1 actor born, 1 actor died.")


def test_births_without_motion(browser: Browser, real: Shown, name: str) -> None:
    browser.look(still=True)
    browser.open(real.address)
    real.strac.create(name, echo)
    until(lambda: f"{name} born" in lately(browser))
    real.strac.destroy(name)
    until(lambda: f"{name} died" in lately(browser))


@pytest.mark.parametrize("size", ["laptop", "phone"])
def test_strange_names_are_only_names(browser: Browser, real: Shown, size: str) -> None:
    browser.look(size)
    for name in EVIL:
        real.strac.create(name, echo, if_exists="replace")
    browser.open(real.address)
    for name in EVIL:
        browser.run("location.hash = `actor=${encodeURIComponent(arguments[0])}`", name)
        until(lambda: browser.facts().get("kind", "").strip() == "stream")
        assert browser.overflow() <= 0
    browser.picture(f"strange-{size}")
    browser.press(Keys.ESCAPE)
    browser.one("#search").send_keys("i")
    until(lambda: browser.all("#results li"))
    assert browser.overflow() <= 0
    assert browser.driver.title == "stractory"
    assert not browser.all("img, body script")
    for name in EVIL:
        real.strac.destroy(name)


def test_a_name_that_turns_text_around_is_spelled_out(browser: Browser, real: Shown) -> None:
    real.strac.create("\u202eexe.png", echo, if_exists="replace")
    browser.open(f"{real.address}#actor={quote(chr(0x202E))}exe.png")
    until(browser.facts)
    assert browser.text("#facts-title") == "\\u202eexe.png"
    real.strac.destroy("\u202eexe.png")


def test_the_address_keeps_what_is_selected(browser: Browser, real: Shown, name: str) -> None:
    real.strac.create(name, echo)
    browser.open(real.address)
    find(browser, name)
    browser.driver.refresh()
    browser.wait_live()
    until(lambda: browser.text("#facts-title") == name)
    browser.press("n")
    until(lambda: "processor" in browser.facts())
    browser.driver.back()
    until(lambda: browser.text("#facts-title") == name)
    real.strac.destroy(name)


def test_the_table_is_sorted_as_asked(browser: Browser, real: Shown, name: str) -> None:
    for number in range(4):
        real.strac.create(f"{name}{number}", echo)
    browser.open(real.address)
    until(lambda: len(browser.all("#workers tbody tr")) >= 3)
    browser.all("#workers th button")[1].send_keys(Keys.ENTER)
    assert browser.all("#workers th")[1].get_attribute("aria-sort") == "descending"

    def counts() -> list[int]:
        return [int(cell.text) for cell in browser.all("#workers tbody td:nth-child(2)")]

    until(lambda: sum(counts()) >= 4 and counts() == sorted(counts(), reverse=True))
    browser.all("#workers th button")[1].send_keys(Keys.ENTER)
    until(lambda: counts() == sorted(counts()))
    for number in range(4):
        real.strac.destroy(f"{name}{number}")


def test_the_picture_is_moved_by_keys_and_by_the_pointer(browser: Browser, real: Shown, name: str) -> None:
    real.strac.create(name, echo)
    browser.open(real.address)
    canvas = browser.one("#canvas")
    canvas.send_keys("+", "+", Keys.ARROW_LEFT)
    before = browser.drawn()
    browser.press("f")
    until(lambda: browser.drawn() > before)
    # The registry is in the middle: somewhere on the lines through it is a worker.
    size = canvas.size
    for part in range(-9, 10):
        if browser.facts():
            break
        for angle in (0, 1):
            x, y = (0, part) if angle else (part, 0)
            browser.point(canvas, x * size["width"] // 22, y * size["height"] // 22)
    until(browser.facts)


def test_keys_of_one_letter_can_be_turned_off(browser: Browser, real: Shown) -> None:
    browser.open(real.address)
    browser.press("?")
    until(lambda: browser.one("#keys").get_property("open"))
    browser.one("#letters").send_keys(Keys.SPACE)
    browser.press(Keys.ESCAPE)
    until(lambda: not browser.one("#keys").get_property("open"))
    browser.press("/")
    assert browser.focused() != "search"
    browser.driver.refresh()
    browser.wait_live()
    browser.press("/")
    assert browser.focused() != "search"


def test_all_that_can_be_pressed_has_a_name(browser: Browser, real: Shown, name: str) -> None:
    real.strac.create(name, echo)
    browser.open(f"{real.address}#actor={name}")
    until(browser.facts)
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [
        (node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if not node["ignored"]
    ]
    wanting = {
        "button",
        "combobox",
        "searchbox",
        "application",
        "table",
        "checkbox",
        "columnheader",
        "dialog",
    }
    assert not [role for role, named in roles if role in wanting and not named]
    assert {"banner", "main", "complementary", "search"} <= {role for role, _ in roles}
    real.strac.destroy(name)


def test_a_worker_that_dies(browser: Browser, real: Shown, name: str) -> None:
    real.strac.create(name, echo)
    browser.open(real.address)
    until(lambda: len(browser.all("#workers tbody tr")) == 3)
    (actor,) = real.strac.list(name)
    (pid,) = (worker.pid for worker in real.strac.workers() if worker.address == actor.worker)
    os.kill(pid, signal.SIGKILL)
    until(lambda: f"{name} died, worker lost" in lately(browser))
    until(lambda: "has come" in lately(browser))
    until(lambda: len(browser.all("#workers tbody tr")) == 3)


@pytest.mark.timeout(180)
def test_too_many_to_draw_each(browser: Browser, real: Shown, name: str) -> None:
    def clusters() -> bool:
        return "workers are discs" in browser.one("#web-text").get_property("textContent")

    browser.open(real.address)
    assert not clusters()
    for number in range(2001):
        real.strac.create(f"{name}/{number}", echo)
    until(clusters)
    until(lambda: int(browser.text("#total-actors").replace(",", "")) >= 2001)
    browser.press("/", f"{name}/2000")
    until(lambda: len(browser.all("#results li")) == 1)
    browser.press(Keys.ENTER)
    until(lambda: browser.facts().get("worker"))
    until(lambda: browser.all("tr.selected"))
    for number in range(2001):
        real.strac.destroy(f"{name}/{number}")
    until(lambda: not clusters())


def test_a_registry_that_comes_back(browser: Browser, real: Shown, name: str) -> None:
    real.strac.create(name, echo)
    browser.open(real.address)
    total = browser.text("#total-actors")
    real.cluster.kill_registry()
    until(lambda: browser.text("#connection") == "away")
    assert browser.text("#away").startswith("The registry is away since ")
    assert browser.text("#total-actors") == total
    real.cluster.restart_registry()
    browser.wait_live()
    until(lambda: browser.text("#total-actors") == total)
    assert not browser.text("#away")
    assert all("net::ERR" in complaint for complaint in browser.complaints())
    real.strac.destroy(name)


def test_it_says_that_there_are_several_registries(browser: Browser, etcd: Etcd) -> None:
    (port,) = free_ports(1)
    settings = settings_for(etcd, etcd.new_prefix())
    with Cluster(workers=0, registry_arguments=[f"--http=127.0.0.1:{port}", *settings]) as cluster:
        browser.open(f"http://127.0.0.1:{port}/")
        assert browser.text("#registry") == cluster.address
        other = cluster.daemon("stractory", "--listen=127.0.0.1:0", "--data-dir=none", *settings)
        address = other.wait_line(REGISTRY_READY).removeprefix(REGISTRY_READY)
        until(lambda: browser.text("#registry") == f"{cluster.address}, one of 2")
        assert browser.one("#registry").get_attribute("title") == f"{cluster.address}\n{address}"
        assert other.end() == 0
        until(lambda: browser.text("#registry") == cluster.address)
        browser.driver.get("about:blank")  # or it complains of the end
