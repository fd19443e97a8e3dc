"""A headless browser that opens a page and tells what the page asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.helpers.extras import needs, needs_program

LONGEST = 20  # seconds for a condition


class Browser:
    """Wraps a driver of Chromium. Console messages and requests are those since the page was opened."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path | str) -> None:
        """A file, or what answers at an address."""
        self.messages()
        self.requests()
        self.driver.get(page.resolve().as_uri() if isinstance(page, Path) else page)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def wait(self, condition: Callable[[], Any]) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, LONGEST).until(lambda driver: condition())

    def drag(self, element: Any, *points: tuple[int, int]) -> None:
        """Press at the first point, move over the others and release; offsets from the element's centre."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        actions = (
            ActionChains(self.driver, duration=0).move_to_element_with_offset(element, *points[0]).click_and_hold()
        )
        for point in points[1:]:
            actions.move_to_element_with_offset(element, *point)
        actions.release().perform()

    def barriers(self) -> list[str]:
        """What axe-core finds serious or critical on the page, for readers with a keyboard or a screen reader."""
        needs("axe_core_python")
        self.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "axe.run({resultTypes: ['violations']}).then(arguments[0], (error) => arguments[0]({error: String(error)}))"
        )
        return [
            f"{fault['id']}: {', '.join(' '.join(node['target']) for node in fault['nodes'][:3])}"
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]

    @contextmanager
    def seen(self, width: int, scheme: str = "light") -> Iterator[None]:
        """A window of this width, for a reader who set `scheme` to light or dark."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        prefers = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": prefers})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def messages(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked for, but the page itself and what is inside of it."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return [address for address in asked if not address.startswith("data:")]


@contextmanager
def opened() -> Iterator[Browser]:
    needs("selenium")
    chromium = needs_program("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    chromedriver = needs_program("chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    for argument in ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900", *root]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
