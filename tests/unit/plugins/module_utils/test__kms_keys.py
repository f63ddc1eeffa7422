# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import ssl

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _kms_keys as keys
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_held as held

OLD = base64.b64encode(bytes(range(32))).decode()
NEW = base64.b64encode(bytes(range(1, 33))).decode()
PEM = ssl.DER_cert_to_PEM_cert(b"first")
OTHER_PEM = ssl.DER_cert_to_PEM_cert(b"second")


def test_a_fingerprint_tells_keys_and_names_apart_and_holds_neither() -> None:
    prints = {keys.kms_fingerprint(name, key) for name in ("one", "two") for key in (OLD, NEW)}
    assert len(prints) == 4
    assert keys.kept_fingerprints([*prints, "tmpabc", "x" * 16]) == sorted(prints)
    assert keys.kms_fingerprint("one", OLD) == keys.kms_fingerprint("one", OLD)


@pytest.mark.parametrize(("name", "key"), [("", OLD), ("one", ""), ("one", "***"), ("one", "abc")])
def test_no_key_has_no_fingerprint(name: str, key: str) -> None:
    assert keys.kms_fingerprint(name, key) == ""


TEST_SETTINGS: list[tuple[str, tuple[str, str] | None]] = [
    ("", None),
    ("MINIO_ROOT_USER=root\n", None),
    (f'A=1\nMINIO_KMS_SECRET_KEY="one:{OLD}"\nB=2\n', ("one", OLD)),
    (f"MINIO_KMS_SECRET_KEY='one:{OLD}'\n", ("one", OLD)),
    (f"MINIO_KMS_SECRET_KEY=one:{OLD}", ("one", OLD)),
    (f"MINIO_KMS_SECRET_KEY=one:{OLD}\nMINIO_KMS_SECRET_KEY=two:{NEW}\n", ("two", NEW)),
    (f"# MINIO_KMS_SECRET_KEY=one:{OLD}\n", None),
]


@pytest.mark.parametrize(("text", "expected"), TEST_SETTINGS)
def test_key_in_settings(text: str, expected: tuple[str, str] | None) -> None:
    assert keys.key_in_settings(text) == expected


# Wanted, in force, kept, replaces, the same store, lost.
TEST_LOST: list[tuple[str, str, list[str], str, bool, str]] = [
    ("a", "", [], "", False, ""),
    ("a", "a", [], "", True, ""),
    ("a", "", ["a"], "", False, ""),
    ("b", "a", [], "", False, "a"),
    ("b", "a", ["a", "b"], "", False, "a"),
    ("b", "", ["a"], "", False, "a"),
    ("c", "", ["a", "b"], "", False, "a, b"),
    ("b", "a", ["a"], "a", False, ""),
    ("b", "a", ["a"], "a", True, "a"),
    ("b", "a", ["a"], "z", False, "a"),
    ("b", "b", ["a", "b"], "a", True, ""),
    ("c", "b", ["a", "b"], "a", False, "b"),
    ("b", "", ["a"], "a", False, ""),
]


@pytest.mark.parametrize(("wanted", "in_force", "kept", "replaces", "same_store", "expected"), TEST_LOST)
def test_lost_key(wanted: str, in_force: str, kept: list[str], replaces: str, same_store: bool, expected: str) -> None:
    assert keys.lost_key(wanted, in_force, kept, replaces, same_store) == expected


TEST_VOLUMES: list[tuple[str, list[str], bool]] = [
    ("", ["/srv/minio"], False),
    ('MINIO_VOLUMES="/srv/minio"\n', ["/srv/minio/"], True),
    ('MINIO_VOLUMES="/srv/minio"\n', ["/srv/minio-2"], False),
    ('MINIO_VOLUMES="https://a:9000/srv/1 https://a:9000/srv/2"\n', ["/srv/2", "/srv/3"], True),
    ("MINIO_VOLUMES=/srv/1\nMINIO_VOLUMES=/srv/2\n", ["/srv/1"], False),
]


@pytest.mark.parametrize(("text", "drives", "expected"), TEST_VOLUMES)
def test_the_same_store(text: str, drives: list[str], expected: bool) -> None:
    assert keys.shared(keys.volumes(text), drives) is expected


def test_certificates() -> None:
    prints = [keys.certificate_fingerprint(text) for text in (PEM, PEM.replace("\n", "\r\n"), OTHER_PEM)]
    assert prints[0] == prints[1] == "a7937b64b8caa58f"
    assert prints[2] != prints[0]
    assert keys.certificate_fingerprint("") == keys.certificate_fingerprint("-----BEGIN CERTIFICATE-----\n*") == ""


GROUPS = {"minio": ["store"], "mlflow": ["store", "app"]}
PRINT = {text: keys.kms_fingerprint("k", text) for text in (OLD, NEW)}
CONTRACT = {"minio_kms_key_name": "k", "minio_kms_key": OLD, "platform_ca_certificate": PEM}
ON_PURPOSE = {"minio_kms_key": NEW, "platform_minio_kms_replaces": PRINT[OLD]}
STORE = {"minio_volumes": ["/srv/minio"]}
HELD = STORE | {"kms_key_fingerprint": PRINT[OLD], "authority_fingerprint": keys.certificate_fingerprint(PEM)}
ANOTHER_AUTHORITY = {"platform_ca_certificate": OTHER_PEM}

TEST_HELD: list[tuple[dict[str, object], dict[str, object], list[tuple[str, str]]]] = [
    ({}, HELD, []),
    ({}, {}, []),
    ({"minio_kms_key": NEW}, {}, []),
    ({"minio_kms_key": NEW}, HELD, [("platform_minio_kms_key", "store")]),
    ({"minio_kms_key_name": "other"}, HELD, [("platform_minio_kms_key", "store")]),
    ({"minio_kms_key": NEW}, {"kms_keys_kept": [PRINT[OLD]]}, [("platform_minio_kms_key", "store")]),
    (ON_PURPOSE, HELD, [("platform_minio_kms_key", "store")]),
    ({**ON_PURPOSE, "minio_drives": ["/srv/other"]}, HELD, []),
    ({"minio_kms_key": NEW, "platform_minio_kms_replaces": "0" * 16}, HELD, [("platform_minio_kms_key", "store")]),
    ({"minio_kms_key": ""}, HELD, []),
    (ANOTHER_AUTHORITY, HELD, [("platform_ca_certificate", "store"), ("platform_ca_certificate", "app")]),
    ({**ANOTHER_AUTHORITY, "platform_ca_replaces": HELD["authority_fingerprint"]}, HELD, []),
    (ANOTHER_AUTHORITY, {}, []),
]


@pytest.mark.parametrize(("contract", "probe", "expected"), TEST_HELD)
def test_what_hosts_hold(
    contract: dict[str, object], probe: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    hosts = ("store", "app")
    contracts = {host: {**CONTRACT, **contract} for host in hosts}
    problems = list(held.check_held(GROUPS, contracts, dict.fromkeys(hosts, probe)))
    assert [(problem.variable, problem.hosts[0]) for problem in problems] == expected
    for problem in problems:
        text = problem.problem + problem.remedy
        assert problem.hosts[0] in text
        assert "restore the secrets file" in text
        assert "_replaces: " in text
        assert OLD not in text
        assert NEW not in text
