# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renew every certificate of a running lab: each port shows its new one, and clients hardly notice.

Every port that others can reach is asked which certificate it shows, before and after a run of site.yml that renews
them all. Meanwhile a client asks the edge for its health five times a second, each time over a new connection.
"""

from __future__ import annotations

import argparse
import threading
import time

import requests
from shared import (
    DOMAIN,
    Lab,
    address,
    authority,
    containers,
    finish,
    inside,
    lab,
    new_client,
    playbook,
    read_secrets,
    resolve,
)

# Prints port and serial number of the certificate for each port that is not on loopback alone.
SERIALS = """
for port in $(ss -Hltn | awk '{print $4}' | grep -v -e '^127[.]' -e '^\\[::1\\]' | sed 's/.*://' | sort -un); do
  [ "$port" = 80 ] && continue
  [ "$port" = 5432 ] && starttls='-starttls postgres' || starttls=
  [ "$port" = 443 ] && name=$1 || name=$(hostname)
  timeout 20 openssl s_client -connect "$(hostname):$port" -servername "$name" $starttls </dev/null 2>/dev/null |
    openssl x509 -noout -serial | sed "s/serial=/$port /"
done
"""


def serials(the_lab: Lab) -> dict[str, str]:
    """Return the serial number of the certificate that each port of each host shows."""
    found = {}
    for host in the_lab.hosts:
        for line in inside(the_lab.container(host), "sh", "-c", SERIALS, "sh", DOMAIN).splitlines():
            port, serial = line.split()
            found[f"{host}:{port}"] = serial
    return found


class Watch(threading.Thread):
    """Asks for the platform's health, and remembers when there was no good answer."""

    def __init__(self, certificate: str) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.failures: list[str] = []
        self.asked = 0
        self.longest = 0.0
        self._certificate = certificate

    def run(self) -> None:
        """Ask until told to stop."""
        good = time.monotonic()
        while not self.stop.wait(0.2):
            self.asked += 1
            try:
                new_client(self._certificate).get(f"https://{DOMAIN}/health", timeout=30).raise_for_status()
            except requests.RequestException as error:
                self.failures.append(f"{type(error).__name__}: {error}"[:200])
                continue
            self.longest = max(self.longest, time.monotonic() - good)
            good = time.monotonic()


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo", help="a running lab")
    options = parser.parse_args()
    begin = time.monotonic()
    the_lab = lab(options.lab)
    before = serials(the_lab)
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))
    watch = Watch(authority(the_lab, read_secrets(the_lab)))
    watch.start()
    playbook(the_lab, "site.yml", "--extra-vars", "pki_force_renewal=true", quiet=True)
    watch.stop.set()
    watch.join()
    after = serials(the_lab)
    kept = sorted(port for port, serial in before.items() if after.get(port) == serial)
    second = playbook(the_lab, "site.yml", quiet=True)
    playbook(the_lab, "playbooks/doctor.yml", quiet=True)
    passed = bool(before) and before.keys() == after.keys() and not kept and second == "changed=0"
    return finish(
        "renewal",
        begin,
        passed,
        ports=len(after),
        kept_the_old_certificate=kept,
        second_run=second,
        asked=watch.asked,
        failures=len(watch.failures),
        first_failure=watch.failures[:1],
        longest_time_between_answers_seconds=round(watch.longest, 2),
    )


if __name__ == "__main__":
    raise SystemExit(main())
