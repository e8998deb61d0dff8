"""Chromium, as somebody who looks at the page uses it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.cluster import until

PICTURES = Path(__file__).parent / "pictures"
"""What was seen, for looking at."""

SIZES = {"laptop": (1280, 800), "desktop": (1920, 1080), "phone": (390, 844)}
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # it needs one only against strangers, and cannot have one as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--force-prefers-reduced-motion=no",
)
Theme = Literal["light", "dark"]


def start() -> Browser:
    """A new one. Fails where none is installed."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.fail("the page is tested in Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Browser(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)))


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def look(self, size: str = "laptop", theme: Theme = "light", still: bool = False) -> None:
        """See pages so from now on. ``still``: ask them not to move."""
        width, height = SIZES[size]
        phone = size == "phone"
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        motion = "reduce" if still else "no-preference"
        wishes = {"prefers-color-scheme": theme, "prefers-reduced-motion": motion}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, address: str) -> None:
        """Open the page, with nothing kept from before, and wait until it is live."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": address, "storageTypes": "all"})
        self.driver.get_log("browser")
        self.driver.get(address)
        self.wait_live()

    def wait_live(self) -> None:
        """Until the page has heard of the cluster."""
        until(lambda: self.text("#connection") == "live")

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What the first such element says, "" where there is none, or it was just replaced."""
        try:
            return next((found.text for found in self.all(selector)), "")
        except StaleElementReferenceException:
            return ""

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """On the keyboard, wherever the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def point(self, element: WebElement, x: int, y: int) -> None:
        """Click so many pixels from its middle."""
        chain = webdriver.ActionChains(self.driver, duration=0)
        chain.move_to_element_with_offset(element, x, y).click().perform()

    def facts(self) -> dict[str, str]:
        """Those that are open, {} if none are."""
        rows = "return Object.fromEntries([...document.querySelectorAll('#facts:not([hidden]) .facts dt')]"
        told: dict[str, str] = self.run(
            f"{rows}.map((term) => [term.innerText, term.nextSibling.innerText]))"
        )
        return told

    def focused(self) -> str:
        """The id of what has the focus, or else what it says."""
        return str(self.run("const it = document.activeElement; return it.id || it.innerText"))

    def drawn(self) -> int:
        """How often the picture was drawn."""
        return int(self.one("#canvas").get_attribute("data-drawn") or 0)

    def colours(self) -> int:
        """How many colours the picture has: one that is empty has one."""
        script = (
            "const canvas = document.getElementById('canvas');"
            "const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
            "return new Set(new Uint32Array(data.buffer)).size;"
        )
        return int(self.run(script))

    def overflow(self) -> int:
        """By how many pixels the page, or its side, is wider than there is room."""
        wider = "(element, room) => element.scrollWidth - room"
        side = "document.querySelector('aside')"
        return int(
            self.run(
                f"const wider = {wider}, side = {side};"
                "return Math.max(wider(document.documentElement, innerWidth), wider(side, side.clientWidth))"
            )
        )

    def picture(self, name: str) -> None:
        """Keep what is seen now."""
        PICTURES.mkdir(exist_ok=True)
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def complaints(self) -> list[str]:
        """What went wrong on the page since it was asked last."""
        return [json.dumps(entry) for entry in self.driver.get_log("browser")]
