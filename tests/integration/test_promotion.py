# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Promotion and rollback on a running platform: every gate red once, two at once, what is left behind.

A data scientist trains and registers, somebody of governance promotes; both are users whom the lab lists.
"""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.modules import mlflow_promotion, mlflow_promotion_gates

if t.TYPE_CHECKING:
    from conftest import Platform

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tools")]

from lab import example_python  # noqa: E402

PYTHON = str(example_python())
AUTHOR, PROMOTER, APPROVER = "ada", "grace", "bob"
Run = Callable[..., dict[str, t.Any]]


@pytest.fixture(name="api", scope="module")
def fixture_api(platform: Platform) -> MlflowApi:
    """What governance can ask for."""
    return MlflowApi(platform.client(PROMOTER))


@pytest.fixture(name="promoter")
def fixture_promoter(run: Run, platform: Platform) -> Run:
    """Run a module as somebody of governance."""
    return partial(run, **platform.credentials(PROMOTER))


class Made(t.NamedTuple):
    """Versions of one model."""

    name: str
    first: str
    second: str
    poor: str
    unsigned: str
    without_digest: str
    broken: str
    failed: str


@pytest.fixture(name="made", scope="module")
def fixture_made(platform: Platform, tidy: None, mark: str) -> Made:
    """Train, log and register."""
    name = f"price-{mark}"
    wanted = ["50", "40", "90", "40,no-signature", "40,no-digest", "40,breaks", "40,fails"]
    environment = {**platform.environment(AUTHOR), "PYTHONPATH": str(ROOT / "examples")}
    command = [PYTHON, str(HERE / "log_model.py"), name, *wanted]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    versions = [line for line in ended.stdout.splitlines() if line.isdigit()]
    return Made(name, *versions)


WANTED: dict[str, t.Any] = {
    "tags": {"team": "pricing"},
    "metrics": [{"name": "rmse", "maximum": 60}],
    "python": PYTHON,
}
# The gates that need no file, so that a test of one of the others is quick.
NO_FILES = {"digest_tag": "", "predict": False}


def red(result: dict[str, t.Any]) -> list[str]:
    return [gate["name"] for gate in result["gates"] if not gate["ok"]]


def test_a_good_version_passes(promoter: Run, made: Made) -> None:
    result = promoter(mlflow_promotion_gates, {**WANTED, "name": made.name, "version": made.first})
    assert (result.get("failed"), red(result), result["promoter"]) == (None, [], PROMOTER)
    names = [gate["name"] for gate in result["gates"]]
    assert names == ["source run", "tag team", "metric rmse", "files", "signature", "prediction"]
    # The model saw neither credentials nor the network.
    assert result["network_closed"] is True


# field of Made, options, gates that are red
RED: list[tuple[str, dict[str, t.Any], list[str]]] = [
    ("poor", NO_FILES, ["metric rmse"]),
    ("first", {**NO_FILES, "metrics": [{"name": "f1", "minimum": 0.5}]}, ["metric f1"]),
    ("first", {**NO_FILES, "tags": {"team": "fraud", "data": ""}}, ["tag data", "tag team"]),
    ("failed", NO_FILES, ["source run"]),
    ("first", {**NO_FILES, "approval": True}, ["approval"]),
    ("unsigned", {}, ["signature"]),
    ("without_digest", {}, ["files"]),
    ("first", {"digest": "0" * 64}, ["files"]),
    ("broken", {}, ["prediction"]),
    ("first", {"megabytes": 64}, ["prediction"]),
]


@pytest.mark.parametrize(("which", "options", "expected"), RED)
def test_each_gate_can_be_red(
    promoter: Run, made: Made, which: str, options: dict[str, t.Any], expected: list[str]
) -> None:
    result = promoter(mlflow_promotion_gates, {**WANTED, "name": made.name, "version": getattr(made, which), **options})
    assert result["failed"] is True
    assert red(result) == expected, result["gates"]


def test_an_approver_proves_who_it_is(promoter: Run, platform: Platform, made: Made) -> None:
    options = {**NO_FILES, "name": made.name, "version": made.first, "approval": True}

    def ask(account: dict[str, str]) -> dict[str, t.Any]:
        return promoter(mlflow_promotion_gates, {**options, **account})

    assert ask(platform.credentials(APPROVER, "approver"))["approver"] == APPROVER
    assert red(ask(platform.credentials(PROMOTER, "approver"))) == ["approval"]
    wrong = {"approver_username": APPROVER, "approver_password": "not the password"}
    assert "HTTP 401" in ask(wrong if platform.tokens is None else {"approver_token": "not.a.token"})["msg"]


def aliases(api: MlflowApi, name: str) -> dict[str, str]:
    found = api.registered_model(name)
    assert found
    return dict(found.aliases)


def events(api: MlflowApi, name: str, version: str) -> list[dict[str, t.Any]]:
    found = api.model_version(name, version)
    assert found
    tags = sorted((tag["key"], tag["value"]) for tag in found["tags"] if tag["key"].startswith("promotion."))
    return [json.loads(value) for dummy, value in tags]


def test_promote_and_roll_back(promoter: Run, api: MlflowApi, made: Made) -> None:
    name = made.name
    promote = {"name": name, "version": made.first, "reason": "first", "ticket": "CHG-1", "expected_version": ""}
    back = {"name": name, "state": "rolled_back", "reason": "bad"}
    assert promoter(mlflow_promotion, promote, check=True)["changes"] == ["champion"]
    assert aliases(api, name) == {}
    assert promoter(mlflow_promotion, promote)["changes"] == ["champion"]
    assert promoter(mlflow_promotion, promote)["changed"] is False
    assert "there is no previous version" in promoter(mlflow_promotion, back)["msg"]
    second = promoter(mlflow_promotion, {"name": name, "version": made.second, "reason": "better"})
    assert (second["changes"], second["previous_version"]) == (["previous", "champion"], made.first)
    assert aliases(api, name) == {"champion": made.second, "previous": made.first}
    assert promoter(mlflow_promotion, back)["version"] == made.first
    assert aliases(api, name) == {"champion": made.first, "previous": made.second}
    assert [(event["action"], event["by"], event["reason"]) for event in events(api, name, made.first)] == [
        ("promoted", PROMOTER, "first"),
        ("rolled_back", PROMOTER, "bad"),
    ]
    never = promoter(mlflow_promotion, {**back, "version": made.poor})
    assert f"version {made.poor} was never made champion by a promotion" in never["msg"]
    assert promoter(mlflow_promotion, {**back, "version": made.second})["version"] == made.second
    assert api.registered_model(f"{name}.promotion-lock") is None


def test_who_was_overtaken_changes_nothing_and_is_named(promoter: Run, api: MlflowApi, made: Made) -> None:
    before = aliases(api, made.name)
    late = {"name": made.name, "version": made.poor, "reason": "late", "expected_version": "99"}
    assert "somebody moved it" in promoter(mlflow_promotion, late)["msg"]
    assert aliases(api, made.name) == before
    assert [event["action"] for event in events(api, made.name, made.poor)] == ["turned away"]


def test_a_held_lock_names_its_holder(promoter: Run, api: MlflowApi, made: Made) -> None:
    before = aliases(api, made.name)
    lock = f"{made.name}.promotion-lock"
    api.create_registered_model(lock, "ada moves champion to version 7", {})
    refused = promoter(mlflow_promotion, {"name": made.name, "version": made.unsigned, "reason": "x"})
    assert "ada moves champion to version 7" in refused["msg"]
    assert lock in refused["msg"]
    assert aliases(api, made.name) == before
    api.delete_registered_model(lock)


def pipeline(platform: Platform, user: str, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that both pipelines of the examples call."""
    environment = {**platform.environment(user), "PYTHON": PYTHON}
    script = str(ROOT / "examples" / "ci" / command)
    ended = subprocess.run([script, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert platform.secret(user) not in ended.stdout + ended.stderr
    return ended


def test_the_pipelines_train_promote_and_roll_back(platform: Platform, tidy: None, api: MlflowApi, mark: str) -> None:
    model, experiment = f"demo-{mark}", f"demo {mark}"
    promote, rollback = (partial(pipeline, platform, PROMOTER, command) for command in ("promote", "rollback"))
    for stages in ("2", "100"):
        options = ("--model-name", model, "--experiment", experiment, "--n-estimators", stages)
        trained = pipeline(platform, AUTHOR, "train", *options)
        assert trained.returncode == 0, trained.stderr
    reason = 'good "enough"; $(false) {{ 1 / 0 }}'
    poor = promote(model, "1", reason)
    assert (poor.returncode, aliases(api, model)) == (2, {}), poor.stdout
    assert "metric r2 is" in poor.stdout + poor.stderr
    api.set_alias(model, "champion", "1")
    good = promote(model, "2", reason, "CHG-7")
    assert (good.returncode, aliases(api, model)["champion"]) == (0, "2"), good.stdout + good.stderr
    assert f"models:/{model}@champion is version 2 (before: 1)" in good.stdout
    assert [(event["reason"], event["ticket"]) for event in events(api, model, "2")] == [(reason, "CHG-7")]
    assert rollback(model, "wrong prices").returncode == 0
    assert aliases(api, model) == {"champion": "1", "previous": "2"}
    assert rollback(model, "no such", "99").returncode == 2
    assert aliases(api, model) == {"champion": "1", "previous": "2"}


def test_a_playbook_says_what_it_needs(platform: Platform) -> None:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "mlops.tracking.promote"]
    ended = subprocess.run(command, env=platform.environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Give promote_model, promote_version and promote_reason" in ended.stdout


AT_ONCE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tracking.plugins.modules import mlflow_promotion
with patch_module_args(json.load(sys.stdin)):
    mlflow_promotion.main()
"""


def test_of_many_at_once_one_wins(platform: Platform, tidy: None, api: MlflowApi, mark: str) -> None:
    """Twelve promotions of twelve versions, each expecting the champion that all of them saw."""
    model = f"contested-{mark}"
    api.create_registered_model(model, "", {})
    versions = [log_version(platform, model) for _number in range(12)]
    processes = []
    for version in versions:
        options = {
            "mlflow_url": platform.url,
            **platform.credentials(PROMOTER),
            "ca_path": str(platform.ca_file),
            "name": model,
            "version": version,
            "reason": f"I am {version}",
            "expected_version": "",
            "_ansible_remote_tmp": "/tmp",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", AT_ONCE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin
        process.stdin.write(json.dumps(options))
        process.stdin.close()
        processes.append(process)
    answers = []
    for process in processes:
        assert process.stdout
        answers.append(json.loads(process.stdout.read()))
        process.wait()
    winners = [version for version, answer in zip(versions, answers, strict=True) if not answer.get("failed")]
    assert len(winners) == 1, [answer.get("msg") for answer in answers]
    assert aliases(api, model) == {"champion": winners[0]}
    for version in versions:
        actions = [event["action"] for event in events(api, model, version)]
        assert actions == (["promoted"] if version in winners else ["turned away"])
    assert api.registered_model(f"{model}.promotion-lock") is None


def log_version(platform: Platform, model: str) -> str:
    """A version without files, as none is loaded."""
    client = platform.client()

    def post(path: str, body: dict[str, t.Any]) -> t.Any:
        return client.request("POST", f"/api/2.0/mlflow/{path}", json=body).json

    info = post("runs/create", {"experiment_id": "0"})["run"]["info"]
    body = {"name": model, "source": f"{info['artifact_uri']}/model", "run_id": info["run_id"]}
    return str(post("model-versions/create", body)["model_version"]["version"])
