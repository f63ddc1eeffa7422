# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight one by one; the whole is tested with the table of bad inputs (action/test_preflight.py)."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils import _preflight as rules
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_contract as contracts
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_groups as topology
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_hosts as machines
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_secrets as secrets
from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem

PROBE: dict[str, t.Any] = {
    "distribution": "debian",
    "distribution_version": "12",
    "free_mb": {"/": 100, "/srv": 9000, "/srv/minio": 5000},
    "memory_mb": 900,
    "listeners": [],
}

TEST_DOMAINS: list[tuple[str, bool]] = [
    ("mlflow.example.com", True),
    ("a-b.example", True),
    ("1.example.com", True),
    ("xn--bcher-kva.example", True),
    ("", False),
    ("mlflow", False),
    ("localhost", False),
    ("mlflow.example.com.", False),
    ("mlflow.example.com\n", False),
    ("-a.example.com", False),
    ("a..example.com", False),
    ("mlflow.example.com:8443", False),
    ("user@example.com", False),
    ("::1", False),
    ("10.0.0.1", False),
    ("10.0.0.256", False),
    ("a" * 64 + ".example.com", False),
    ("a." * 127 + "example", False),
]


@pytest.mark.parametrize(("domain", "good"), TEST_DOMAINS)
def test_domains(domain: str, good: bool) -> None:
    assert (not list(contracts.check_domain({"platform_domain": domain}))) is good


TEST_NAMES: list[tuple[dict[str, str], list[str]]] = [
    ({"platform_database": "mlflow", "platform_auth_database": "mlflow_auth"}, []),
    ({"platform_database": "a" * 64}, ["platform_database"]),
    ({"platform_database": "template1"}, ["platform_database"]),
    ({"platform_database": "1a"}, ["platform_database"]),
    ({"platform_database": "a", "platform_auth_database": "a"}, ["platform_auth_database"]),
    ({"platform_database_user": "pg_monitor"}, ["platform_database_user"]),
    ({"platform_database_owner": "o", "platform_exporter_user": "o"}, ["platform_exporter_user"]),
    ({"platform_database": "a", "platform_keycloak_database": "a"}, ["platform_keycloak_database"]),
    ({"platform_database_user": "u", "platform_keycloak_database_user": "u"}, ["platform_keycloak_database_user"]),
    ({"platform_bucket": "ml.flow-1"}, []),
    ({"platform_bucket": "ml..flow"}, ["platform_bucket"]),
    ({"platform_bucket": "192.168.0.1"}, ["platform_bucket"]),
    ({"platform_bucket": "ab"}, ["platform_bucket"]),
    ({"platform_bucket": "xn--mlflow"}, ["platform_bucket"]),
]


@pytest.mark.parametrize(("contract", "expected"), TEST_NAMES)
def test_names(contract: dict[str, str], expected: list[str]) -> None:
    assert [problem.variable for problem in contracts.check_names(contract)] == expected


TEST_WEAK: list[tuple[str, bool]] = [
    ("Jq8vW2nT5yB1rK7mZ4xC", False),
    ("correct horse battery staple", False),
    ("", True),
    ("Jq8vW2nT5yB1rK7", True),
    ("minioadmin", True),
    ("Passw0rd!Passw0rd!", True),
    ("admin-admin-admin-1234", True),
    ("1234567812345678", False),
    ("abababababababababab", True),
    ("Jq8vW2nT5yB1\trK7mZ4xC", True),
]


@pytest.mark.parametrize(("value", "weak"), TEST_WEAK)
def test_secrets(value: str, weak: bool) -> None:
    assert bool(list(secrets.check_secrets({"platform_x_password": value}))) is weak


def test_secrets_that_a_variable_holds_by_name() -> None:
    strong = "Jq8vW2nT5yB1rK7mZ4xC"
    contract = {
        "platform_a_password": strong,
        "platform_x_secrets": {"one": strong, "two": "short", "three": strong[::-1]},
    }
    assert [(problem.variable, problem.problem) for problem in secrets.check_secrets(contract)] == [
        ("platform_x_secrets.one", "has the same value as platform_a_password."),
        ("platform_x_secrets.two", "is shorter than 16 characters."),
    ]
    assert strong[::-1] not in secrets.scrub(f"it is {strong[::-1]}", [contract])


