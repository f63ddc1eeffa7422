# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role monitoring writes for Grafana, as far as it can be known without Grafana: files that parse, no secret."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path

import jmespath
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "monitoring"
FILES = {
    "grafana.ini": "etc/grafana/grafana.ini",
    "datasource.yml": "etc/grafana/provisioning/datasources/mlops-tracking.yml",
    "dashboards.yml": "etc/grafana/provisioning/dashboards/mlops-tracking.yml",
    "unit.conf": "etc/systemd/system/grafana-server.service.d/10-mlops-tracking.conf",
}
SECRETS = {
    "monitoring_password": "secret-of-prometheus",
    "monitoring_grafana_client_secret": "secret-of-client",
}


@pytest.fixture(name="folder", scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the written files."""
    folder = tmp_path_factory.mktemp("grafana")
    task = {
        "ansible.builtin.template": {"src": "{{ item.value }}", "dest": f"{folder}/{{{{ item.key }}}}", "mode": "0600"},
        "loop": [{"key": name, "value": str(ROLE / "templates" / f"{path}.j2")} for name, path in FILES.items()],
    }
    content = "{{ __monitoring_grafana_secrets | to_json }}"
    settings = {
        **SECRETS,
        "__monitoring_certificate": {"stat": {"checksum": "abc"}},
        "monitoring_host_name": "mon1",
        "monitoring_grafana_url": "https://mon1.example.com:3000",
        "monitoring_grafana_issuer": "https://mlflow.example.com/sso/realms/mlops",
        "monitoring_grafana_editor_groups": ["mlflow-admins", "on call"],
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
        "tasks": [
            task,
            {"ansible.builtin.copy": {"content": content, "dest": f"{folder}/secrets.json", "mode": "0600"}},
        ],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    # The implicit localhost: its modules run in this Python.
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", "-e", json.dumps(settings)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_no_file_holds_a_secret(folder: Path) -> None:
    for name in FILES:
        text = (folder / name).read_text()
        assert not [secret for secret in SECRETS.values() if secret in text], name


def test_people_log_in_through_keycloak_alone(folder: Path) -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(folder / "grafana.ini")
    assert config["server"]["protocol"] == "https"
    assert config["server"]["root_url"] == "https://mon1.example.com:3000/"
    assert config["auth"]["disable_login_form"] == "true"
    assert config["auth.basic"]["enabled"] == "false"
    oauth = config["auth.generic_oauth"]
    assert oauth["client_secret"] == "$__file{/run/credentials/grafana-server.service/grafana_client_secret}"
    assert oauth["token_url"].startswith("https://mlflow.example.com/sso/realms/mlops/protocol/openid-connect/")


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["mlflow-admins"], "Editor"), (["data-scientists", "on call"], "Editor"), (["data-scientists"], "Viewer")],
)
def test_the_role_follows_from_the_groups(folder: Path, groups: list[str], role: str) -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(folder / "grafana.ini")
    assert jmespath.search(config["auth.generic_oauth"]["role_attribute_path"], {"groups": groups}) == role


def test_the_data_source_is_prometheus_with_its_authority(folder: Path) -> None:
    (source,) = yaml.safe_load((folder / "datasource.yml").read_text())["datasources"]
    assert source["url"] == "https://mon1:9090"
    assert source["jsonData"]["tlsAuthWithCACert"] is True
    assert source["secureJsonData"]["tlsCACert"] == "$__file{/etc/mlops-tracking/tls/ca.crt}"


def test_systemd_hands_over_what_the_files_name(folder: Path) -> None:
    unit = (folder / "unit.conf").read_text()
    handed = {
        line.partition("=")[2].partition(":")[0] for line in unit.splitlines() if line.startswith("LoadCredential")
    }
    named = "".join((folder / name).read_text() for name in ("grafana.ini", "datasource.yml"))
    assert {name for name in handed if f"grafana-server.service/{name}" in named} == handed
    written = {secret["name"] for secret in json.loads((folder / "secrets.json").read_text())}
    assert written <= handed
