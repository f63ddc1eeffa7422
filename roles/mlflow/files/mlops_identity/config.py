# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration, a JSON file that the role writes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

ENVIRONMENT_VARIABLE = "MLOPS_IDENTITY_CONFIG"
SESSION_KEY_CHARACTERS = 32
OIDC_ONLY = (
    "issuer",
    "keycloak_urls",
    "realm",
    "ca_file",
    "client_id",
    "client_secret",
    "token_client_id",
    "audience",
    "session_key",
)


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key."""


@dataclass(frozen=True)
class Config:
    """What is configured. The groups named in it are those that may come in; all others are refused."""

    mode: Literal["oidc", "basic"]
    platform_name: str
    public_url: str
    contact: str
    admin_groups: frozenset[str]
    governance_groups: frozenset[str]
    group_roles: Mapping[str, tuple[str, ...]]
    issuer: str = ""
    keycloak_urls: tuple[str, ...] = ()
    realm: str = ""
    ca_file: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_client_id: str = ""
    audience: str = ""
    session_key: str = field(default="", repr=False)
    introspection_seconds: float = 30
    session_check_seconds: float = 5
    rights_cache_seconds: float = 5
    fast_calls: bool = True

    @cached_property
    def known_groups(self) -> frozenset[str]:
        """The groups that mean something here."""
        return self.admin_groups | self.governance_groups | frozenset(self.group_roles)

    @cached_property
    def managed_roles(self) -> frozenset[str]:
        """The MLflow roles that groups give and take."""
        return frozenset(role for roles in self.group_roles.values() for role in roles)

    @cached_property
    def public_origin(self) -> str:
        """What a browser writes into `Origin` when it is on our pages."""
        return origin(self.public_url)

    def roles_of(self, groups: frozenset[str]) -> frozenset[str]:
        """Return the MLflow roles that these groups give."""
        return frozenset(role for group in groups for role in self.group_roles.get(group, ()))


def origin(url: str) -> str:
    """Return the origin of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{key} must be a text")
    return value


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{key} must be a list of texts")
    return tuple(_text(key, item) for item in value)


def _groups(key: str, value: Any) -> frozenset[str]:
    return frozenset(_texts(key, value))


def _group_roles(key: str, value: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ConfigError(f"{key} must map a group to a list of MLflow roles")
    return {group: _texts(f"{key}.{group}", roles) for group, roles in value.items()}


def _seconds(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
        raise ConfigError(f"{key} must be a number of seconds above 0, 3600 at most")
    return float(value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{key} must be true or false")
    return value


def _mode(key: str, value: Any) -> str:
    if value not in ("oidc", "basic"):
        raise ConfigError(f"{key} must be oidc or basic")
    return str(value)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "mode": _mode,
    "admin_groups": _groups,
    "governance_groups": _groups,
    "group_roles": _group_roles,
    "keycloak_urls": _texts,
    "introspection_seconds": _seconds,
    "session_check_seconds": _seconds,
    "rights_cache_seconds": _seconds,
    "fast_calls": _flag,
}


def _check_keys(document: Mapping[str, Any]) -> None:
    known = {item.name for item in fields(Config)}
    required = {item.name for item in fields(Config) if item.default is MISSING}
    if unknown := sorted(set(document) - known):
        raise ConfigError(f"unknown keys: {', '.join(unknown)}")
    if missing := sorted(required - set(document)):
        raise ConfigError(f"missing keys: {', '.join(missing)}")


def _check_url(key: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment or url.endswith("/"):
        raise ConfigError(f"{key} must be an https URL with no query and no slash at its end")


def _check_oidc(config: Config) -> None:
    if missing := [key for key in OIDC_ONLY if not getattr(config, key)]:
        raise ConfigError(f"mode oidc needs: {', '.join(missing)}")
    for key, url in [("public_url", config.public_url), ("issuer", config.issuer)]:
        _check_url(key, url)
    for url in config.keycloak_urls:
        _check_url("keycloak_urls", url)
    if len(config.session_key) < SESSION_KEY_CHARACTERS:
        raise ConfigError(f"session_key must have {SESSION_KEY_CHARACTERS} characters or more")


def parse(document: Any) -> Config:
    """Return the configuration that a document says, or raise ConfigError."""
    if not isinstance(document, dict):
        raise ConfigError("the configuration must be a JSON object")
    _check_keys(document)
    values: dict[str, Any] = {}
    for key, value in document.items():
        reader: Callable[[str, Any], Any] = _READERS.get(key, _text)
        values[key] = reader(key, value)
    config = Config(**values)
    if config.mode == "oidc":
        _check_oidc(config)
    return config


def load(path: str | None = None) -> Config:
    """Read the file named by the environment, or this one."""
    source = path or os.environ.get(ENVIRONMENT_VARIABLE)
    if not source:
        raise ConfigError(f"the environment variable {ENVIRONMENT_VARIABLE} names no file")
    try:
        return parse(json.loads(Path(source).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{source} cannot be read as JSON: {type(error).__name__}") from error
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
