# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules on a client that remembers what it was told; the real server is asked in Molecule."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._log_search import ilm_policy, ism_policy, template
from ansible_collections.mlops.tracking.plugins.module_utils._log_search_client import (
    LogSearchClient,
    LogSearchError,
    reason,
)
from ansible_collections.mlops.tracking.plugins.modules import log_search, log_search_index

RunModule = Callable[..., dict[str, t.Any]]
CONNECTION = {"search_url": "https://logs.test:9200", "search_user": "shipper", "search_password": "Ohx4iePh0uGh"}
NAME = "mlops-logs"
ISM, ILM, TEMPLATE = f"/_plugins/_ism/policies/{NAME}", f"/_ilm/policy/{NAME}", f"/_index_template/{NAME}"
OPENSEARCH = {"version": {"distribution": "opensearch", "number": "3.3.0"}}
ELASTICSEARCH = {"version": {"number": "9.2.0"}}


class FakeClient:
    """Answers reads from its state and records writes."""

    state: t.ClassVar[dict[str, t.Any]] = {}
    errors: t.ClassVar[dict[str, LogSearchError]] = {}
    answers: t.ClassVar[list[t.Any]] = []
    calls: t.ClassVar[list[tuple[str, t.Any]]] = []

    def __init__(self, params: Mapping[str, t.Any]) -> None:
        self.params = params

    def get(self, path: str) -> t.Any:
        if path in self.errors:
            raise self.errors[path]
        return self.state.get(path)

    def put(self, path: str, body: t.Any) -> None:
        self.calls.append((path, body))

    def post(self, path: str, body: t.Any) -> t.Any:
        self.calls.append((path, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(name="server")
def fake_server(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    class Server(FakeClient):
        state: t.ClassVar[dict[str, t.Any]] = {"/": OPENSEARCH}
        errors: t.ClassVar[dict[str, LogSearchError]] = {}
        answers: t.ClassVar[list[t.Any]] = []
        calls: t.ClassVar[list[tuple[str, t.Any]]] = []

    monkeypatch.setattr(log_search_index, "LogSearchClient", Server)
    monkeypatch.setattr(log_search, "LogSearchClient", Server)
    monkeypatch.setattr(log_search, "PAUSE_SECONDS", 0.01)
    return Server


def served(wanted: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"index_templates": [{"name": NAME, "index_template": {**wanted, "composed_of": []}}]}


def ism_served(days: int) -> dict[str, t.Any]:
    return {"_id": NAME, "_seq_no": 5, "_primary_term": 2, **ism_policy(NAME, days)}


@pytest.mark.parametrize(
    ("state", "days", "expected", "paths"),
    [
        ({"/": OPENSEARCH}, 0, ["template"], [TEMPLATE]),
        ({"/": OPENSEARCH}, 30, ["policy", "template"], [ISM, TEMPLATE]),
        ({"/": OPENSEARCH, ISM: ism_served(30), TEMPLATE: served(template(NAME, 1, 1))}, 30, [], []),
        (
            {"/": OPENSEARCH, ISM: ism_served(7), TEMPLATE: served(template(NAME, 1, 1))},
            30,
            ["policy"],
            [f"{ISM}?if_seq_no=5&if_primary_term=2"],
        ),
        ({"/": OPENSEARCH, TEMPLATE: served(template(NAME, 2, 1))}, 0, ["template"], [TEMPLATE]),
        ({"/": ELASTICSEARCH}, 30, ["policy", "template"], [ILM, TEMPLATE]),
        (
            {"/": ELASTICSEARCH, ILM: {NAME: ilm_policy(30)}, TEMPLATE: served(template(NAME, 1, 1, NAME))},
            30,
            [],
            [],
        ),
        (
            {"/": ELASTICSEARCH, ILM: {NAME: ilm_policy(7)}, TEMPLATE: served(template(NAME, 1, 1))},
            30,
            ["policy", "template"],
            [ILM, TEMPLATE],
        ),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_index(
    run_module: RunModule,
    server: type[FakeClient],
    state: dict[str, t.Any],
    days: int,
    expected: list[str],
    paths: list[str],
    check: bool,
) -> None:
    server.state.update(state)
    options = {**CONNECTION, "name": NAME, "retention_days": days}
    result = run_module(log_search_index.main, options, check=check)
    assert (result["changed"], result["changes"]) == (bool(expected), expected)
    assert [path for path, _body in server.calls] == ([] if check else paths)
    assert sorted(result["diff"]["after"]) == expected


def test_index_without_state_management_says_what_to_do(run_module: RunModule, server: type[FakeClient]) -> None:
    server.errors[ISM] = LogSearchError(400, "no handler found for uri [/_plugins/_ism/policies/x] and method [GET]")
    result = run_module(log_search_index.main, {**CONNECTION, "name": NAME, "retention_days": 30})
    assert result["failed"]
    assert "another way" in result["msg"]


@pytest.mark.parametrize("module", [log_search, log_search_index])
def test_refusals_name_the_reason_and_no_password(
    run_module: RunModule, server: type[FakeClient], module: t.Any
) -> None:
    refusal = LogSearchError(403, "security_exception: no permissions")
    server.errors["/"] = refusal
    server.answers.append(refusal)
    options = {"run": "r1"} if module is log_search else {"name": NAME}
    result = run_module(module.main, {**CONNECTION, **options})
    assert result["failed"]
    assert "HTTP 403: security_exception" in result["msg"]
    assert CONNECTION["search_password"] not in str(result)


def hits(*documents: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"hits": {"total": {"value": len(documents)}, "hits": [{"_source": item} for item in documents]}}


def test_search(run_module: RunModule, server: type[FakeClient]) -> None:
    server.answers.append(hits({"message": "GET / 200", "run_id": "r1"}))
    result = run_module(log_search.main, {**CONNECTION, "run": "r1"})
    assert (result["changed"], result["total"], result["documents"][0]["run_id"]) == (False, 1, "r1")
    assert "GET / 200" in result["text"]
    assert server.calls[0][0].startswith("/mlops-logs*/_search?")


def test_search_waits_for_what_is_on_its_way(run_module: RunModule, server: type[FakeClient]) -> None:
    server.answers += [hits(), hits(), hits({"message": "late"})]
    assert run_module(log_search.main, {**CONNECTION, "run": "r1", "wait_seconds": 5})["total"] == 1
    assert len(server.calls) == 3


def test_search_without_a_question(run_module: RunModule, server: type[FakeClient]) -> None:
    assert "say what to look for" in run_module(log_search.main, CONNECTION)["msg"]
    assert server.calls == []


@pytest.mark.parametrize("url", ["http://logs.test:9200", "logs.test", "https://", "https://me:pw@logs.test"])
def test_client_speaks_tls_alone(url: str) -> None:
    with pytest.raises(LogSearchError, match="https:// URL without a user"):
        LogSearchClient({**CONNECTION, "search_url": url, "ca_path": None, "timeout": 1.0})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"type": "x", "reason": "y"}, "status": 400}', "x: y"),
        (b'{"error": "no handler found"}', "no handler found"),
        (b"<html>", "<html>"),
        (b"", "no message"),
        (b"[]", "[]"),
    ],
)
def test_reason(body: bytes, expected: str) -> None:
    assert reason(body) == expected
