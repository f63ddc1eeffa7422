# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the platform as README says, from a controller that has nothing but what README names.

For each Ansible, a bare Debian 13 controller installs what README says, and the collection from its archive. From there
it reaches a bare host by SSH, as a user with sudo: preflight, site to the end, site again without a change, doctor.
Before that, preflight and site must name a missing Python package, and what they say must mend it.

With `--lab`, a controller with the newest Ansible does the same on the converged hosts of a lab. `--restarts N` expects
that N services were left with old settings, and that the run makes up for these and changes nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared import (
    CACHE,
    LOCAL_AUTHORITIES,
    ROOT,
    Lab,
    changed_tasks,
    finish,
    fresh_hosts,
    image_name,
    inside,
    installed,
    lab,
    own_lab,
)

# The last of each; the newest is what `pip install ansible` gives on Debian 13. The tools have Ansible 12 themselves.
ANSIBLE_VERSIONS = ("14.5.0", "13.8.0")
USER = "ops"
# What puts files in force that no service has read.
MAKES_UP = (" : Restart what a broken-off run left with old settings", " : Let the server read them")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"

# A user with sudo, and nothing that Debian's own installation would not have.
REACHABLE = f"""
set -e
export DEBIAN_FRONTEND=noninteractive
command -v sshd >/dev/null || {{ apt-get update -qq; apt-get install -qq --no-install-recommends openssh-server; }}
id {USER} 2>/dev/null || useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}
install -d -o {USER} -g {USER} -m 0700 /home/{USER}/.ssh
cat >/home/{USER}/.ssh/authorized_keys
chown {USER}: /home/{USER}/.ssh/authorized_keys
systemctl start ssh
"""
# What hardened hosts have.
HARDENED = f"""
set -e
sed -i 's/^UMASK.*/UMASK 027/' /etc/login.defs
echo 'Defaults umask=0027, umask_override' >>/etc/sudoers.d/{USER}
mount -o remount,noexec /tmp
"""


class Refused(Exception):
    """Something is not as README promises; the message says what."""


