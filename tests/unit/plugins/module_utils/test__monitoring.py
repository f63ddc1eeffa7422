# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus and Alertmanager are told, from groups and settings."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._monitoring import (
    EXPORTER_GROUPS,
    MonitoringError,
    address,
    alertmanager_config,
    exporter_hosts,
    minio_metrics_token,
    prometheus_rules,
    scrape_configs,
)

PROD = {
    "postgres": ["db1"],
    "minio": ["store1", "store2"],
    "mlflow": ["app1", "app2"],
    "nginx_tls": ["edge1"],
    "monitoring": ["mon1"],
}
PORTS = {
    "node": 9100,
    "process": 9256,
    "postgres": 9187,
    "blackbox": 9115,
    "gateway": 9999,
    "minio": 9000,
    "keycloak": 8443,
    "prometheus": 9090,
    "alertmanager": 9093,
}
TIMES = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
RULES: dict[str, Any] = {
    "groups": [
        {
            "name": "g",
            "rules": [
                {"record": "a:b", "expr": "1"},
                {
                    "alert": "Down",
                    "expr": "up == 0",
                    "for": "5m",
                    "labels": {"severity": "critical"},
                    "annotations": {"summary": "Down"},
                },
            ],
        },
        {
            "name": "h",
            "rules": [
                {"alert": "Slow", "expr": "x", "labels": {"severity": "warning"}, "annotations": {"summary": "S"}}
            ],
        },
    ]
}


def settings(**changes: Any) -> dict[str, Any]:
    """Return the settings of a platform."""
    return {
        "exporters": exporter_hosts(PROD),
        "minio_hosts": PROD["minio"],
        "prometheus_host": "mon1",
        "public_url": "https://mlflow.example.com",
        "ca_file": "/ca.crt",
        "credentials": "/run/credentials",
        "exporter_user": "prometheus",
        "monitoring_user": "monitoring",
        "ports": PORTS,
        **changes,
    }


