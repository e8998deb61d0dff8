"""The page at all sizes: nothing sticks out, nothing complains; pictures are left in tests/page/pictures."""

from __future__ import annotations

import pytest

from tests.page.browser import SIZES, Browser, Theme
from tests.support.cluster import until

DASH = "\N{EN DASH}"
"""For what is not known."""


def looks() -> list[tuple[str, str, str]]:
    """Each cluster at each size, and each size by day and by night: all twelve take minutes on two cores."""
    themes = {"small": ["light", "dark", "light"], "large": ["dark", "light", "dark"]}
    return [(cluster, *look) for cluster in themes for look in zip(SIZES, themes[cluster], strict=True)]


@pytest.mark.parametrize(("cluster", "size", "theme"), looks())
def test_picture(
    browser: Browser, request: pytest.FixtureRequest, cluster: str, size: str, theme: Theme
) -> None:
    browser.look(size, theme)
    browser.open(request.getfixturevalue(cluster))
    until(lambda: browser.text("#total-calls") not in (DASH, "0"))
    assert browser.colours() > 50
    assert browser.overflow() <= 0
    assert browser.run("return document.documentElement.dataset.theme") == theme
    browser.picture(f"{cluster}-{size}-{theme}")
    browser.run("document.querySelector('#workers tbody button').click()")
    until(lambda: "/s)" in browser.facts().get("calls", "") and DASH not in browser.facts()["calls"])
    assert browser.overflow() <= 0
    browser.picture(f"{cluster}-{size}-{theme}-facts")


def test_each_theme_has_its_own_colours(browser: Browser, small: str) -> None:
    browser.look(theme="light")
    browser.open(small)
    seen = [browser.run("return getComputedStyle(document.body).backgroundColor")]
    browser.press("t", "t")
    until(lambda: browser.text("#theme") == "dark")
    seen.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert len({*seen}) == 2
    browser.driver.refresh()
    until(lambda: browser.text("#theme") == "dark")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == seen[1]


CONTRAST = """
const lightness = (colour) => {
  const [r, g, b] = colour.match(/[0-9.]+/g).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)") return colour;
  }
};
return [...document.querySelectorAll("body *")]
  .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .filter((element) => element.checkVisibility() && element.offsetParent)
  .map((element) => {
    const [a, b] = [getComputedStyle(element).color, ground(element)].map(lightness).sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), `${element.tagName} ${element.className} ${element.textContent}`];
  })
  .filter(([contrast]) => contrast < 4.5);
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_can_be_read(browser: Browser, small: str, theme: Theme) -> None:
    browser.look(theme=theme)
    browser.open(small)
    browser.run("document.querySelector('#workers tbody button').click()")
    until(browser.facts)
    assert browser.run(CONTRAST) == []


def test_a_hundred_thousand(browser: Browser, large: str) -> None:
    browser.open(large)
    until(lambda: browser.text("#total-calls") not in (DASH, "0"))
    assert int(browser.text("#total-actors").replace(",", "")) > 99_000
    assert len(browser.all("#workers tbody tr")) == 50
    before = browser.drawn()
    browser.press("/", "room-77")
    until(lambda: browser.all("#results li"))
    until(lambda: browser.drawn() > before + 3)  # it goes on drawing meanwhile
    until(lambda: "first 50 of" in browser.text("#found-count"))
    browser.press("\ue015", "\ue007")  # arrow down, Enter
    until(lambda: browser.facts().get("kind"))
    assert browser.text("#facts-title").startswith("room-77")