class Controller:
    """A bare machine in a container that runs Ansible."""

    def __init__(self, the_lab: Lab, version: str) -> None:
        self.lab, self.version = the_lab, version
        self.container = f"{the_lab.name}-controller"
        self.figures: dict[str, Any] = {"ansible": version}
        self.output = ""

    def start(self) -> None:
        """Start the container beside the lab's hosts, with the lab's secrets and downloads at hand."""
        self.remove()
        state = self.lab.directory.parent
        volumes = [f"{CACHE / 'pip'}:/root/.cache/pip", f"{state}:{state}", f"{self.lab.source}:{self.lab.source}:ro"]
        volumes += [f"{LOCAL_AUTHORITIES}:{LOCAL_AUTHORITIES}:ro"]
        command = ["docker", "run", "--detach", "--name", self.container, "--hostname", "controller"]
        command += ["--network", f"mlops-{self.lab.name}", "--label", f"mlops.tracking={self.lab.name}"]
        command += [part for volume in volumes for part in ("--volume", volume)]
        subprocess.run([*command, image_name(13), "sleep", "infinity"], check=True, stdout=subprocess.DEVNULL)

    def remove(self) -> None:
        """Remove the container."""
        subprocess.run(["docker", "rm", "--force", self.container], check=False, capture_output=True)

    def run(self, script: str, must_work: bool = True) -> str:
        """Run a script in the environment that README's commands make, and return what it printed."""
        settings = f"export PIP_CERT={AUTHORITIES} PIP_CONSTRAINT=/root/constraints.txt ANSIBLE_NOCOLOR=1; exec 2>&1; "
        enter = "cd; [ ! -d ~/mlops ] || . ~/mlops/bin/activate; "
        result = subprocess.run(
            ["docker", "exec", "-i", "-u", "root", self.container, "bash", "-ec", settings + enter + script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if must_work and result.returncode != 0:
            raise Refused(f"{script[:200]}\nended with {result.returncode}:\n{result.stdout[-6000:]}")
        return result.stdout

    def timed(self, name: str, script: str) -> str:
        """Run a script, and note and tell how long it took."""
        begin = time.monotonic()
        output = self.run(script)
        self.figures[f"{name}_seconds"] = round(time.monotonic() - begin, 1)
        print(f"ok: Ansible {self.version}: {name} in {self.figures[f'{name}_seconds']} s", flush=True)
        return output

    def install(self, archive: Path) -> None:
        """Do what README says, with this version of Ansible."""
        packages, commands = readme_commands()
        self.run(f"update-ca-certificates; apt-get update -qq; apt-get install -qq --no-install-recommends {packages}")
        self.run(f"echo ansible=={self.version} >constraints.txt")
        self.timed("installation", "\n".join(commands))
        inside(self.container, "mkdir", "-p", "/root/archive")
        subprocess.run(["docker", "cp", "-q", str(archive), f"{self.container}:/root/archive/"], check=True)
        # No Galaxy: what the package ansible brings must be enough.
        self.run(f"ansible-galaxy collection install --offline archive/{archive.name}")
        self.figures |= json.loads(self.run(f"python3 -c '{VERSIONS}'"))

    def reach(self, hardened: bool) -> None:
        """Let this controller into the lab's hosts by SSH, and write what its inventory says of that."""
        self.run("[ -f ~/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
        key = self.run("cat ~/.ssh/id_ed25519.pub")
        for host in self.lab.hosts:
            inside(self.lab.container(host), "sh", "-c", REACHABLE + (HARDENED if hardened else ""), data=key)
            self.run(f"ssh-keyscan -t ed25519 {host} >>~/.ssh/known_hosts")
        variables: dict[str, Any] = {"ansible_connection": "ssh", "ansible_user": USER}
        # Without ansible.cfg there is none; a converged host is only asked again, and shows that it works, too.
        variables["ansible_pipelining"] = not hardened
        hosts = {host: {"ansible_host": host} for host in self.lab.hosts}
        inventory = {"all": {"hosts": hosts, "vars": variables}}
        inside(self.container, "tee", "/root/ssh.json", data=json.dumps(inventory))

    def playbook(self, name: str, figure: str = "") -> str:
        """Run a playbook, note how long it took, and return what it printed."""
        output = self.timed(figure or name, self.command(name))
        self.output += output
        return output

    def command(self, name: str) -> str:
        """Return the command of a playbook."""
        inventories = f"-i {self.lab.source} -i {self.lab.directory} -i /root/ssh.json"
        return f"ansible-playbook mlops.tracking.{name} {inventories}"

    def must_name_what_is_missing(self) -> None:
        """Preflight and site name a missing package in their first task, and what they say mends it."""
        for name in ("preflight", "site"):
            self.run("pip uninstall --quiet --yes bcrypt")
            begin = time.monotonic()
            output = self.run(self.command(name), must_work=False)
            seconds = round(time.monotonic() - begin, 1)
            way_out = re.search(r"Way out: (.*)", output)
            if not way_out or "bcrypt cannot be imported" not in output or output.count("TASK [") != 1:
                raise Refused(f"{name} does not name bcrypt in its first task:\n{output[-3000:]}")
            self.figures.setdefault("names_what_is_missing_after_seconds", {})[name] = seconds
            self.run(f"{way_out[1]} --quiet")

    def deprecations(self) -> list[str]:
        """Return, each once, what Ansible said that a later Ansible will refuse."""
        return sorted({line for line in self.output.splitlines() if line.startswith("[DEPRECATION WARNING]")})


# Prints what is installed.
VERSIONS = """
import importlib.metadata as m, json, platform
import ansible_collections, pathlib
folder = pathlib.Path(next(iter(ansible_collections.__path__)), "community", "general", "MANIFEST.json")
found = {"core": m.version("ansible-core"), "python": platform.python_version()}
found["community_general"] = json.loads(folder.read_text())["collection_info"]["version"]
print(json.dumps(found))
"""


def readme_commands() -> tuple[str, list[str]]:
    """Return the packages of the controller's system, and the commands, that README names for it."""
    section = (ROOT / "README.md").read_text().partition("\nThe controller")[2]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    if not block:
        raise Refused("README has no commands for the controller")
    packages = re.search(r"apt-get install (.*)", block[1])
    if not packages:
        raise Refused("README does not say which packages of Debian the controller needs")
    return packages[1], [line.partition(" #")[0].strip() for line in block[1].splitlines()]


@contextmanager
def controller(the_lab: Lab, version: str, archive: Path, hardened: bool) -> Iterator[Controller]:
    """Give a controller that has what README says and gets into the lab's hosts."""
    one = Controller(the_lab, version)
    try:
        one.start()
        one.install(archive)
        one.reach(hardened)
        one.must_name_what_is_missing()
        yield one
    finally:
        one.remove()


def build_up(one: Controller) -> None:
    """Bring a bare host to a platform that doctor finds green, and change nothing by a second run."""
    for name in ("secrets", "preflight"):
        one.playbook(name)
    one.playbook("site", "first_run")
    changed = changed_tasks(one.playbook("site", "second_run"))
    one.figures["changed_by_the_second_run"] = len(changed)
    if changed:
        raise Refused(f"the second run changed {changed}")
    prove(one)


def run_again(one: Controller, restarts: int) -> None:
    """Change nothing on a converged host but what makes up for old settings."""
    changed = changed_tasks(one.playbook("site"))
    one.figures["made_up_for"] = len(changed)
    if len(changed) != restarts or not all(task.endswith(MAKES_UP) for task in changed):
        raise Refused(f"instead of {restarts} restarts there were these changes: {changed}")
    prove(one)


def prove(one: Controller) -> None:
    """Ask doctor, and refuse warnings about what will not work with the next Ansible."""
    one.playbook("doctor")
    one.figures["deprecation_warnings"] = len(one.deprecations())
    if one.deprecations():
        raise Refused(f"Ansible {one.version} warns: {one.deprecations()}")


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ansible", action="append", help="a version of Ansible, instead of all")
    parser.add_argument("--lab", help="a converged lab, instead of bare hosts")
    parser.add_argument("--restarts", type=int, default=0, help="how many services of that lab have old settings")
    parser.add_argument("--keep", action="store_true", help="keep the hosts")
    options = parser.parse_args()
    begin = time.monotonic()
    figures: list[dict[str, Any]] = []
    problem = ""
    with tempfile.TemporaryDirectory(prefix="mlops-tracking-controllers-") as folder:
        archive = installed.build(installed.Ansible(Path(folder)), Path(folder) / "source")
        try:
            if options.lab:
                with controller(lab(options.lab), ANSIBLE_VERSIONS[0], archive, hardened=False) as one:
                    figures.append(one.figures)
                    run_again(one, options.restarts)
            else:
                with own_lab("prove-controllers", options.keep) as the_lab:
                    for version in options.ansible or ANSIBLE_VERSIONS:
                        fresh_hosts(the_lab)
                        the_lab.secrets_file.unlink(missing_ok=True)
                        with controller(the_lab, version, archive, hardened=True) as one:
                            figures.append(one.figures)
                            build_up(one)
        except Refused as refused:
            problem = str(refused)
            print(f"ERROR {problem}", flush=True)
    return finish("controllers", begin, not problem, controllers=figures, problem=problem[-300:])


if __name__ == "__main__":
    raise SystemExit(main())
