# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import make_url

from ansible_collections.mlops.tracking.plugins.module_utils._uri import (
    LIBPQ_SEVERAL_HOSTS,
    UriError,
    jdbc_uri,
    postgres_uri,
    sqlalchemy_uri,
)

Description = dict[str, Any]

PROPERTY = settings(deadline=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
NAME = TEXT.filter(lambda text: 0 < len(text.encode()) <= 63)
# Characters with a meaning in one of the grammars, more often than chance gives them.
TRICKY = st.text("@:/?#[]%&=+ ,;'\"\\$*!~äß€😀\n", min_size=1, max_size=12)
HOST = st.sampled_from(["db1", "db2.example.com:5433", "192.0.2.7", "2001:db8::1", "[2001:db8::2]:6432", "/run/pg"])
HOSTS = st.lists(HOST, min_size=1, max_size=4, unique=True)
OPTIONS = st.dictionaries(
    st.sampled_from(["application_name", "sslmode", "sslrootcert", "connect_timeout"]), TEXT | TRICKY
)
DESCRIPTIONS = st.fixed_dictionaries(
    {"hosts": HOSTS, "user": NAME | TRICKY, "password": TEXT | TRICKY, "database": NAME | TRICKY, "options": OPTIONS}
)

EXPECTED_HOSTS = {
    "db1": ("db1", "5432"),
    "db2.example.com:5433": ("db2.example.com", "5433"),
    "192.0.2.7": ("192.0.2.7", "5432"),
    "2001:db8::1": ("2001:db8::1", "5432"),
    "[2001:db8::2]:6432": ("2001:db8::2", "6432"),
    "/run/pg": ("/run/pg", "5432"),
}


def describe(**changes: Any) -> Description:
    description = {"hosts": ["db.example.com"], "user": "mlflow", "password": "s3cret", "database": "mlflow"}
    return {**description, **changes}


def expected_parameters(description: Description, keepalive: bool = False) -> dict[str, str]:
    """What libpq must be given for a description."""
    hosts = [EXPECTED_HOSTS[host] for host in description["hosts"]]
    parameters = {"user": description["user"], "dbname": description["database"]}
    parameters["host"] = ",".join(name for name, _port in hosts)
    parameters["port"] = ",".join(port for _name, port in hosts)
    if description["password"]:
        parameters["password"] = description["password"]
    options = {name: value for name, value in description["options"].items() if value}
    several = {"target_session_attrs": "read-write"} if len(hosts) > 1 else {}
    return {**several, **parameters, **options}


@PROPERTY
@given(DESCRIPTIONS)
def test_postgres_uri_round_trips_through_libpq(description: Description) -> None:
    assert conninfo_to_dict(postgres_uri(description, keepalive=False)) == expected_parameters(description)


@PROPERTY
@given(DESCRIPTIONS)
def test_sqlalchemy_uri_round_trips_through_make_url(description: Description) -> None:
    url = make_url(sqlalchemy_uri(description, keepalive=False))
    assert url.drivername == "postgresql+psycopg2"
    assert url.username == description["user"]
    assert (url.password or "") == description["password"]
    assert url.database == description["database"]
    for name, value in description["options"].items():
        assert url.query.get(name, "") == value


@PROPERTY
@given(DESCRIPTIONS)
def test_sqlalchemy_uri_gives_the_driver_the_parameters_of_libpq(description: Description) -> None:
    url = make_url(sqlalchemy_uri(description, keepalive=False))
    for dialect in (PGDialect_psycopg2(), PGDialect_psycopg()):
        _args, parameters = dialect.create_connect_args(url)
        # psycopg2's own word for the database is older than libpq's.
        named = {"dbname" if name == "database" else name: str(value) for name, value in parameters.items()}
        assert named == expected_parameters(description)


def decode_jdbc(uri: str) -> tuple[list[str], str, dict[str, str]]:
    """Parse as pgjdbc does: split first, then java.net.URLDecoder (a plus sign is a space)."""
    location, _mark, query = uri.removeprefix("jdbc:postgresql://").partition("?")
    servers, _slash, database = location.partition("/")
    pairs = [pair.split("=", 1) for pair in query.split("&") if pair]
    return servers.split(","), unquote_plus(database), {name: unquote_plus(value) for name, value in pairs}


@PROPERTY
@given(DESCRIPTIONS)
def test_jdbc_uri_round_trips_and_holds_no_credentials(description: Description) -> None:
    description["hosts"] = [host for host in description["hosts"] if not host.startswith("/")] or ["db1"]
    servers, database, parameters = decode_jdbc(jdbc_uri(description, keepalive=False))
    assert len(servers) == len(description["hosts"])
    assert database == description["database"]
    assert parameters.get("ApplicationName", "") == description["options"].get("application_name", "")
    assert parameters.get("sslrootcert", "") == description["options"].get("sslrootcert", "")
    anonymous = {key: value for key, value in description.items() if key not in ("user", "password")}
    assert jdbc_uri(description) == jdbc_uri(anonymous)


@PROPERTY
@given(DESCRIPTIONS, st.randoms())
def test_the_order_of_options_does_not_matter(description: Description, random: Any) -> None:
    names = list(description["options"])
    random.shuffle(names)
    shuffled = {**description, "options": {name: description["options"][name] for name in names}}
    assert postgres_uri(shuffled) == postgres_uri(description)


CLUSTER = {"hosts": ["a", "b:5433"], "user": "u", "password": "p", "database": "db"}
PATIENT = "connect_timeout=10&keepalives_count=3&keepalives_idle=30&keepalives_interval=10&tcp_user_timeout=30000"
JDBC_IMPATIENT = "connectTimeout=2&hostRecheckSeconds=2&loginTimeout=8&socketTimeout=60"
KEEPALIVE = "keepalives_count=3&keepalives_idle=5&keepalives_interval=2&target_session_attrs=read-write"

TEST_URIS: list[tuple[Callable[..., str], Description, dict[str, Any], str]] = [
    (
        postgres_uri,
        describe(),
        {},
        f"postgresql://mlflow:s3cret@db.example.com:5432/mlflow?{PATIENT}",
    ),
    (
        postgres_uri,
        CLUSTER,
        {},
        f"postgresql://u:p@a:5432,b:5433/db?connect_timeout=2&{KEEPALIVE}&tcp_user_timeout=3000",
    ),
    (
        postgres_uri,
        {**CLUSTER, "options": {"connect_timeout": 7, "target_session_attrs": "any", "sslmode": None}},
        {"keepalive": False},
        "postgresql://u:p@a:5432,b:5433/db?connect_timeout=7&target_session_attrs=any",
    ),
    (
        postgres_uri,
        describe(hosts=["/run/postgresql"], password=None, port="5433"),
        {"keepalive": False},
        "postgresql://mlflow@%2Frun%2Fpostgresql:5433/mlflow",
    ),
    (
        postgres_uri,
        describe(options={"sslrootcert": "/etc/ca.crt", "keepalives": True, "gssencmode": "", "tcp_user_timeout": 1}),
        {"keepalive": False},
        "postgresql://mlflow:s3cret@db.example.com:5432/mlflow?keepalives=1&sslrootcert=/etc/ca.crt&tcp_user_timeout=1",
    ),
    (
        postgres_uri,
        describe(options={"keepalives": False}),
        {"keepalive": False},
        "postgresql://mlflow:s3cret@db.example.com:5432/mlflow?keepalives=0",
    ),
    (
        sqlalchemy_uri,
        describe(user="a+b c", password="p@/:%+", database="x/y?z"),
        {"keepalive": False},
        "postgresql+psycopg2://a%2Bb%20c:p%40%2F%3A%25%2B@db.example.com:5432/x%2Fy%3Fz",
    ),
    (
        sqlalchemy_uri,
        CLUSTER,
        {},
        f"postgresql+psycopg2://u:p@/db?host=a:5432&host=b:5433&connect_timeout=2&{KEEPALIVE}&tcp_user_timeout=3000",
    ),
    (
        sqlalchemy_uri,
        {**CLUSTER, "hosts": ["a", "::1"]},
        {"keepalive": False},
        "postgresql+psycopg2://u:p@/db?host=a%2C::1&port=5432%2C5432&target_session_attrs=read-write",
    ),
    (
        sqlalchemy_uri,
        describe(hosts=["[2001:db8:0::1]:6432"]),
        {"keepalive": False},
        "postgresql+psycopg2://mlflow:s3cret@[2001:db8::1]:6432/mlflow",
    ),
    (
        sqlalchemy_uri,
        describe(),
        {"driver": "mysql+pymysql"},
        "mysql+pymysql://mlflow:s3cret@db.example.com:3306/mlflow?charset=utf8mb4&connect_timeout=10",
    ),
    (
        sqlalchemy_uri,
        describe(options={"charset": "utf8"}),
        {"driver": "mysql+pymysql", "keepalive": False},
        "mysql+pymysql://mlflow:s3cret@db.example.com:3306/mlflow?charset=utf8",
    ),
    (
        sqlalchemy_uri,
        {"database": "/var/lib/ml flow/mlflow.db", "options": {"timeout": 20}},
        {"driver": "sqlite"},
        "sqlite:////var/lib/ml%20flow/mlflow.db?timeout=20",
    ),
    (
        jdbc_uri,
        {"hosts": ["a", "::1"], "database": "keycloak", "options": {"target_session_attrs": "prefer-standby"}},
        {},
        f"jdbc:postgresql://a:5432,[::1]:5432/keycloak?{JDBC_IMPATIENT}&targetServerType=preferSecondary&tcpKeepAlive=true",
    ),
    (
        jdbc_uri,
        describe(options={"keepalives": 0, "connect_timeout": 3, "sslmode": "verify-full"}),
        {},
        "jdbc:postgresql://db.example.com:5432/mlflow?connectTimeout=3&sslmode=verify-full&tcpKeepAlive=false",
    ),
    (
        jdbc_uri,
        describe(options={"keepalives": True, "socketTimeout": 900}),
        {"keepalive": False},
        "jdbc:postgresql://db.example.com:5432/mlflow?socketTimeout=900&tcpKeepAlive=true",
    ),
]


@pytest.mark.parametrize(("build", "description", "keywords", "expected"), TEST_URIS)
def test_uri(build: Callable[..., str], description: Description, keywords: dict[str, Any], expected: str) -> None:
    assert build(description, **keywords) == expected


def test_given_options_win_over_the_keepalive_defaults() -> None:
    options = dict.fromkeys(LIBPQ_SEVERAL_HOSTS, "77")
    parameters = conninfo_to_dict(postgres_uri({**CLUSTER, "options": options}))
    assert {name: parameters[name] for name in options} == options


def mysql(description: Any) -> str:
    return sqlalchemy_uri(description, driver="mysql+pymysql")


def sqlite(description: Any) -> str:
    return sqlalchemy_uri(description, driver="sqlite")


TEST_ERRORS: list[tuple[Callable[[Any], str], Any, str]] = [
    (postgres_uri, "postgresql://", r"^the description must be a dictionary with the keys database, hosts"),
    (postgres_uri, describe(host="a"), r"^host: is not a key of the description; use database, hosts"),
    (postgres_uri, describe(user=""), r"^user: is missing or empty"),
    (postgres_uri, describe(user=5), r"^user: must be a string"),
    (postgres_uri, describe(user="u" * 64), r"^user: is longer than the 63 bytes"),
    (postgres_uri, describe(password=12345), r"^password: must be a string; quote it in YAML$"),
    (postgres_uri, describe(password="s3cret\0"), r"^password: contains a NUL"),
    (postgres_uri, describe(password="s3cret\ud800"), r"^password: is not valid Unicode"),
    (postgres_uri, describe(database=None), r"^database: is missing or empty"),
    (postgres_uri, describe(database="ä" * 32), r"^database: is longer than the 63 bytes"),
    (postgres_uri, describe(port=0), r"^port: 0 is not a port; use 1 to 65535"),
    (postgres_uri, describe(port=True), r"^port: True is not a port"),
    (postgres_uri, describe(hosts="a"), r"^hosts: must be a list"),
    (postgres_uri, describe(hosts=None), r"^hosts: must be a list"),
    (postgres_uri, describe(hosts=[]), r"^hosts: is empty"),
    (postgres_uri, describe(hosts=[5]), r"^hosts: 5 is not a string"),
    (postgres_uri, describe(hosts=["a", "a:5432"]), r"^hosts: names the same host and port twice"),
    (postgres_uri, describe(hosts=["a b"]), r"^hosts: 'a b' is not a host name"),
    (postgres_uri, describe(hosts=["a:"]), r"^hosts: the port of 'a:': '' is not a port"),
    (postgres_uri, describe(hosts=["a:99999"]), r"^hosts: the port of 'a:99999': '99999' is not a port"),
    (postgres_uri, describe(hosts=["a,b"]), r"^hosts: 'a,b' is not a host name"),
    (postgres_uri, describe(hosts=["1:2:3"]), r"^hosts: '1:2:3' is not an IPv6 address"),
    (postgres_uri, describe(hosts=["fe80::1%eth0"]), r"^hosts: 'fe80::1%eth0' has a zone"),
    (postgres_uri, describe(hosts=["/run/a,b"]), r"^hosts: '/run/a,b' has a comma"),
    (postgres_uri, describe(options=["sslmode"]), r"^options: must be a dictionary"),
    (postgres_uri, describe(options={"a b": 1}), r"^options: 'a b' is not the name of a parameter"),
    (postgres_uri, describe(options={"dbname": "x"}), r"^options.dbname: belongs in 'database'"),
    (postgres_uri, describe(options={"sslmode": []}), r"^options.sslmode: must be a string"),
    (postgres_uri, describe(options={"sslmode": "a\0"}), r"^options.sslmode: contains a NUL"),
    (mysql, describe(hosts=["a", "b"]), r"^hosts: 'mysql\+pymysql' connects to one host"),
    (mysql, describe(hosts=["/run/mysqld"]), r"^hosts: a Unix socket is not supported"),
    (sqlite, describe(), r"^hosts: has no meaning for 'sqlite'"),
    (sqlite, {"database": "mlflow.db"}, r"^database: 'sqlite' needs the absolute path"),
    (jdbc_uri, describe(hosts=["/run/pg"]), r"^hosts: pgjdbc does not speak over a Unix socket"),
    (jdbc_uri, describe(options={"tcp_user_timeout": 1}), r"^options.tcp_user_timeout: pgjdbc has no such"),
    (jdbc_uri, describe(options={"target_session_attrs": "x"}), r"^options.target_session_attrs: 'x' is not known"),
    (
        jdbc_uri,
        describe(options={"connect_timeout": 1, "connectTimeout": 2}),
        r"^options.connectTimeout: is given twice",
    ),
]


@pytest.mark.parametrize(("build", "description", "message"), TEST_ERRORS)
def test_error_names_the_key_and_not_the_password(build: Callable[[Any], str], description: Any, message: str) -> None:
    with pytest.raises(UriError, match=message) as caught:
        build(description)
    assert "s3cret" not in str(caught.value)
    assert "12345" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("driver", ["postgresql", "postgres", "postgresql+pg8000", ""])
def test_a_driver_that_is_not_written_is_refused(driver: str) -> None:
    with pytest.raises(UriError, match=r"^driver: .* is not supported; use one of postgresql\+psycopg2, "):
        sqlalchemy_uri(describe(), driver=driver)
