# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection strings for libpq, SQLAlchemy and pgjdbc. Private to this collection.

One rule of encoding serves all three parsers: everything outside RFC 3986's unreserved set is
percent-encoded. A space is never written as `+` (libpq would keep it) and a plus sign never bare
(SQLAlchemy's query and pgjdbc would read a space).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

POSTGRES_PORT = 5432
MYSQL_PORT = 3306
# NAMEDATALEN - 1: PostgreSQL refuses or cuts longer names of users and databases.
POSTGRES_NAME_BYTES = 63

SQLALCHEMY_DRIVERS = ("postgresql+psycopg2", "postgresql+psycopg", "mysql+pymysql", "sqlite")

# A host that falls silent is noticed after these; without them a pooled connection hangs for minutes.
# With one host the client can only wait for it, so patience costs nothing; with several the next one is ready.
LIBPQ_ONE_HOST = {
    "connect_timeout": "10",
    "keepalives_count": "3",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "tcp_user_timeout": "30000",
}
LIBPQ_SEVERAL_HOSTS = {
    "connect_timeout": "2",
    "keepalives_count": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "tcp_user_timeout": "3000",
}
JDBC_ONE_HOST = {"connectTimeout": "10", "tcpKeepAlive": "true"}
# pgjdbc cannot set TCP_USER_TIMEOUT: only socketTimeout ends the wait for a silent host.
JDBC_SEVERAL_HOSTS = {
    "connectTimeout": "2",
    "hostRecheckSeconds": "2",
    "loginTimeout": "8",
    "socketTimeout": "60",
    "tcpKeepAlive": "true",
}
PYMYSQL_DEFAULTS = {"charset": "utf8mb4", "connect_timeout": "10"}

# libpq's names of parameters and what pgjdbc calls them.
JDBC_NAMES = {
    "application_name": "ApplicationName",
    "channel_binding": "channelBinding",
    "connect_timeout": "connectTimeout",
    "gssencmode": "gssEncMode",
    "keepalives": "tcpKeepAlive",
    "sslnegotiation": "sslNegotiation",
    "target_session_attrs": "targetServerType",
}
JDBC_SERVER_TYPES = {
    "any": "any",
    "prefer-standby": "preferSecondary",
    "primary": "primary",
    "read-only": "secondary",
    "read-write": "primary",
    "standby": "secondary",
}

DESCRIPTION_KEYS = ("database", "hosts", "options", "password", "port", "user")
# Options that the other keys of the description already set.
OPTION_OWNERS = {
    "database": "database",
    "dbname": "database",
    "host": "hosts",
    "hostaddr": "hosts",
    "password": "password",
    "port": "port",
    "user": "user",
    "username": "user",
}

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_OPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")


class UriError(ValueError):
    """A description that gives no URI. The message names the key and never a secret."""


@dataclass(frozen=True)
class Host:
    """A server: a name, an IPv4 or IPv6 address, or the directory of a Unix socket."""

    name: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.name

    @property
    def is_socket(self) -> bool:
        return self.name.startswith("/")

    @property
    def authority(self) -> str:
        """`name:port` as it is written between `//` and `/`."""
        if self.is_socket:
            return f"{quote(self.name, safe='')}:{self.port}"
        return f"[{self.name}]:{self.port}" if self.is_ipv6 else f"{self.name}:{self.port}"


@dataclass(frozen=True, repr=False)
class Target:
    """A checked description. No repr: it holds the password."""

    hosts: tuple[Host, ...]
    user: str
    password: str
    database: str
    options: dict[str, str]

    @property
    def credentials(self) -> str:
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return f"{quote(self.user, safe='')}{password}@"


def postgres_uri(description: object, keepalive: bool = True) -> str:
    """Return a URI for libpq: `postgresql://user:password@a:5432,b:5432/database?...`."""
    target = _postgres_target(description)
    options = _libpq_options(target, keepalive)
    servers = ",".join(host.authority for host in target.hosts)
    return f"postgresql://{target.credentials}{servers}/{quote(target.database, safe='')}{_query(options.items())}"


def sqlalchemy_uri(description: object, driver: str = "postgresql+psycopg2", keepalive: bool = True) -> str:
    """Return a URL for SQLAlchemy, the driver always written."""
    if driver not in SQLALCHEMY_DRIVERS:
        raise UriError(
            f"driver: {driver!r} is not supported; use one of {', '.join(SQLALCHEMY_DRIVERS)} "
            "(a bare 'postgresql' means another driver in each major version of SQLAlchemy)"
        )
    if driver == "sqlite":
        return _sqlite_uri(description)
    if driver == "mysql+pymysql":
        return _mysql_uri(description, keepalive)
    target = _postgres_target(description)
    options = list(_libpq_options(target, keepalive).items())
    return f"{driver}://{target.credentials}{_sqlalchemy_servers(target, options)}"


def jdbc_uri(description: object, keepalive: bool = True) -> str:
    """Return a URL for pgjdbc, without user and password: those are properties of their own."""
    target = _postgres_target(description, user_required=False)
    if any(host.is_socket for host in target.hosts):
        raise UriError("hosts: pgjdbc does not speak over a Unix socket; give a host name or an address")
    options = _jdbc_options(target.options)
    several = len(target.hosts) > 1
    if keepalive:
        options = {**(JDBC_SEVERAL_HOSTS if several else JDBC_ONE_HOST), **options}
    if several:
        options.setdefault("targetServerType", "primary")
    servers = ",".join(host.authority for host in target.hosts)
    return f"jdbc:postgresql://{servers}/{quote(target.database, safe='')}{_query(options.items())}"


def _sqlalchemy_servers(target: Target, options: list[tuple[str, str]]) -> str:
    """Everything behind the credentials, in the form that SQLAlchemy understands for these hosts."""
    database = quote(target.database, safe="")
    first = target.hosts[0]
    if len(target.hosts) == 1 and not first.is_socket:
        return f"{first.authority}/{database}{_query(options)}"
    if any(host.is_ipv6 or host.is_socket for host in target.hosts):
        # `host=name:port` is split at each colon, so these need the form of two lists.
        servers = [
            ("host", ",".join(host.name for host in target.hosts)),
            ("port", ",".join(str(host.port) for host in target.hosts)),
        ]
    else:
        servers = [("host", host.authority) for host in target.hosts]
    return f"/{database}{_query(options, first=servers)}"


def _mysql_uri(description: object, keepalive: bool) -> str:
    target = _target(description, MYSQL_PORT)
    if len(target.hosts) > 1:
        raise UriError("hosts: 'mysql+pymysql' connects to one host; name one")
    if target.hosts[0].is_socket:
        raise UriError("hosts: a Unix socket is not supported with 'mysql+pymysql'; give a host name or an address")
    options = {**(PYMYSQL_DEFAULTS if keepalive else {}), **target.options}
    server = target.hosts[0].authority
    return f"mysql+pymysql://{target.credentials}{server}/{quote(target.database, safe='')}{_query(options.items())}"


def _sqlite_uri(description: object) -> str:
    source = _mapping(description)
    for key in ("hosts", "password", "port", "user"):
        if source.get(key):
            raise UriError(f"{key}: has no meaning for 'sqlite'; leave it out")
    path = _text(source, "database")
    if not path.startswith("/"):
        raise UriError("database: 'sqlite' needs the absolute path of its file, such as /var/lib/mlflow/mlflow.db")
    return f"sqlite:///{quote(path, safe='/')}{_query(_options(source).items())}"


def _libpq_options(target: Target, keepalive: bool) -> dict[str, str]:
    several = len(target.hosts) > 1
    options = dict(target.options)
    if keepalive:
        options = {**(LIBPQ_SEVERAL_HOSTS if several else LIBPQ_ONE_HOST), **options}
    if several:
        # Otherwise the first host that answers is taken, and that may be a replica.
        options.setdefault("target_session_attrs", "read-write")
    return options


def _jdbc_options(options: Mapping[str, str]) -> dict[str, str]:
    """Translate libpq's names; pgjdbc's own camelCase names pass."""
    result: dict[str, str] = {}
    for name, value in options.items():
        if "_" in name and name not in JDBC_NAMES:
            raise UriError(f"options.{name}: pgjdbc has no such parameter; leave it out or use pgjdbc's own name")
        translated = JDBC_NAMES.get(name, name)
        if translated in result:
            raise UriError(f"options.{name}: is given twice, also by another name; keep one of them")
        result[translated] = _jdbc_value(name, value)
    return result


def _jdbc_value(name: str, value: str) -> str:
    if name == "target_session_attrs":
        if value not in JDBC_SERVER_TYPES:
            known = ", ".join(sorted(JDBC_SERVER_TYPES))
            raise UriError(f"options.{name}: {value!r} is not known; use one of {known}")
        return JDBC_SERVER_TYPES[value]
    if name == "keepalives":
        return "false" if value == "0" else "true"
    return value


def _postgres_target(description: object, user_required: bool = True) -> Target:
    target = _target(description, POSTGRES_PORT, user_required)
    for key, value in (("user", target.user), ("database", target.database)):
        if len(value.encode()) > POSTGRES_NAME_BYTES:
            raise UriError(f"{key}: is longer than the {POSTGRES_NAME_BYTES} bytes that PostgreSQL allows; shorten it")
    return target


def _target(description: object, default_port: int, user_required: bool = True) -> Target:
    source = _mapping(description)
    port = source.get("port")
    return Target(
        hosts=_hosts(source.get("hosts"), default_port if port is None else _port("port", port)),
        user=_text(source, "user", required=user_required),
        password=_text(source, "password", required=False),
        database=_text(source, "database"),
        options=_options(source),
    )


def _mapping(description: object) -> Mapping[str, Any]:
    if not isinstance(description, Mapping):
        raise UriError(f"the description must be a dictionary with the keys {', '.join(DESCRIPTION_KEYS)}")
    unknown = sorted(str(key) for key in description if key not in DESCRIPTION_KEYS)
    if unknown:
        raise UriError(f"{unknown[0]}: is not a key of the description; use {', '.join(DESCRIPTION_KEYS)}")
    return description


def _text(source: Mapping[str, Any], key: str, required: bool = True) -> str:
    """Return a string that every parser can carry. The value never enters a message."""
    value = source.get(key)
    if value is None or value == "":
        if required:
            raise UriError(f"{key}: is missing or empty; give a string")
        return ""
    if not isinstance(value, str):
        raise UriError(f"{key}: must be a string; quote it in YAML")
    return _encodable(key, str(value))


def _encodable(key: str, value: str) -> str:
    if "\0" in value:
        raise UriError(f"{key}: contains a NUL character, which no connection string can carry; remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        # Without its cause: that one quotes characters of the value.
        raise UriError(f"{key}: is not valid Unicode; remove the lone surrogate") from None
    return value


def _hosts(value: object, default_port: int) -> tuple[Host, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise UriError("hosts: must be a list of 'name' or 'name:port'")
    hosts = tuple(_host(entry, default_port) for entry in value)
    if not hosts:
        raise UriError("hosts: is empty; name at least one host")
    if len(set(hosts)) != len(hosts):
        raise UriError("hosts: names the same host and port twice; keep one of them")
    return hosts


def _host(entry: object, default_port: int) -> Host:
    if not isinstance(entry, str):
        raise UriError(f"hosts: {entry!r} is not a string; write 'name' or 'name:port'")
    text = str(entry)
    if text.startswith("/"):
        if "," in text:
            raise UriError(f"hosts: {text!r} has a comma, which libpq reads as the end of a host")
        return Host(_encodable("hosts", text), default_port)
    name, port = _split_port(text)
    number = default_port if port is None else _port(f"hosts: the port of {text!r}", port)
    if ":" in name:
        return Host(_ipv6(text, name), number)
    if not _HOST_NAME.fullmatch(name):
        raise UriError(f"hosts: {text!r} is not a host name or an address; write 'name' or 'name:port'")
    return Host(name, number)


def _split_port(text: str) -> tuple[str, str | None]:
    """Split `name:port`, `[address]:port`; a bare IPv6 address has no port."""
    bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::(.*))?", text)
    if bracketed:
        return bracketed.group(1), bracketed.group(2)
    if text.count(":") == 1:
        name, _colon, port = text.partition(":")
        return name, port
    return text, None


def _ipv6(text: str, name: str) -> str:
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError:
        raise UriError(f"hosts: {text!r} is not an IPv6 address; with a port write '[address]:port'") from None
    if address.scope_id is not None:
        raise UriError(f"hosts: {text!r} has a zone, which the parsers read differently; use a host name")
    return str(address)


def _port(key: str, value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise UriError(f"{key}: {value!r} is not a port; use 1 to 65535")
    return int(text)


def _options(source: Mapping[str, Any]) -> dict[str, str]:
    """Return the options as strings; those without a value are left to the driver."""
    options = source.get("options") or {}
    if not isinstance(options, Mapping):
        raise UriError("options: must be a dictionary of parameter names and values")
    result: dict[str, str] = {}
    for name, value in options.items():
        if not isinstance(name, str) or not _OPTION_NAME.fullmatch(name):
            raise UriError(f"options: {name!r} is not the name of a parameter; use letters, digits, '_' and '.'")
        if name in OPTION_OWNERS:
            raise UriError(f"options.{name}: belongs in '{OPTION_OWNERS[name]}' of the description")
        text = _option_value(name, value)
        if text:
            result[str(name)] = text
    return result


def _option_value(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (str, int, float)):
        return _encodable(f"options.{name}", str(value))
    raise UriError(f"options.{name}: must be a string, a number or a boolean")


def _query(options: Iterable[tuple[str, str]], first: Iterable[tuple[str, str]] = ()) -> str:
    """Return `?name=value&...`, sorted so that the same description always gives the same text."""
    # Slash and colon are legal in a query and keep paths and ports readable.
    pairs = [f"{name}={quote(value, safe='/:')}" for name, value in [*first, *sorted(options)]]
    return f"?{'&'.join(pairs)}" if pairs else ""
