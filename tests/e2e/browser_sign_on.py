# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in by single sign-on in a real browser, use the page of tokens from Python, log out, and be refused.

Needs what browser.py needs, and a running lab with single sign-on, in whose realm it makes two people. The token goes
to MLflow's own client. Exits 0 if everything was seen.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from browser import Page, browser
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "prove")]

from lab import example_python, make_example  # noqa: E402
from shared import DOMAIN, address, containers, lab  # noqa: E402
from sign_on import BASE, Platform  # noqa: E402

EXPERIMENT = "pricing/daily"
# As a data scientist's program, which knows nothing but what the page says.
PROGRAM = f"""
import mlflow
mlflow.set_experiment({EXPERIMENT!r})
with mlflow.start_run(run_name="from-the-token-page") as run:
    mlflow.log_metric("loss", 0.25)
print(run.info.run_id)
"""
# A picture shows no token, not even one of a platform that is gone.
HIDE_TOKEN = """
const lines = document.querySelector("pre");
lines.textContent = lines.textContent.replace(/(TRACKING_TOKEN=.{12}).*/, "$1...");
"""


def sign_in(page: Page, driver: webdriver.Chrome, platform: Platform, name: str) -> None:
    """Fill in Keycloak's form."""
    page.see("Keycloak's field for the user", By.ID, "username").send_keys(name)
    driver.find_element(By.ID, "password").send_keys(platform.passwords[name], Keys.ENTER)


def use_token(platform: Platform, token: str) -> str:
    """Log a run with MLflow's client and return its id."""
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": BASE,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": platform.ca,
    }
    command = [str(example_python()), "-c", PROGRAM]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"the token of the page does not work: {result.stderr[-2000:].replace(token, '(the token)')}")
    return result.stdout.strip().splitlines()[-1]


def look(page: Page, driver: webdriver.Chrome, platform: Platform) -> None:
    """Walk through log-in, token, log-out and refusal."""
    page.open("#/experiments")
    page.see("Keycloak's form", By.ID, "kc-form-login")
    page.picture("sign-on")
    sign_in(page, driver, platform, "ada")
    page.see("the list of experiments, where the address led", By.CSS_SELECTOR, "[data-testid=search-experiment-input]")
    page.see(f"experiment {EXPERIMENT} of the team", By.LINK_TEXT, EXPERIMENT)
    page.close_assistant()
    if driver.find_elements(By.LINK_TEXT, "fraud"):
        raise SystemExit("seen: an experiment of another team")
    page.picture("sign-on-experiments")

    page.open("oidc/token")
    page.see("the button that makes a token", By.CSS_SELECTOR, "button[type=submit]").click()
    lines = page.see("the token", By.CSS_SELECTOR, "pre").text
    driver.execute_script(HIDE_TOKEN)
    page.picture("sign-on-token")
    run = use_token(platform, lines.rpartition("MLFLOW_TRACKING_TOKEN=")[2].strip())
    print(f"seen: the token logged run {run} from Python")
    page.open("#/experiments")
    link = page.see(f"experiment {EXPERIMENT}", By.LINK_TEXT, EXPERIMENT).get_attribute("href") or ""
    page.open(f"#/experiments/{link.partition('#/experiments/')[2].partition('/')[0]}/runs")
    page.see("the run that Python logged", By.XPATH, "//*[text()='from-the-token-page']")

    page.open("oidc/logout")
    page.see("the button that logs out", By.CSS_SELECTOR, "button[type=submit]").click()
    page.see("the session has ended at both", By.XPATH, "//*[contains(text(), 'here and at the log-in service')]")
    page.picture("sign-on-logged-out")
    page.open("")
    page.see("Keycloak asks again", By.ID, "kc-form-login")
    sign_in(page, driver, platform, "carl")
    page.see("somebody without a group reads whom to ask", By.XPATH, "//*[contains(text(), 'Ask the operators')]")
    page.picture("sign-on-refused")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="prod-lab", help="a running lab with single sign-on")
    parser.add_argument("--screenshots", required=True, type=Path, help="folder for pictures of what was seen")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for each thing")
    arguments = parser.parse_args()
    arguments.screenshots.mkdir(parents=True, exist_ok=True)
    the_lab = lab(arguments.lab)
    platform = Platform(the_lab)
    platform.person("ada", "pricing")
    platform.person("carl")
    make_example()
    arguments.url, arguments.ca = BASE, Path(platform.ca)
    arguments.resolve = f"{DOMAIN}={address(containers(the_lab, 'nginx.service')[0])}"
    with browser(arguments) as driver:
        look(Page(driver, arguments), driver, platform)
    print(f"everything was seen; pictures are in {arguments.screenshots}")


if __name__ == "__main__":
    main()