def targets(config: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return what each job asks."""
    return {
        job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]] for job in config
    }


# ---------------------------------------------------------------- hosts of exporters


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({}, {}),
        ({"monitoring": ["m"]}, {"node": ["m"], "process": ["m"], "blackbox": ["m"]}),
        ({"postgres": ["a", "b"]}, {"node": ["a", "b"], "process": ["a", "b"], "postgres": ["a", "b"]}),
        # One host asks for MLflow's domain, where there is MLflow.
        (
            {"postgres": ["a", "b"], "mlflow": ["a"]},
            {"node": ["a", "b"], "process": ["a", "b"], "postgres": ["a", "b"], "sql": ["a"]},
        ),
        # A host in two groups is named once.
        ({"nginx_tls": ["e"], "mlflow": ["e"]}, {"node": ["e"], "process": ["e"], "nginx": ["e"], "edge": ["e"]}),
        ({"keycloak": ["k"]}, {"node": ["k"], "process": ["k"], "keycloak": ["k"]}),
        ({"others": ["o"]}, {}),
    ],
)
def test_exporters_follow_from_the_groups(groups: dict[str, list[str]], expected: dict[str, list[str]]) -> None:
    found = exporter_hosts(groups)
    assert list(found) == list(EXPORTER_GROUPS)
    assert {name: hosts for name, hosts in found.items() if hosts} == expected


# ---------------------------------------------------------------- jobs


def test_each_host_is_asked_where_it_listens() -> None:
    assert targets(scrape_configs(settings())) == {
        "node": [f"{host}:9100" for host in ("db1", "store1", "store2", "app1", "app2", "edge1", "mon1")],
        "process": [f"{host}:9256" for host in ("db1", "store1", "store2", "app1", "app2", "edge1", "mon1")],
        "postgres": ["db1:9187"],
        "sql": ["db1:9999"],
        "nginx": ["edge1:9999"],
        "edge": ["edge1:9999"],
        "blackbox": ["mon1:9115"],
        # One host tells of the whole cluster.
        "minio": ["store1:9000"],
        "minio_bucket": ["store1:9000"],
        "prometheus": ["mon1:9090"],
        "alertmanager": ["mon1:9093"],
        "public": ["https://mlflow.example.com/health"],
        "certificate": [
            *(f"{host}:9100" for host in ("db1", "store1", "store2", "app1", "app2", "edge1", "mon1")),
            "store1:9000",
            "store2:9000",
        ],
    }


def test_every_job_validates_tls_and_names_files_instead_of_secrets() -> None:
    for job in scrape_configs(settings()):
        assert job["scheme"] == "https"
        assert job["tls_config"] == {"ca_file": "/ca.crt", "min_version": "TLS12"}
        assert ("basic_auth" in job) != ("authorization" in job)
        assert "password" not in job.get("basic_auth", {})
        assert "credentials" not in job.get("authorization", {})


def test_probes_go_through_the_prober() -> None:
    (job,) = (job for job in scrape_configs(settings()) if job["job_name"] == "public")
    assert job["metrics_path"] == "/probe"
    assert job["relabel_configs"][-1] == {"target_label": "__address__", "replacement": "mon1:9115"}


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"public_url": ""}, {"public"}),
        ({"minio_hosts": []}, {"minio", "minio_bucket"}),
        ({"exporters": {"node": ["db1"]}, "minio_hosts": []},
         {"process", "postgres", "sql", "nginx", "edge", "blackbox", "minio", "minio_bucket", "public", "certificate"}),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_asked(changes: dict[str, Any], missing: set[str]) -> None:
    everything = set(targets(scrape_configs(settings())))
    assert set(targets(scrape_configs(settings(**changes)))) == everything - missing


@pytest.mark.parametrize(
    ("host", "expected"), [("db1", "db1:9"), ("10.0.0.1", "10.0.0.1:9"), ("fd00::1", "[fd00::1]:9")]
)
def test_addresses(host: str, expected: str) -> None:
    assert address(host, 9) == expected


# ---------------------------------------------------------------- receivers


def test_nobody_is_told_by_default() -> None:
    config = alertmanager_config([], TIMES)
    assert config["receivers"] == [{"name": "nobody"}]
    assert config["route"]["routes"] == []
    assert config["route"]["group_wait"] == "30s"


def test_receivers_are_told_what_they_ask_for() -> None:
    receivers = [
        {
            "name": "chat",
            "severities": ["critical"],
            "webhook_url": "https://chat.example.com/a",
            "webhook_ca_file": "/ca.crt",
            "webhook_token": "t",
        },
        {"name": "team", "email_to": "team@example.com"},
    ]
    smtp = {"smarthost": "mail:587", "from": "a@example.com", "auth_username": ""}
    config = alertmanager_config(receivers, {**TIMES, "smtp": smtp})
    assert config["global"] == {"smtp_from": "a@example.com", "smtp_smarthost": "mail:587"}
    assert [route["matchers"] for route in config["route"]["routes"]] == [
        ['severity=~"critical"'],
        ['severity=~"critical|warning"'],
    ]
    hook = config["receivers"][1]["webhook_configs"][0]
    assert hook["http_config"] == {"tls_config": {"ca_file": "/ca.crt"}, "authorization": {"credentials": "t"}}
    assert config["receivers"][2]["email_configs"] == [{"to": "team@example.com", "send_resolved": True}]


@pytest.mark.parametrize(
    ("receivers", "smtp", "words"),
    [
        ([{"name": "a"}], {}, "the receiver a has neither webhook_url nor email_to"),
        ([{"name": "a", "email_to": "a@example.com"}], {}, "no server for mail"),
        ([], {"smarthost": "mail:587"}, "has no from"),
        ([{"name": "nobody", "webhook_url": "https://x"}], {}, "none may be called nobody"),
        ([{"name": "a", "webhook_url": "https://x"}] * 2, {}, "a name of its own"),
    ],
)
def test_wrong_receivers(receivers: list[dict[str, Any]], smtp: dict[str, Any], words: str) -> None:
    with pytest.raises(MonitoringError, match=words):
        alertmanager_config(receivers, {**TIMES, "smtp": smtp})


# ---------------------------------------------------------------- rules


def test_alerts_get_their_runbooks_and_the_given_rules_stay_as_they_are() -> None:
    before = json.dumps(RULES)
    rules = prometheus_rules(RULES, {}, "https://example.com/runbooks/")
    assert rules["groups"][0]["rules"][1]["annotations"] == {
        "summary": "Down",
        "runbook_url": "https://example.com/runbooks/Down.md",
    }
    assert rules["groups"][0]["rules"][0] == {"record": "a:b", "expr": "1"}
    assert json.dumps(RULES) == before


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"for": "1m"}, "for", "1m"),
        ({"expr": "up < 1"}, "expr", "up < 1"),
        ({"labels": {"team": "x"}}, "labels", {"severity": "critical", "team": "x"}),
        ({"annotations": {"summary": "Gone"}}, "annotations", {"summary": "Gone", "runbook_url": "https://r/Down.md"}),
    ],
)
def test_parts_of_an_alert_are_replaced(change: dict[str, Any], field: str, value: Any) -> None:
    assert prometheus_rules(RULES, {"Down": change}, "https://r")["groups"][0]["rules"][1][field] == value


def test_an_alert_is_left_out_and_so_is_an_empty_group() -> None:
    rules = prometheus_rules(RULES, {"Slow": None}, "https://r")
    assert [group["name"] for group in rules["groups"]] == ["g"]


def test_alerts_of_other_files_are_known() -> None:
    assert prometheus_rules(RULES, {"Elsewhere": None}, "https://r", ["Down", "Slow", "Elsewhere"])["groups"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [({"Dwon": None}, "there is no alert Dwon"), ({"Down": {"four": "1m"}}, "Down: four cannot be changed")],
)
def test_wrong_overrides(overrides: dict[str, Any], words: str) -> None:
    with pytest.raises(MonitoringError, match=words):
        prometheus_rules(RULES, overrides, "https://r")


# ---------------------------------------------------------------- the object store's token


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.text(min_size=8))
def test_the_token_says_who_and_is_signed(access_key: str, secret_key: str) -> None:
    header, claims, signature = minio_metrics_token(access_key, secret_key).split(".")

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    assert json.loads(decoded(header)) == {"alg": "HS512", "typ": "JWT"}
    assert json.loads(decoded(claims))["sub"] == access_key
    expected = hmac.new(secret_key.encode(), f"{header}.{claims}".encode(), hashlib.sha512).digest()
    assert decoded(signature) == expected


@pytest.mark.parametrize(("access_key", "secret_key"), [("", "12345678"), ("metrics", "1234567"), ("a b", "12345678")])
def test_no_token_without_a_name_or_with_a_short_key(access_key: str, secret_key: str) -> None:
    with pytest.raises(MonitoringError):
        minio_metrics_token(access_key, secret_key)