def test_secrets_of_keycloak_are_needed_where_it_is() -> None:
    contract = {"platform_keycloak_admin_password": "", "platform_x_password": "Jq8vW2nT5yB1rK7mZ4xC"}
    assert not list(secrets.check_secrets(contract))
    found = secrets.check_secrets({**contract, "platform_keycloak_hosts": ["h"]})
    assert [problem.variable for problem in found] == ["platform_keycloak_admin_password"]
    assert "platform_keycloak_admin_password" in secrets.secret_names(contract)


def test_the_token_of_the_object_stores_log_is_needed_with_its_console() -> None:
    contract = {"platform_audit_webhook_token": "", "platform_audit_hosts": ["h"]}
    assert not list(secrets.check_secrets(contract))
    found = secrets.check_secrets({**contract, "minio_console_enabled": True})
    assert [problem.variable for problem in found] == ["platform_audit_webhook_token"]


@given(st.binary(min_size=32, max_size=32))
def test_any_key_of_32_bytes_is_good(key: bytes) -> None:
    value = base64.b64encode(key).decode()
    assert not list(secrets.check_secrets({"platform_minio_kms_key": value}))
    assert not list(secrets.check_secrets({"platform_mlflow_webhook_key": value.replace("+", "-").replace("/", "_")}))


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=64))
def test_problems_never_hold_the_secret(text: str) -> None:
    # No word of a message, which Hypothesis would try.
    value = f"~#{text}"
    contract = {"platform_a_password": value, "platform_b_password": value, "platform_minio_kms_key": value}
    problems = list(secrets.check_secrets(contract))
    assert len(problems) >= 2
    assert not any(value in problem.problem + problem.remedy for problem in problems)


SPEC = Path(__file__).resolve().parents[4] / "roles" / "platform" / "meta" / "argument_specs.yml"
OPTIONS = yaml.safe_load(SPEC.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(["mlflow", "minio", "name"]) | st.text(), values, max_size=3)
    ),
)


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)), VALUES, max_size=6))
def test_no_input_breaks_a_rule(contract: dict[str, t.Any]) -> None:
    groups = {name: ["h"] for name in ("all", *topology.TIERS)}
    look = rules.Look(groups, {"h": contract}, {"platform": OPTIONS}, probes={"h": {**PROBE, "clock_lead": [0, 1]}})
    report = rules.render(rules.find_problems(look), ["h"])
    assert report.startswith("Preflight found ")


def test_the_least_number_of_connections_is_enough() -> None:
    groups = {"mlflow": ["a", "b"]}
    problem = next(iter(contracts.check_connections({"platform_max_connections": 1}, groups)))
    least = int(problem.remedy.split()[-1].rstrip("."))
    assert not list(contracts.check_connections({"platform_max_connections": least}, groups))
    assert list(contracts.check_connections({"platform_max_connections": least - 1}, groups))


def test_keycloak_has_its_part_of_the_connections() -> None:
    contract = {"platform_max_connections": 1, "platform_keycloak_connections": 20}
    groups = {"mlflow": ["a"], "keycloak": ["a", "b"]}
    least = [
        int(next(iter(contracts.check_connections(contract, tiers))).remedy.split()[-1].rstrip("."))
        for tiers in (groups, {"mlflow": ["a"]})
    ]
    assert least[0] - least[1] == 40


def test_what_every_tier_must_agree_on_has_one_value() -> None:
    hosts = {
        "a": {"platform_domain": "a.example", "platform_x_password": "first", "platform_tls_directory": "/a"},
        "b": {"platform_domain": "b.example", "platform_x_password": "second", "platform_tls_directory": "/b"},
    }
    found = {problem.variable: problem.problem for problem in rules.check_agreement(hosts)}
    assert found == {
        "platform_domain": "differs between hosts (a.example, b.example).",
        "platform_x_password": "differs between hosts.",
    }


