# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the controller: everything that is missing is told at once, with what installs it."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _controller as rules
from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem

COLLECTIONS: dict[str, str | None] = {
    "community.crypto": "3.5.0",
    "community.general": "13.5.0",
    "community.postgresql": "4.2.0",
}
PACKAGES: dict[str, str | None] = {"bcrypt": "5.0.0", "cryptography": "50.0.2"}
SYSTEM: dict[str, str | None] = {"cryptography": "38.0.4"}


def python(packages: dict[str, str | None], prefix: str = "/opt/ansible", managed: bool = False) -> rules.Python:
    """A Python that has these packages."""
    return {"executable": f"{prefix}/bin/python", "prefix": prefix, "managed": managed, "packages": packages}


def problems(
    core: str = "2.21.5",
    collections: dict[str, str | None] | None = None,
    own: dict[str, str | None] | None = None,
    modules: rules.Python | str | None = None,
) -> list[Problem]:
    """What is wrong with a controller that is good but for what is given."""
    runs = python(PACKAGES if own is None else own)
    return rules.find_problems(core, COLLECTIONS if collections is None else collections, runs, modules or runs)


def test_a_good_controller_passes() -> None:
    assert problems() == []
    assert problems(modules=python(SYSTEM, prefix="/usr", managed=True)) == []


TEST_CORE: list[tuple[str, bool]] = [
    ("2.19.0", True),
    ("2.20.10", True),
    ("2.21.7rc1", True),
    ("2.18.99", False),
    ("2.22.0", False),
    ("3.0.0", False),
    ("", True),
]


@pytest.mark.parametrize(("version", "good"), TEST_CORE)
def test_core_versions(version: str, good: bool) -> None:
    found = problems(core=version)
    assert (not found) is good
    for problem in found:
        assert problem.variable == "ansible-core"
        assert f'"{version}"' in problem.problem
        assert problem.remedy == 'python3 -m pip install "ansible-core>=2.19.0,<2.22.0"'


SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(COLLECTIONS, size)]


@pytest.mark.parametrize("version", [None, "0.1.0", "99.0.0"])
@pytest.mark.parametrize("lacking", SUBSETS, ids=",".join)
def test_collections_are_told_at_once(lacking: tuple[str, ...], version: str | None) -> None:
    (problem,) = problems(collections={**COLLECTIONS, **dict.fromkeys(lacking, version)})
    for name, versions in rules.COLLECTIONS.items():
        assert (name in problem.problem) is (name in lacking)
        assert (f'"{name}:{versions}"' in problem.remedy) is (name in lacking)
    assert problem.remedy.startswith("ansible-galaxy collection install ")
    assert ("is not installed" in problem.problem) is (version is None)


def test_a_collection_that_does_not_tell_its_version_passes() -> None:
    assert problems(collections={**COLLECTIONS, "community.general": ""}) == []


@pytest.mark.parametrize("version", [None, "0.9"])
@pytest.mark.parametrize("lacking", [("bcrypt",), ("cryptography",), ("bcrypt", "cryptography")], ids=",".join)
def test_packages_are_told_at_once(lacking: tuple[str, ...], version: str | None) -> None:
    (problem,) = problems(own={**PACKAGES, **dict.fromkeys(lacking, version)})
    for name, versions in rules.PACKAGES.items():
        assert (name in problem.problem) is (name in lacking)
        assert (f'"{name}{versions}"' in problem.remedy) is (name in lacking)
    assert problem.remedy.startswith("/opt/ansible/bin/python -m pip install ")
    assert "/opt/ansible/bin/python, which runs Ansible" in problem.problem


def test_the_python_of_modules_is_judged_by_what_they_import() -> None:
    (problem,) = problems(modules=python({"cryptography": None}, prefix="/usr", managed=True))
    assert "cryptography cannot be imported, by /usr/bin/python, which runs modules on localhost" in problem.problem
    assert problem.remedy == "apt-get install python3-cryptography"


def test_a_python_that_runs_no_module_is_told_with_the_rest() -> None:
    assert [problem.variable for problem in problems(own={}, modules="no such file")] == [
        "Python packages",
        "localhost",
    ]


def test_everything_that_is_missing_is_told_at_once() -> None:
    found = problems("2.18.1", {}, {}, python({}, prefix="/usr"))
    assert [item.variable for item in found] == ["ansible-core", "collections", "Python packages", "Python packages"]


def test_looking_at_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("raise SystemError('built for another Python')\n")
    (tmp_path / "untold_library.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = rules.look_at_python(["pytest", "broken_library", "untold_library", "no_such_library"])
    assert found["executable"] == sys.executable
    assert found["packages"] == {
        "pytest": pytest.__version__,
        "broken_library": None,
        "untold_library": "",
        "no_such_library": None,
    }
