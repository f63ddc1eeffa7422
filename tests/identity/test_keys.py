# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that MLflow would invent or has a default for: each is refused, and a new one in its source is found."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.server.auth import _LEGACY_DEFAULT_ADMIN_PASSWORD
from mlflow.utils.crypto import DEFAULT_KEK_PASSPHRASE
from mlflow_servers import GATEWAY_KEY, WEBHOOK_KEY, Server

from mlops_identity import keys

GOOD = {
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": GATEWAY_KEY,
    "MLFLOW_CRYPTO_KEK_VERSION": "2",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": WEBHOOK_KEY,
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key that signs forms",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "a password of the administrator",
}
WRONG = [
    ({}, []),
    *(({name: ""}, [f"{name} is not set"]) for name in GOOD),
    ({"MLFLOW_CRYPTO_KEK_PASSPHRASE": DEFAULT_KEK_PASSPHRASE}, ["MLFLOW_CRYPTO_KEK_PASSPHRASE is the constant"]),
    ({"MLFLOW_CRYPTO_KEK_VERSION": "0"}, ["MLFLOW_CRYPTO_KEK_VERSION is not a whole number"]),
    ({"MLFLOW_CRYPTO_KEK_VERSION": "two"}, ["MLFLOW_CRYPTO_KEK_VERSION is not a whole number"]),
    ({"MLFLOW_CRYPTO_KEK_VERSION": "\u00b2"}, ["MLFLOW_CRYPTO_KEK_VERSION is not a whole number"]),
    ({"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "short"}, ["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY is not the URL-safe"]),
    ({"MLFLOW_AUTH_ADMIN_PASSWORD": _LEGACY_DEFAULT_ADMIN_PASSWORD}, ["MLFLOW_AUTH_ADMIN_PASSWORD is the password"]),
    ({"_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN": "token"}, ["_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN is set"]),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_each_wrong_key_is_named_without_its_value(changes: dict[str, str], words: list[str]) -> None:
    problems = keys.wrong_keys({**GOOD, **changes})
    assert [problem[: len(word)] for problem, word in zip(problems, words, strict=True)] == words
    values = {value for value in changes.values() if len(value) > 3}
    assert not [problem for problem in problems for value in values if f" {value}" in problem]


@pytest.mark.parametrize("pool", ["rest", "asgi"])
def test_the_server_does_not_start_without_its_keys(tmp_path: Path, pool: str) -> None:
    server = Server(tmp_path, pool, settings=dict.fromkeys(GOOD, ""))
    server.write_settings()
    command = [sys.executable, "-c", "from mlops_identity.app import create_app; create_app()"]
    result = subprocess.run(
        command, env=server.environment(), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode != 0
    for name in GOOD:
        assert f"- {name} is not set" in result.stderr
    # Nothing was made of it, neither a database nor a user.
    assert not list(tmp_path.glob("*.db"))


KEY_NAME = "KEY|SECRET|TOKEN|PASSWORD|PASSPHRASE|CREDENTIALS?|SALT|KEK"
VARIABLE = re.compile(rf"\b_?MLFLOW_(?:[A-Z0-9]+_)*(?:{KEY_NAME})S?(?:_[A-Z0-9]+)*\b")
GENERATORS = {"token_bytes", "token_hex", "token_urlsafe", "urandom", "generate_key", "generate_private_key"}
GENERATORS |= {"SystemRandom", "randbits", "randbytes"}
HOLDER = re.compile(
    r"passphrase|password|secret|salt|kek|(api|private|sign\w*|encrypt\w*|hmac|auth)_?(key|token)", re.I
)
# A text that names a variable or a field, and is no key.
NAME = re.compile(r"[A-Z][A-Z0-9_]+|[a-z]+(_[a-z]+)+|password")
CALLS_WITH_DEFAULT = {"get", "getenv", "_EnvironmentVariable", "setdefault"}

# Variables of MLflow with such a name that hold no key of the server's.
OTHER_VARIABLES = {
    "MLFLOW_AI_GATEWAY_ANTHROPIC_DEFAULT_MAX_TOKENS": "a number",
    "MLFLOW_AI_GATEWAY_ANTHROPIC_MAXIMUM_MAX_TOKENS": "a number",
    "MLFLOW_GATEWAY_RESOLVE_API_KEY_FROM_ENV": "a switch",
    "MLFLOW_GATEWAY_RESOLVE_API_KEY_FROM_FILE": "a switch",
    "MLFLOW_HUEY_INSTANCE_KEY": "the name of a queue of jobs",
    "_MLFLOW_HUEY_INSTANCE_KEY": "the name of a queue of jobs",
    "MLFLOW_KEK_SALT": "a salt of a derivation, no secret",
    "MLFLOW_MYSQL_SSL_KEY": "a path, without a default",
    "MLFLOW_OPENAI_SECRET_SCOPE": "the name of a scope at Databricks",
    "MLFLOW_SERVER_SECRETS_CACHE_MAX_SIZE": "a number",
    "MLFLOW_SERVER_SECRETS_CACHE_TTL": "a number",
    "MLFLOW_SERVING_RESPONSE_KEY": "the name of a field",
    "MLFLOW_TRACKING_PASSWORD": "a client's, without a default",
    "MLFLOW_TRACKING_TOKEN": "a client's, without a default",
    "MLFLOW_UC_OSS_TOKEN": "a client's, without a default",
    "_MLFLOW_VERSION_KEY": "the name of a field",
}
# What makes a key or holds one, by file and text, and why the server is safe with it.
KNOWN = {
    ("gateway/providers/ollama.py", "api_key = 'ollama'"): "what Ollama, which asks for none, is sent",
    ("genai/utils/gateway_utils.py", "api_key = 'mlflow-gateway-auth'"): "a stand-in, beside the user's own header",
    ("metrics/genai/model_utils.py", "OLLAMA_API_KEY = 'ollama'"): "the same as Ollama's above, at a client",
    ("metrics/genai/model_utils.py", "openai_api_key = 'mlflow-gateway-auth'"): "a stand-in, beside the user's header",
    (
        "server/__init__.py",
        "secrets.token_hex",
    ): "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN of `mlflow server`, refused by us",
    ("server/auth/__init__.py", "_LEGACY_DEFAULT_ADMIN_PASSWORD = 'password1234'"): "refused by us",
    ("server/auth/__init__.py", "secrets.token_bytes"): "of a worker's cache of passwords, which ends with it",
    ("store/db_migrations/versions/1b5f0d9ad7c1_add_workspace_columns_and_catalog.py", "_SQLITE_SECRETS_"): "SQL",
    ("store/model_registry/dbmodels/models.py", "Fernet.generate_key"): "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
    ("store/tracking/_secret_cache.py", "os.urandom"): "of a worker's cache, which ends with it",
    ("utils/crypto.py", "DEFAULT_KEK_PASSPHRASE = 'mlflow-default"): "MLFLOW_CRYPTO_KEK_PASSPHRASE",
    ("utils/crypto.py", "MLFLOW_KEK_SALT = b'mlflow-secrets"): "a salt of a derivation, no secret",
    ("utils/crypto.py", "AESGCM.generate_key"): "the key of one row, stored with it and wrapped",
    ("utils/crypto.py", "os.urandom"): "a nonce",
    ("utils/databricks_utils.py", "_MODEL_DEPENDENCY_OAUTH_TOKEN_FILE_PATH = '/"): "a path",
}


def findings(tree: ast.AST) -> Iterator[str]:
    """Every call that makes a key, and every default of something that is named like one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from called(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from holding(name_of(target), node.value)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = [*node.args.posonlyargs, *node.args.args]
            pairs = [*zip(given[::-1], node.args.defaults[::-1], strict=False)]
            for argument, default in [*pairs, *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]:
                yield from holding(argument.arg, default)


def name_of(node: ast.AST) -> str:
    """The last name of an expression."""
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))


def called(node: ast.Call) -> Iterator[str]:
    """What a call makes, or takes for a variable that is not set."""
    if name_of(node.func) in GENERATORS:
        yield ast.unparse(node.func)
    if name_of(node.func) in CALLS_WITH_DEFAULT and len(node.args) > 1 and isinstance(node.args[0], ast.Constant):
        yield from holding(str(node.args[0].value), node.args[-1])
    for keyword in node.keywords:
        yield from holding(keyword.arg or "", keyword.value)


def holding(name: str, node: ast.AST | None) -> Iterator[str]:
    """What a name like that of a key holds, unless it is a name itself."""
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, str | bytes) and value and HOLDER.search(name):
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        if not NAME.fullmatch(text):
            yield f"{name} = {value!r}"


def unknown(root: Path) -> list[str]:
    """What nobody has looked at."""
    found = []
    for path in sorted(root.rglob("*.py")):
        text, file = path.read_text(encoding="utf-8"), str(path.relative_to(root))
        listed = {key.variable for key in keys.KEYS} | set(keys.UNWANTED) | set(OTHER_VARIABLES)
        found += [f"{file}: {name}" for name in sorted(set(VARIABLE.findall(text)) - listed)]
        looked_at = tuple(start for known, start in KNOWN if known == file)
        found += [f"{file}: {each}" for each in findings(ast.parse(text)) if not each.startswith(looked_at)]
    return found


def test_nothing_in_mlflow_makes_or_holds_a_key_that_nobody_has_looked_at() -> None:
    assert unknown(Path(mlflow.__file__).parent) == []


PLANTED = [
    "KEY = secrets.token_hex(32)",
    "key = Fernet.generate_key()",
    "SIGNING_KEY = 'for development only'",
    "def sign(text, secret_key='changeme'): ...",
    "def sign(text, *, session_secret='not so secret'): ...",
    "token = os.environ.get('SERVER_AUTH_TOKEN', 'changeme')",
    "PASSWORD = _EnvironmentVariable('SERVER_PASSWORD', str, 'admin1234')",
    "app.config.update(secret_key='dev')",
    "self.passphrase: str = 'an example'",
    "MLFLOW_SESSION_SECRET = _EnvironmentVariable('MLFLOW_SESSION_SECRET', str, None)",
    "key = os.environ['MLFLOW_JOB_SIGNING_KEY']",
]


@pytest.mark.parametrize("line", PLANTED)
def test_what_a_new_mlflow_may_bring_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "new.py").write_text(line)
    assert unknown(tmp_path)