def test_the_same_problem_of_several_hosts_is_one() -> None:
    problems = [Problem("x", "is wrong.", "correct it.", (host,)) for host in ("a", "b")]
    merged = rules.merge(problems)
    assert [problem.hosts for problem in merged] == [("a", "b")]
    assert "x (every host): is wrong." in rules.render(merged, ["a", "b"])
    assert "x (a, b): is wrong." in rules.render(merged, ["a", "b", "c"])


def test_the_last_guard_removes_a_secret() -> None:
    contract = {"platform_x_password": "Jq8vW2nT5yB1rK7mZ4xC", "platform_y_password": "password"}
    text = secrets.scrub("platform_x_password is Jq8vW2nT5yB1rK7mZ4xC", [contract])
    assert text == "platform_x_password is ********"


TEST_CYCLES: list[tuple[str, list[str]]] = [
    ("[a:children]\nb\n[b:children]\nc\n[c]\nhost", []),
    ("[a:children]\na", ["a", "a"]),
    ("[x:children]\na\n# note\n[a:children]\nb ; note\n[b:children]\na", ["a", "b", "a"]),
    ("[a:vars]\na=1\n[a]\nb", []),
]


@pytest.mark.parametrize(("inventory", "expected"), TEST_CYCLES)
def test_cycles(inventory: str, expected: list[str]) -> None:
    assert topology.find_cycle(topology.children_in_ini(inventory)) == expected


def test_a_tier_that_mlflow_does_without_may_be_empty() -> None:
    groups = {"all": ["h"], "mlflow": ["h"], "nginx_tls": ["h"], "minio": ["h"]}
    assert [problem.variable for problem in topology.check_groups(groups)] == ["group postgres"]
    other_database = {"mlflow_backend_store_uri": "sqlite:////var/lib/mlflow/mlflow.db"}
    assert not list(topology.check_groups(groups, [other_database]))
    assert topology.not_needed({"mlflow_artifact_destination": "gs://bucket"}) == {"minio"}
    assert topology.not_needed({"mlflow_artifact_destination": "s3://bucket"}) == set()


TEST_SIGN_ON: list[tuple[str, list[str], list[str]]] = [
    ("basic", [], []),
    ("basic", ["h"], []),
    ("oidc", ["h"], []),
    ("oidc", [], ["group keycloak"]),
]


@pytest.mark.parametrize(("auth", "hosts", "expected"), TEST_SIGN_ON)
def test_single_sign_on_needs_keycloak(auth: str, hosts: list[str], expected: list[str]) -> None:
    groups = {"all": ["h"], **{tier: ["h"] for tier in topology.TIERS}, "keycloak": hosts}
    found = list(topology.check_groups(groups, [{"platform_auth": auth}]))
    assert [problem.variable for problem in found] == expected
    assert all("choose basic" in problem.remedy for problem in found)


TEST_RELEASES: list[tuple[str, list[str], int]] = [
    ("12", ["mlflow"], 0),
    ("12", ["keycloak"], 1),
    ("13", ["keycloak"], 0),
    # Said already, by the rule about distributions.
    ("11", ["keycloak"], 0),
]


@pytest.mark.parametrize(("release", "groups", "expected"), TEST_RELEASES)
def test_releases(release: str, groups: list[str], expected: int) -> None:
    assert len(list(machines.check_release("h", {**PROBE, "distribution_version": release}, groups))) == expected


TEST_NAMES_NEEDED: list[tuple[str, str, list[str]]] = [
    ("keycloak", "tls", ["db"]),
    ("mlflow", "tls", ["db", "sso", "store"]),
    ("nginx_tls", "tls", ["app", "sso"]),
    ("nginx_tls", "unix", ["sso"]),
    ("postgres", "tls", []),
]


@pytest.mark.parametrize(("tier", "transport", "expected"), TEST_NAMES_NEEDED)
def test_names_that_a_tier_connects_to(tier: str, transport: str, expected: list[str]) -> None:
    hosts = {"postgres": ["db"], "minio": ["store"], "keycloak": ["sso"], "mlflow": ["app"]}
    probe = {"unresolved": ["db", "store", "sso", "app"]}
    found = machines.check_resolution("h", probe, [tier], hosts, {"platform_mlflow_transport": transport})
    assert [problem.variable for problem in found] == [f"host {name}" for name in expected]


