# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: virtualenv
author:
  - mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: A Python virtual environment that holds exactly what a lock file says
description:
  - Makes a virtual environment and installs a requirements file whose every entry carries a hash.
  - Nothing but these entries is installed, and an entry that lacks something it needs is an error.
  - A marker inside the environment says what it holds, so that a second run, also in check mode, compares
    instead of installing, and an interrupted installation is seen and made anew.
options:
  path:
    description: The folder of the environment.
    type: path
    required: true
  requirements:
    description: The text of the requirements file, with hashes.
    type: str
    required: true
  python:
    description: The interpreter that the environment is made with.
    type: path
    default: /usr/bin/python3
  index_url:
    description: The package index to install from. Empty for the one that the host is configured with.
    type: str
    default: ""
  find_links:
    description: A folder or page of wheels, used instead of an index.
    type: str
    default: ""
  ca_path:
    description: Certificate authorities that the index is verified with.
    type: path
    default: /etc/ssl/certs/ca-certificates.crt
extends_documentation_fragment:
  - mlops.tracking.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
"""

EXAMPLES = r"""
- name: Install the server
  mlops.tracking.virtualenv:
    path: /opt/mlflow/3.17.2
    requirements: "{{ lookup('ansible.builtin.file', 'requirements-3.17.2.txt') }}"
"""

RETURN = r"""
python:
  description: The interpreter of the environment.
  returned: always
  type: str
  sample: /opt/mlflow/3.17.2/bin/python
"""

import hashlib
import os
import shutil

from ansible.module_utils.basic import AnsibleModule

MARKER = ".mlops-tracking"
# A third of what libraries bring, and no service imports it.
TESTS = "/tests?/"


def fingerprint(requirements: str, python: str) -> str:
    """Return the text of the marker: what the environment was made from."""
    digest = hashlib.sha256(requirements.encode()).hexdigest()
    return f"requirements sha256:{digest}\npython {os.path.realpath(python)}\n"


def read_marker(path: str) -> str:
    """Return the marker of the environment at ``path``, empty when it is missing or unfinished."""
    try:
        with open(os.path.join(path, MARKER), encoding="utf-8") as marker:
            return marker.read()
    except OSError:
        return ""


def pip_arguments(params: dict[str, str], requirements_file: str) -> list[str]:
    """Return pip's arguments for these module parameters."""
    arguments = ["install", "--no-input", "--disable-pip-version-check", "--no-compile", "--require-hashes"]
    # The lock is the whole answer: pip's own search would ask for newer releases of what an entry wants with extras.
    arguments.append("--no-deps")
    if params["index_url"]:
        arguments += ["--index-url", params["index_url"]]
    if params["find_links"]:
        arguments += ["--no-index", "--find-links", params["find_links"]]
    return [*arguments, "--requirement", requirements_file]


def run_pip(module: AnsibleModule, arguments: list[str], failure: str) -> None:
    """Run the environment's pip, or fail with this text and the end of what pip says."""
    environment = {}
    if os.path.exists(module.params["ca_path"]):
        environment["PIP_CERT"] = module.params["ca_path"]
    python = os.path.join(module.params["path"], "bin", "python")
    rc, out, err = module.run_command([python, "-m", "pip", *arguments], environ_update=environment)
    if rc != 0:
        module.fail_json(msg=f"{failure}: " + " | ".join((err or out).strip().splitlines()[-5:]))


def compile_sources(module: AnsibleModule) -> None:
    """Compile on every core what a service may import, as its user may not write here; pip would use one core."""
    path = module.params["path"]
    python, library = os.path.join(path, "bin", "python"), os.path.join(path, "lib")
    # Without a look at the result: libraries bring templates and examples that are no valid Python.
    module.run_command([python, "-m", "compileall", "-q", "-j", "0", "-x", TESTS, library])


def install(module: AnsibleModule, wanted: str) -> None:
    """Make the environment anew and mark it only when everything is in it."""
    path = module.params["path"]
    if os.path.exists(path):
        shutil.rmtree(path)
    # The service's user must be able to read what root installs, whatever root's own umask is.
    os.umask(0o022)
    module.run_command([module.params["python"], "-m", "venv", path], check_rc=True)
    requirements_file = os.path.join(path, "requirements.txt")
    with open(requirements_file, "w", encoding="utf-8") as handle:
        handle.write(module.params["requirements"])
    run_pip(
        module,
        pip_arguments(module.params, requirements_file),
        f"pip could not install the locked requirements into {path}",
    )
    compile_sources(module)
    run_pip(module, ["check", "--disable-pip-version-check"], f"The locked requirements in {path} do not fit together")
    temporary = os.path.join(path, MARKER + ".new")
    with open(temporary, "w", encoding="utf-8") as handle:
        handle.write(wanted)
        handle.flush()
        os.fsync(handle.fileno())
    os.rename(temporary, os.path.join(path, MARKER))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "requirements": {"type": "str", "required": True},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "index_url": {"type": "str", "default": ""},
            "find_links": {"type": "str", "default": ""},
            "ca_path": {"type": "path", "default": "/etc/ssl/certs/ca-certificates.crt"},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    wanted = fingerprint(module.params["requirements"], module.params["python"])
    present = read_marker(path)
    changed = present != wanted
    if changed and not module.check_mode:
        install(module, wanted)
    module.exit_json(
        changed=changed,
        python=os.path.join(path, "bin", "python"),
        diff={"before": present, "after": wanted},
    )


if __name__ == "__main__":
    main()
