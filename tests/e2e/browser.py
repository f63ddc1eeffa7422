# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See a logged run, its figure and its registered model in MLflow's pages, with a real browser.

Needs chromium and chromedriver (Debian: chromium, chromium-driver), certutil with --ca (libnss3-tools),
and the Python package selenium. Exits 0 if everything was seen.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1000",
    "--force-prefers-reduced-motion",
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="public URL of the platform")
    parser.add_argument("--ca", type=Path, help="authority that the certificate is verified with (PEM)")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password-file", required=True, type=Path)
    parser.add_argument("--experiment", required=True, help="name of the experiment that must be seen")
    parser.add_argument("--model", required=True, help="name of the registered model that must be seen")
    parser.add_argument("--artifact", default="figures/residuals.png", help="image that its newest run must show")
    parser.add_argument("--screenshots", required=True, type=Path, help="folder for pictures of what was seen")
    parser.add_argument("--resolve", metavar="NAME=ADDRESS", help="connect to this address for this name")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for each thing")
    return parser.parse_args()


def resolver_rules(url: str, resolve: str | None) -> str:
    """Chromium's rules for names: the platform's own, and no other host."""
    host = urlsplit(url).hostname or ""
    if resolve:
        name, _equals, address = resolve.partition("=")
        return f"MAP {name} {address}, MAP * ~NOTFOUND"
    return f"MAP * ~NOTFOUND, EXCLUDE {host}"


def trust(home: Path, authority: Path) -> None:
    """Let the browser of this home trust one authority more."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "platform", "-t", "C,,", "-i", str(authority)], check=True)


def log_in(driver: webdriver.Chrome, arguments: argparse.Namespace) -> None:
    """Answer the server's challenge once; the browser remembers it for this server."""
    parts = urlsplit(arguments.url)
    password = arguments.password_file.read_text(encoding="utf-8").strip()
    user = f"{quote(arguments.user, safe='')}:{quote(password, safe='')}"
    driver.get(f"{parts.scheme}://{user}@{parts.netloc}/ajax-api/2.0/mlflow/experiments/search?max_results=1")


@contextmanager
def browser(arguments: argparse.Namespace) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        if arguments.ca:
            trust(home, arguments.ca)
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in FLAGS:
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={home / 'profile'}")
        options.add_argument(f"--host-resolver-rules={resolver_rules(arguments.url, arguments.resolve)}")
        environment = {**os.environ, "HOME": str(home)}
        driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver", env=environment))
        try:
            yield driver
        finally:
            driver.quit()


class Page:
    """What a person sees and clicks."""

    def __init__(self, driver: webdriver.Chrome, arguments: argparse.Namespace) -> None:
        self._driver = driver
        self._url = arguments.url.rstrip("/")
        self._timeout = arguments.timeout
        self._folder: Path = arguments.screenshots

    def open(self, path: str) -> None:
        # Else only the part behind # changes, and MLflow's page may stumble over what it was still loading.
        self._driver.get("about:blank")
        self._driver.get(f"{self._url}/{path}")

    def see(self, what: str, by: str, selector: str) -> WebElement:
        """Wait until it is shown, or tell what was not."""
        try:
            element = WebDriverWait(self._driver, self._timeout).until(lambda driver: self._shown(by, selector))
        except TimeoutException:
            self.picture("failure")
            raise SystemExit(f"not seen: {what} ({self._driver.current_url})") from None
        print(f"seen: {what}")
        return element

    def _shown(self, by: str, selector: str) -> WebElement | None:
        return next((item for item in self._driver.find_elements(by, selector) if item.is_displayed()), None)

    def close_assistant(self) -> None:
        """Make room for the page; servers without the assistant have nothing to close."""
        for button in self._driver.find_elements(
            By.CSS_SELECTOR, "[data-component-id='mlflow.assistant.chat_panel.close']"
        ):
            button.click()

    def picture(self, name: str) -> None:
        self._driver.save_screenshot(str(self._folder / f"{name}.png"))


def look(page: Page, arguments: argparse.Namespace) -> None:
    """Walk from the list of experiments to the run, its figure and its model."""
    page.open("#/experiments")
    search = page.see("the list of experiments", By.CSS_SELECTOR, "[data-testid=search-experiment-input]")
    page.close_assistant()
    search.send_keys(arguments.experiment, Keys.ENTER)
    link = page.see(f"experiment {arguments.experiment}", By.LINK_TEXT, arguments.experiment)
    page.picture("experiments")
    experiment = (link.get_attribute("href") or "").partition("#/experiments/")[2].partition("/")[0]

    page.open(f"#/experiments/{experiment}/runs")
    run = page.see("its newest run", By.CSS_SELECTOR, f"a[href*='#/experiments/{experiment}/runs/']")
    page.picture("runs")
    name = run.text
    run.click()
    page.see(f"the page of run {name}", By.XPATH, f"//h1[contains(., {name!r})] | //h2[contains(., {name!r})]")
    page.see("the run finished", By.XPATH, "//*[text()='Finished']")
    page.see("the tag team", By.XPATH, "//*[starts-with(normalize-space(.), 'team') and not(*[2])]")
    page.see("the run's registered model", By.CSS_SELECTOR, f"a[href*='#/models/{arguments.model}/versions/']")
    page.picture("run")

    page.see("the tab of artifacts", By.XPATH, "//*[@role='tab' and .='Artifacts']").click()
    *folders, file = arguments.artifact.split("/")
    for item in [*folders, file]:
        page.see(f"artifact {item}", By.XPATH, f"//*[text()={item!r}]").click()
    image = page.see(f"the image {arguments.artifact}", By.CSS_SELECTOR, f"img[alt='{arguments.artifact}']")
    if not int(image.get_property("naturalWidth") or 0):
        raise SystemExit(f"not seen: {arguments.artifact} is not an image that the browser can draw")
    page.picture("artifact")

    page.open(f"#/models/{arguments.model}")
    page.see(f"the page of model {arguments.model}", By.XPATH, f"//*[text()={arguments.model!r}]")
    page.see("a version of the model", By.PARTIAL_LINK_TEXT, "Version ")
    page.picture("model")


def main() -> None:
    arguments = parse_arguments()
    arguments.screenshots.mkdir(parents=True, exist_ok=True)
    with browser(arguments) as driver:
        log_in(driver, arguments)
        look(Page(driver, arguments), arguments)
    print(f"everything was seen; pictures are in {arguments.screenshots}")


if __name__ == "__main__":
    main()
