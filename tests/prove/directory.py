# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody of a company's directory works with the rights of a team, loses them with the group, and is out when gone.

Sets OpenLDAP up beside Keycloak on a lab with single sign-on and joins it to the realm. A person who is added there
logs in by the page, makes a token and logs a run; then the directory changes, and the same token is asked again until
what changed is in force.
"""

from __future__ import annotations

import argparse
import time
from secrets import token_urlsafe
from typing import Any

from shared import DOMAIN, Lab, address, containers, finish, inside, lab, playbook, resolve
from sign_on import API, Platform, bearer, seconds_until

NAME = "lena"
PERSON = f"uid={NAME},ou=people,dc=example,dc=com"
GROUP = "cn=pricing,ou=groups,dc=example,dc=com"
OTHER = "uid=ada,ou=people,dc=example,dc=com"
# The directory is looked at every 10 s, tokens are asked about once a minute; and time for the answers.
LIMIT_SECONDS = 75
DAILY = f"{API}/experiments/get-by-name?experiment_name=pricing/daily"


def change(container: str, ldif: str) -> None:
    """Change the directory as its administrator."""
    inside(container, "ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///", data=ldif)


def members(container: str, *people: str) -> None:
    """Make these people the members of the group."""
    lines = "".join(f"member: {person}\n" for person in people)
    change(container, f"dn: {GROUP}\nchangetype: modify\nreplace: member\n{lines}\n")


def arrive(container: str, password: str) -> None:
    """Add the person, and the group with the person in it, after whatever an earlier run left."""
    for name in (PERSON, GROUP):
        inside(container, "ldapdelete", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///", name, check=False)
    person = f"cn: Lena\ngivenName: Lena\nsn: Example\nmail: {NAME}@example.com\nuserPassword: {password}\n"
    change(container, f"dn: {PERSON}\nchangetype: add\nobjectClass: inetOrgPerson\n{person}\n")
    change(container, f"dn: {GROUP}\nchangetype: add\nobjectClass: groupOfNames\nmember: {PERSON}\nmember: {OTHER}\n\n")


def prove(the_lab: Lab) -> tuple[bool, dict[str, Any]]:
    """Log in, work, and change the directory."""
    playbook(the_lab, "tests/prove/directory.yml")
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))
    platform = Platform(the_lab)
    container = containers(the_lab, "slapd.service")[0]
    platform.passwords[NAME] = token_urlsafe(24)
    arrive(container, platform.passwords[NAME])
    token = bearer(platform.token_of(NAME))

    def status(method: str, url: str, **body: Any) -> int:
        return platform.ask(method, url, **token, **body).status_code

    def settled(wanted: int) -> float:
        # In a row, so that each worker is met.
        return round(seconds_until(lambda: all(status("GET", DAILY) == wanted for _time in range(8)), LIMIT_SECONDS), 1)

    experiment = platform.ask("GET", DAILY, **token).json()["experiment"]["experiment_id"]
    logged = status("POST", f"{API}/runs/create", json={"experiment_id": experiment})
    other = status("GET", f"{API}/experiments/get-by-name?experiment_name=fraud")
    members(container, OTHER)
    without_group = settled(403)
    members(container, OTHER, PERSON)
    with_group = settled(200)
    change(container, f"dn: {PERSON}\nchangetype: delete\n\n")
    gone = settled(401)
    return (logged, other) == (200, 403), {
        "run_of_the_team": logged,
        "experiment_of_another_team": other,
        "refused_without_the_group_after_seconds": without_group,
        "allowed_with_the_group_after_seconds": with_group,
        "refused_when_gone_after_seconds": gone,
    }


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", required=True, help="a running lab with single sign-on on one host")
    options = parser.parse_args()
    begin = time.monotonic()
    passed, figures = prove(lab(options.lab))
    return finish("directory", begin, passed, **figures)


if __name__ == "__main__":
    raise SystemExit(main())