def test_names_that_are_loopback_elsewhere() -> None:
    probe = {"loopback": ["h", "db"]}
    problems = list(machines.check_resolution("h", probe, ["postgres"], {"mlflow": ["db"]}, {}))
    assert [(problem.variable, problem.hosts) for problem in problems] == [("host db", ("h",))]
    assert "/etc/hosts of h" in problems[0].remedy


def listener(port: int, *units: str, user: str = "root") -> dict[str, t.Any]:
    return {"port": port, "processes": [], "units": list(units), "user": user}


TEST_LISTENERS: list[tuple[dict[str, t.Any], int]] = [
    (listener(5432, "postgresql@17-main.service"), 0),
    (listener(5432, user="postgres"), 0),
    (listener(5432, "mysqld.service"), 1),
    (listener(443, "nginx.service"), 0),
    (listener(443, "apache2.service"), 1),
    (listener(5000, "apache2.service"), 0),
    (listener(22, "ssh.service"), 0),
]


@pytest.mark.parametrize(("seen", "expected"), TEST_LISTENERS)
def test_listeners(seen: dict[str, t.Any], expected: int) -> None:
    contract = {"platform_postgres_port": 5432, "platform_mlflow_rest_port": 5000, "platform_mlflow_transport": "unix"}
    probe = {**PROBE, "listeners": [seen]}
    found = list(machines.check_listeners("h", probe, ["postgres", "mlflow", "nginx_tls"], contract))
    assert len(found) == expected


def test_disk_is_that_of_the_mount_below_the_data() -> None:
    assert not list(machines.check_disk("h", PROBE, ["minio"], {"minio_drives": ["/srv/minio/data"]}))
    assert not list(machines.check_disk("h", PROBE, ["minio"], {"minio_drives": ["/srv/miniother"]}))
    assert list(machines.check_disk("h", PROBE, ["minio"], {"minio_drives": ["/data"]}))


def test_memory_is_summed_over_the_tiers() -> None:
    assert not list(machines.check_memory("h", PROBE, ["postgres"], {}))
    assert list(machines.check_memory("h", PROBE, ["postgres", "minio"], {}))
    lower = {"platform_minimum_memory_mb": {"postgres": 256}}
    assert not list(machines.check_memory("h", PROBE, ["postgres", "minio"], lower))


TEST_CLOCKS: list[tuple[dict[str, tuple[float, float]], int]] = [
    ({"a": (-0.5, 0.2)}, 0),
    ({"a": (-9.0, 0.2)}, 0),
    ({"a": (6.0, 6.5)}, 1),
    ({"a": (-7.0, -6.0)}, 1),
    ({"a": (3.0, 3.2), "b": (-3.2, -3.0)}, 1),
]


@pytest.mark.parametrize(("leads", "expected"), TEST_CLOCKS)
def test_clocks(leads: dict[str, tuple[float, float]], expected: int) -> None:
    probes = {host: {"clock_lead": lead} for host, lead in leads.items()}
    assert len(list(machines.check_clocks(probes))) == expected


TEST_MACHINES: list[tuple[dict[str, str], dict[str, str], int]] = [
    ({"machine_id": "1", "address": "10.0.0.1"}, {"machine_id": "1", "address": "10.0.0.1"}, 1),
    ({"machine_id": "1", "address": "10.0.2.15"}, {"machine_id": "2", "address": "10.0.2.15"}, 0),
    ({"machine_id": "1", "address": "10.0.0.1"}, {"machine_id": "1", "address": "10.0.0.2"}, 0),
    ({"machine_id": "", "address": ""}, {"machine_id": "", "address": ""}, 0),
]


@pytest.mark.parametrize(("first", "second", "expected"), TEST_MACHINES)
def test_machines(first: dict[str, str], second: dict[str, str], expected: int) -> None:
    assert len(list(machines.check_identities({"a": first, "b": second}))) == expected


def test_a_host_that_was_not_looked_at_has_a_reason() -> None:
    probes = {"a": {"unreachable": True}, "b": {"failed": True, "msg": "no python"}}
    found = machines.check_hosts({}, {}, probes)
    assert [problem.problem for problem in found] == ["cannot be reached.", "cannot be looked at: no python"]
