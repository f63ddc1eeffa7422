# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus reads, from the groups of the inventory, and what is told to whom. Private to this collection."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Config = dict[str, Any]

# The groups whose hosts have each exporter, and whether only the first of these hosts has it.
EXPORTER_GROUPS: dict[str, tuple[tuple[str, ...], bool]] = {
    "node": (("postgres", "minio", "keycloak", "mlflow", "nginx_tls", "audit", "monitoring"), False),
    "process": (("postgres", "minio", "keycloak", "mlflow", "nginx_tls", "audit", "monitoring"), False),
    "postgres": (("postgres",), False),
    "sql": (("postgres",), True),
    "nginx": (("nginx_tls",), False),
    "edge": (("nginx_tls",), False),
    "keycloak": (("keycloak",), False),
    "blackbox": (("monitoring",), False),
}
# Reached at the gateway's port, at the path of their name.
BEHIND_GATEWAY = ("sql", "nginx", "edge", "keycloak")
SEVERITIES = ("critical", "warning")
_TOKEN_EXPIRY = 4102444800  # 2100-01-01: it ends with its user or with the user's key


class MonitoringError(ValueError):
    """Something that cannot be written into a configuration; the message names what."""


def exporter_hosts(groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The hosts of each exporter, from the groups; without a host in `mlflow` nothing tells of its domain."""
    found: dict[str, list[str]] = {}
    for exporter, (names, first) in EXPORTER_GROUPS.items():
        hosts = list(dict.fromkeys(host for name in names for host in groups.get(name, ())))
        if exporter == "sql" and not groups.get("mlflow"):
            hosts = []
        found[exporter] = hosts[:1] if first else hosts
    return found


def address(host: str, port: int) -> str:
    """Host and port in one, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def scrape_configs(settings: Mapping[str, Any]) -> list[Config]:
    """The jobs of Prometheus: exporters, the object store's own metrics, the public name, certificates, and itself.

    `settings` has `exporters` (hosts by exporter), `minio_hosts`, `prometheus_host`, `ports` (by exporter, and those of
    gateway, minio, keycloak, prometheus, alertmanager), `public_url`, `ca_file`, `credentials` (a directory with
    `exporter_password`, `monitoring_password` and `minio_token`), `exporter_user` and `monitoring_user`.
    """
    exporters, ports = settings["exporters"], settings["ports"]
    jobs = []
    for exporter, hosts in exporters.items():
        if not hosts:
            continue
        behind = exporter in BEHIND_GATEWAY
        job = _job(exporter, settings, hosts, ports["gateway" if behind else exporter])
        jobs.append({**job, "metrics_path": f"/{exporter}" if behind else "/metrics"})
    for part in ("cluster", "bucket") if settings["minio_hosts"] else ():
        name = "minio" if part == "cluster" else f"minio_{part}"
        # Each host tells of the whole cluster.
        job = _job(name, settings, settings["minio_hosts"][:1], ports["minio"])
        del job["basic_auth"]
        token = {"credentials_file": f"{settings['credentials']}/minio_token"}
        jobs.append({**job, "metrics_path": f"/minio/v2/metrics/{part}", "authorization": token})
    for name in ("prometheus", "alertmanager"):
        job = _job(name, settings, [settings["prometheus_host"]], ports[name])
        jobs.append({**job, "metrics_path": "/metrics", "basic_auth": _login(settings, "monitoring")})
    return [*jobs, *_probes(settings)]


def _job(name: str, settings: Mapping[str, Any], hosts: Iterable[str], port: int) -> Config:
    return {
        "job_name": name,
        "scheme": "https",
        "basic_auth": _login(settings, "exporter"),
        "tls_config": {"ca_file": settings["ca_file"], "min_version": "TLS12"},
        "static_configs": [{"targets": [address(host, port)], "labels": {"instance": host}} for host in hosts],
    }


def _login(settings: Mapping[str, Any], kind: str) -> Config:
    password = f"{settings['credentials']}/{kind}_password"
    return {"username": settings[f"{kind}_user"], "password_file": password}


def _probes(settings: Mapping[str, Any]) -> list[Config]:
    """What is looked at from the monitoring host, through its blackbox exporter."""
    exporters, ports = settings["exporters"], settings["ports"]
    if not exporters.get("blackbox"):
        return []
    prober = exporters["blackbox"][0]
    url = settings["public_url"]
    public = [{"targets": [f"{url}/health"], "labels": {"instance": url}}] if url else []
    hosts = {
        "exporter": (exporters.get("node", []), ports["node"]),
        "minio": (settings["minio_hosts"], ports["minio"]),
        "keycloak": (exporters.get("keycloak", []), ports["keycloak"]),
    }
    certificates = [
        {"targets": [address(host, port)], "labels": {"instance": host, "service": service}}
        for service, (names, port) in hosts.items()
        for host in names
    ]
    jobs = []
    for name, targets in (("public", public), ("certificate", certificates)):
        if not targets:
            continue
        job = _job(name, settings, [], 0)
        relabel = [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"target_label": "__address__", "replacement": address(prober, ports["blackbox"])},
        ]
        probe = {"metrics_path": "/probe", "params": {"module": [name]}, "relabel_configs": relabel}
        jobs.append({**job, **probe, "static_configs": targets})
    return jobs


