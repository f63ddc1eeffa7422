# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from identity_material import DOCUMENT, config
from mlops_identity.config import ENVIRONMENT_VARIABLE, OIDC_ONLY, ConfigError, load, origin, parse

BASIC = {key: value for key, value in DOCUMENT.items() if key not in OIDC_ONLY} | {"mode": "basic"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"mode": "saml"}, "mode must be oidc or basic"),
    ({"mode": None}, "mode must be oidc or basic"),
    ({"platform_name": 7}, "platform_name must be a text"),
    ({"admin_groups": "mlflow-admins"}, "admin_groups must be a list"),
    ({"admin_groups": [1]}, "admin_groups must be a text"),
    ({"group_roles": ["team-a"]}, "group_roles must map"),
    ({"group_roles": {"team-a": "scientist"}}, "group_roles.team-a must be a list"),
    ({"introspection_seconds": 0}, "introspection_seconds must be a number"),
    ({"introspection_seconds": -1}, "introspection_seconds must be a number"),
    ({"introspection_seconds": 3601}, "introspection_seconds must be a number"),
    ({"session_check_seconds": "5"}, "session_check_seconds must be a number"),
    ({"session_check_seconds": True}, "session_check_seconds must be a number"),
    ({"rights_cache_seconds": None}, "rights_cache_seconds must be a number"),
    ({"fast_calls": "yes"}, "fast_calls must be true or false"),
    ({"fast_calls": 1}, "fast_calls must be true or false"),
    ({"issuer": "http://mlflow.example.com/sso/realms/mlops"}, "issuer must be an https URL"),
    ({"issuer": DOCUMENT["issuer"] + "/"}, "issuer must be an https URL"),
    ({"public_url": "mlflow.example.com"}, "public_url must be an https URL"),
    ({"public_url": "https:///x"}, "public_url must be an https URL"),
    ({"public_url": "https://mlflow.example.com?x=1"}, "public_url must be an https URL"),
    ({"public_url": "https://mlflow.example.com#x"}, "public_url must be an https URL"),
    ({"keycloak_urls": ["http://kc1:8080/sso"]}, "keycloak_urls must be an https URL"),
    ({"keycloak_urls": []}, "mode oidc needs: keycloak_urls"),
    ({"client_secret": "", "realm": ""}, "mode oidc needs: realm, client_secret"),
    ({"session_key": "short"}, "session_key must have 32 characters"),
    ({"colour": "blue", "taste": "sweet"}, "unknown keys: colour, taste"),
]


def test_a_good_document() -> None:
    read = config()
    assert read.known_groups == {"mlflow-admins", "governance", "data-scientists", "team-a", "guests"}
    assert read.managed_roles == {"scientist", "team-a"}
    assert read.roles_of(frozenset({"team-a", "guests", "choir"})) == {"scientist", "team-a"}
    assert read.public_origin == "https://mlflow.example.com"
    assert "secret of the client" not in repr(read)
    assert read.session_key not in repr(read)


def test_basic_needs_nothing_of_keycloak() -> None:
    assert parse(BASIC).issuer == ""


@pytest.mark.parametrize(("changes", "word"), BAD)
def test_bad_documents(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        parse({**DOCUMENT, **changes})


@pytest.mark.parametrize("key", ["mode", "platform_name", "group_roles", "admin_groups", "contact"])
def test_missing_keys(key: str) -> None:
    with pytest.raises(ConfigError, match=f"missing keys: {key}"):
        parse({name: value for name, value in DOCUMENT.items() if name != key})


@pytest.mark.parametrize("document", [[], "text", None])
def test_no_object(document: Any) -> None:
    with pytest.raises(ConfigError, match="JSON object"):
        parse(document)


def test_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=ENVIRONMENT_VARIABLE):
        load()
    path = tmp_path / "identity.json"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(path))
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        load()
    path.write_text("{")
    with pytest.raises(ConfigError, match="JSONDecodeError"):
        load()
    path.write_text(json.dumps({**DOCUMENT, "mode": "saml"}))
    with pytest.raises(ConfigError, match=r"identity\.json: mode must be"):
        load()
    path.write_text(json.dumps(DOCUMENT))
    assert load() == config()
    assert load(str(path)) == config()


def test_origin() -> None:
    assert origin("https://mlflow.example.com:8443/sso/realms/mlops") == "https://mlflow.example.com:8443"
