# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the module virtualenv: a stub for the interpreter, and one real environment without packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mlops.tracking.plugins.modules import virtualenv

RunModule = Callable[..., dict[str, Any]]

LOCK = "thing==1.0 --hash=sha256:0\n"
# Makes an environment that holds one program, `python`, which writes down its arguments; `pip {failing}` fails.
INTERPRETER = """\
#!/bin/sh
set -e
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'PYTHON'
#!/bin/sh
echo "$PIP_CERT" "$@" >> "{log}"
[ "$3" != "{failing}" ] || {{ echo "no such package" >&2; exit 1; }}
PYTHON
chmod 755 "$3/bin/python"
"""

BASE = ["install", "--no-input", "--disable-pip-version-check", "--no-compile", "--require-hashes", "--no-deps"]
TEST_ARGUMENTS: list[tuple[str, str, list[str]]] = [
    ("", "", []),
    ("https://mirror.test/simple", "", ["--index-url", "https://mirror.test/simple"]),
    ("", "/srv/wheels", ["--no-index", "--find-links", "/srv/wheels"]),
    (
        "https://mirror.test/simple",
        "/srv/wheels",
        ["--index-url", "https://mirror.test/simple", "--no-index", "--find-links", "/srv/wheels"],
    ),
]


class Target:
    """A folder for the environment, an interpreter, and what pip was called with."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "venv"
        self.marker = self.path / virtualenv.MARKER
        self.log = folder / "log"
        self.python = folder / "python3"
        self.fail("")

    def fail(self, command: str) -> None:
        """Choose which of pip's commands fails."""
        self.python.write_text(INTERPRETER.format(log=self.log, failing=command))
        self.python.chmod(0o755)

    @property
    def installations(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if " -m pip install " in line]

    def options(self, **changes: str) -> dict[str, Any]:
        return {"path": str(self.path), "python": str(self.python), "requirements": LOCK, **changes}


@pytest.fixture(name="target")
def fixture_target(tmp_path: Path) -> Target:
    return Target(tmp_path)


@pytest.mark.parametrize(("index_url", "find_links", "expected"), TEST_ARGUMENTS)
def test_pip_arguments(index_url: str, find_links: str, expected: list[str]) -> None:
    parameters = {"index_url": index_url, "find_links": find_links}
    assert virtualenv.pip_arguments(parameters, "/x/r.txt") == [*BASE, *expected, "--requirement", "/x/r.txt"]


def test_fingerprint_tells_requirements_and_interpreters_apart(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr/bin/python3.13")
    link = str(tmp_path / "link")
    one = virtualenv.fingerprint(LOCK, "/usr/bin/python3.13")
    assert one == virtualenv.fingerprint(LOCK, "/usr/bin/python3.13")
    assert one == virtualenv.fingerprint(LOCK, link).replace(str(Path(link).resolve()), "/usr/bin/python3.13")
    others = {virtualenv.fingerprint(LOCK + "#", "/usr/bin/python3.13"), virtualenv.fingerprint(LOCK, "/opt/python3")}
    assert one not in others
    assert len(others) == 2


def test_no_marker_is_an_empty_one(tmp_path: Path) -> None:
    assert virtualenv.read_marker(str(tmp_path)) == ""
    assert virtualenv.read_marker(str(tmp_path / "nothing")) == ""


def test_created_once(run_module: RunModule, target: Target) -> None:
    first = run_module(virtualenv.main, target.options())
    assert first["changed"] is True
    assert first["python"] == str(target.path / "bin" / "python")
    assert first["diff"] == {"before": "", "after": virtualenv.fingerprint(LOCK, str(target.python))}
    assert (target.path / "requirements.txt").read_text() == LOCK
    second = run_module(virtualenv.main, target.options())
    assert second["changed"] is False
    assert second["diff"]["before"] == second["diff"]["after"] == first["diff"]["after"]
    assert len(target.installations) == 1
    assert " ".join(BASE) in target.installations[0]


@pytest.mark.parametrize("exists", [True, False])
def test_authorities_are_handed_to_pip_if_they_exist(
    run_module: RunModule, target: Target, tmp_path: Path, exists: bool
) -> None:
    authorities = tmp_path / "ca.crt"
    if exists:
        authorities.touch()
    run_module(virtualenv.main, target.options(ca_path=str(authorities)))
    assert target.installations[0].startswith(f"{authorities} -m pip ") is exists


def test_check_mode_tells_and_leaves_all_as_it_is(run_module: RunModule, target: Target) -> None:
    assert run_module(virtualenv.main, target.options(), check=True)["changed"] is True
    assert not target.path.exists()
    run_module(virtualenv.main, target.options())
    assert run_module(virtualenv.main, target.options(), check=True)["changed"] is False
    changed = run_module(virtualenv.main, target.options(requirements=LOCK + "#"), check=True)
    assert changed["changed"] is True
    assert changed["diff"]["before"] != changed["diff"]["after"]
    assert len(target.installations) == 1


def test_changed_requirements_are_installed_into_an_empty_folder(run_module: RunModule, target: Target) -> None:
    run_module(virtualenv.main, target.options())
    (target.path / "leftover").touch()
    assert run_module(virtualenv.main, target.options(requirements=LOCK + "#"))["changed"] is True
    assert not (target.path / "leftover").exists()
    assert len(target.installations) == 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("install", "pip could not install the locked requirements into {path}: no such package"),
        ("check", "The locked requirements in {path} do not fit together: no such package"),
    ],
)
def test_a_failed_installation_is_told_and_made_anew(
    run_module: RunModule, target: Target, command: str, message: str
) -> None:
    target.fail(command)
    failed = run_module(virtualenv.main, target.options())
    assert failed["failed"] is True
    assert failed["msg"] == message.format(path=target.path)
    assert not target.marker.exists()
    target.fail("")
    assert run_module(virtualenv.main, target.options())["changed"] is True
    assert target.marker.read_text() == virtualenv.fingerprint(LOCK, str(target.python))


@pytest.mark.parametrize("left", ["bin/python", "requirements.txt", virtualenv.MARKER + ".new"])
def test_an_interrupted_installation_is_made_anew(run_module: RunModule, target: Target, left: str) -> None:
    file = target.path / left
    file.parent.mkdir(parents=True)
    file.write_text("half")
    (target.path / "leftover").touch()
    assert run_module(virtualenv.main, target.options(), check=True)["changed"] is True
    assert (target.path / "leftover").exists()
    assert run_module(virtualenv.main, target.options())["changed"] is True
    assert not (target.path / "leftover").exists()
    assert run_module(virtualenv.main, target.options())["changed"] is False


def test_a_real_environment(run_module: RunModule, tmp_path: Path) -> None:
    options = {"path": str(tmp_path / "venv"), "python": sys.executable, "requirements": "# nothing\n"}
    made = run_module(virtualenv.main, options)
    assert made["changed"] is True, made
    prefix = subprocess.run([made["python"], "-c", "import sys; print(sys.prefix)"], capture_output=True, check=True)
    assert prefix.stdout.decode().strip() == options["path"]
    assert run_module(virtualenv.main, options)["changed"] is False