def alertmanager_config(receivers: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> Config:
    """Whom Alertmanager tells what. Without a receiver alerts are shown and nobody is told.

    `settings` has `smtp` (a mapping, empty for none) and the times `group_wait`, `group_interval`,
    `repeat_interval`.
    """
    smtp = settings.get("smtp") or {}
    missing = sorted({"from", "smarthost"} - set(smtp)) if smtp else []
    if missing:
        raise MonitoringError(f"the server for mail has no {missing[0]}")
    names = [str(receiver["name"]) for receiver in receivers]
    if len(set(names)) < len(names) or "nobody" in names:
        raise MonitoringError("each receiver needs a name of its own, and none may be called nobody")
    routes = []
    for receiver in receivers:
        severities = list(receiver.get("severities") or SEVERITIES)
        matcher = f'severity=~"{"|".join(severities)}"'
        routes.append({"receiver": receiver["name"], "matchers": [matcher], "continue": True})
    route = {
        "receiver": "nobody",
        "group_by": ["alertname"],
        **{name: settings[name] for name in ("group_wait", "group_interval", "repeat_interval")},
        "routes": routes,
    }
    return {
        "global": {f"smtp_{key}": value for key, value in sorted(smtp.items()) if value not in ("", None)},
        "route": route,
        # Who knows that a service is down need not be told that its numbers are missing.
        "inhibit_rules": [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['alertname="TargetDown"'],
                "equal": ["instance"],
            }
        ],
        "receivers": [{"name": "nobody"}, *(_receiver(receiver, bool(smtp)) for receiver in receivers)],
    }


def _receiver(receiver: Mapping[str, Any], has_smtp: bool) -> Config:
    name = receiver["name"]
    result: Config = {"name": name}
    if receiver.get("webhook_url"):
        hook: Config = {"url": receiver["webhook_url"], "send_resolved": True}
        http: Config = {}
        if receiver.get("webhook_ca_file"):
            http["tls_config"] = {"ca_file": receiver["webhook_ca_file"]}
        if receiver.get("webhook_token"):
            http["authorization"] = {"credentials": receiver["webhook_token"]}
        if http:
            hook["http_config"] = http
        result["webhook_configs"] = [hook]
    if receiver.get("email_to"):
        if not has_smtp:
            raise MonitoringError(f"the receiver {name} has email_to, but there is no server for mail")
        result["email_configs"] = [{"to": receiver["email_to"], "send_resolved": True}]
    if len(result) == 1:
        raise MonitoringError(f"the receiver {name} has neither webhook_url nor email_to")
    return result


def prometheus_rules(
    document: Mapping[str, Any], overrides: Mapping[str, Any], runbook_url: str, known: Iterable[str] | None = None
) -> Config:
    """The rules of one file with what an operator changed: a mapping replaces parts of an alert, null leaves it out.

    Each alert gets the address of its runbook.
    """
    alerts = {rule["alert"] for group in document["groups"] for rule in group["rules"] if "alert" in rule}
    unknown = sorted(set(overrides) - set(alerts if known is None else known))
    if unknown:
        raise MonitoringError(f"there is no alert {unknown[0]}")
    # Not copied deeply: with what Ansible gives, that would copy Ansible's engine of templates, too.
    groups = [
        {
            **group,
            "rules": [
                _overridden(rule, overrides.get(rule.get("alert"), {}), runbook_url)
                for rule in group["rules"]
                if overrides.get(rule.get("alert"), {}) is not None
            ],
        }
        for group in document["groups"]
    ]
    return {**document, "groups": [group for group in groups if group["rules"]]}


def _overridden(rule: Config, change: Mapping[str, Any], runbook_url: str) -> Config:
    if "alert" not in rule:
        return rule
    unknown = sorted(set(change) - {"annotations", "expr", "for", "labels"})
    if unknown:
        raise MonitoringError(f"{rule['alert']}: {unknown[0]} cannot be changed; use annotations, expr, for or labels")
    annotations = {**rule["annotations"], "runbook_url": f"{runbook_url.rstrip('/')}/{rule['alert']}.md"}
    merged = {**rule, **change}
    merged["labels"] = {**rule["labels"], **(change.get("labels") or {})}
    merged["annotations"] = {**annotations, **(change.get("annotations") or {})}
    return merged


def minio_metrics_token(access_key: str, secret_key: str) -> str:
    """The bearer token by which MinIO tells its metrics: a JSON web token that the user's own key signs."""
    if not access_key or len(secret_key) < 8 or not re.fullmatch(r"[!-~]+", access_key):
        raise MonitoringError("the token of MinIO's metrics needs an access key and a secret key of 8 characters")
    header = {"alg": "HS512", "typ": "JWT"}
    claims = {"exp": _TOKEN_EXPIRY, "iss": "prometheus", "sub": access_key}
    text = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    signature = hmac.new(secret_key.encode(), text.encode(), hashlib.sha512).digest()
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
