# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Promotion and rollback of real models on MLflow's own server: every gate red once, two at once, what is left behind.

Runs when MLFLOW_PYTHON names an interpreter that has mlflow[auth].
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowClient
from ansible_collections.mlops.tracking.plugins.modules import (
    mlflow_promotion,
    mlflow_promotion_gates,
    mlflow_role,
    mlflow_user,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = os.environ.get("MLFLOW_PYTHON", "")
ADMIN, PASSWORD, SECRET = "admin", "a-password-for-this-test", "first-secret-of-the-user"
MODEL = "price"
Run = Callable[..., dict[str, t.Any]]


@pytest.fixture(name="api", scope="module")
def fixture_api(url: str) -> MlflowApi:
    return MlflowApi(MlflowClient(url, username=ADMIN, password=PASSWORD))


def log_model(url: str, rmse: float, *faults: str, model: str = MODEL) -> str:
    """Train, log and register; returns the version."""
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_USERNAME": ADMIN,
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(ROOT / "examples"),
    }
    command = [PYTHON, str(HERE / "log_model.py"), model, str(rmse), *faults]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()[-1]


class Made(t.NamedTuple):
    """Versions of one model."""

    first: str
    second: str
    poor: str
    unsigned: str
    without_digest: str
    broken: str
    failed: str


@pytest.fixture(name="made", scope="module")
def fixture_made(url: str) -> Made:
    return Made(
        log_model(url, 50),
        log_model(url, 40),
        log_model(url, 90),
        log_model(url, 40, "no-signature"),
        log_model(url, 40, "no-digest"),
        log_model(url, 40, "breaks"),
        log_model(url, 40, "fails"),
    )


WANTED: dict[str, t.Any] = {
    "name": MODEL,
    "tags": {"team": "pricing"},
    "metrics": [{"name": "rmse", "maximum": 60}],
    "python": PYTHON,
}


def red(result: dict[str, t.Any]) -> list[str]:
    return [gate["name"] for gate in result["gates"] if not gate["ok"]]


def test_a_good_version_passes(run: Run, made: Made) -> None:
    result = run(mlflow_promotion_gates, {**WANTED, "version": made.first})
    assert (result.get("failed"), red(result), result["promoter"]) == (None, [], ADMIN)
    names = [gate["name"] for gate in result["gates"]]
    assert names == ["source run", "tag team", "metric rmse", "files", "signature", "prediction"]


# field of Made, options, gates that are red
RED: list[tuple[str, dict[str, t.Any], list[str]]] = [
    ("poor", {}, ["metric rmse"]),
    ("first", {"metrics": [{"name": "f1", "minimum": 0.5}]}, ["metric f1"]),
    ("first", {"tags": {"team": "fraud", "data": ""}}, ["tag data", "tag team"]),
    ("unsigned", {}, ["signature"]),
    ("without_digest", {}, ["files"]),
    ("first", {"digest": "0" * 64}, ["files"]),
    ("broken", {}, ["prediction"]),
    ("failed", {}, ["source run"]),
    ("first", {"approval": True}, ["approval"]),
    ("first", {"approval": True, "approver_username": ADMIN, "approver_password": PASSWORD}, ["approval"]),
    ("first", {"megabytes": 64}, ["prediction"]),
]


@pytest.mark.parametrize(("which", "options", "expected"), RED)
def test_each_gate_can_be_red(run: Run, made: Made, which: str, options: dict[str, t.Any], expected: list[str]) -> None:
    result = run(mlflow_promotion_gates, {**WANTED, "version": getattr(made, which), **options})
    assert result["failed"] is True
    assert red(result) == expected, result["gates"]


def test_an_approver_proves_who_it_is(run: Run, made: Made) -> None:
    run(mlflow_user, {"name": "grace", "password": SECRET})
    everything = [{"resource_type": "registered_model", "permission": "READ"}]
    run(mlflow_role, {"name": "reader", "grants": everything, "users": ["grace"]})
    options = {**WANTED, "version": made.first, "approval": True, "approver_username": "grace"}
    assert run(mlflow_promotion_gates, {**options, "approver_password": SECRET})["approver"] == "grace"
    wrong = run(mlflow_promotion_gates, {**options, "approver_password": "not the password"})
    assert "HTTP 401" in wrong["msg"]


def test_a_model_sees_neither_credentials_nor_network(run: Run, made: Made) -> None:
    result = run(mlflow_promotion_gates, {**WANTED, "version": made.first})
    assert result["network_closed"] is True


def aliases(api: MlflowApi, name: str = MODEL) -> dict[str, str]:
    found = api.registered_model(name)
    assert found
    return dict(found.aliases)


def events(api: MlflowApi, version: str, name: str = MODEL) -> list[dict[str, t.Any]]:
    found = api.model_version(name, version)
    assert found
    tags = sorted((tag["key"], tag["value"]) for tag in found["tags"] if tag["key"].startswith("promotion."))
    return [json.loads(value) for dummy, value in tags]


def test_promote_and_roll_back(run: Run, api: MlflowApi, made: Made) -> None:
    promote = {"name": MODEL, "version": made.first, "reason": "first", "ticket": "CHG-1", "expected_version": ""}
    assert run(mlflow_promotion, promote, check=True)["changes"] == ["champion"]
    assert aliases(api) == {}
    assert run(mlflow_promotion, promote)["changes"] == ["champion"]
    assert run(mlflow_promotion, promote)["changed"] is False
    assert (
        "there is no previous version"
        in run(mlflow_promotion, {"name": MODEL, "reason": "x", "state": "rolled_back"})["msg"]
    )
    second = run(mlflow_promotion, {"name": MODEL, "version": made.second, "reason": "better"})
    assert (second["changes"], second["previous_version"]) == (["previous", "champion"], made.first)
    assert aliases(api) == {"champion": made.second, "previous": made.first}
    assert run(mlflow_promotion, {"name": MODEL, "state": "rolled_back", "reason": "bad"})["version"] == made.first
    assert aliases(api) == {"champion": made.first, "previous": made.second}
    assert [(event["action"], event["by"], event["reason"]) for event in events(api, made.first)] == [
        ("promoted", ADMIN, "first"),
        ("rolled_back", ADMIN, "bad"),
    ]
    assert api.registered_model(f"{MODEL}.promotion-lock") is None


def test_who_was_overtaken_changes_nothing_and_is_named(run: Run, api: MlflowApi, made: Made) -> None:
    before = aliases(api)
    late = {"name": MODEL, "version": made.poor, "reason": "late", "expected_version": "99"}
    assert "somebody moved it" in run(mlflow_promotion, late)["msg"]
    assert aliases(api) == before
    assert [event["action"] for event in events(api, made.poor)] == ["turned away"]


def test_a_held_lock_names_its_holder(run: Run, api: MlflowApi, made: Made) -> None:
    before = aliases(api)
    lock = f"{MODEL}.promotion-lock"
    api.create_registered_model(lock, "ada moves champion to version 7", {})
    refused = run(mlflow_promotion, {"name": MODEL, "version": made.second, "reason": "x"})
    assert "ada moves champion to version 7" in refused["msg"]
    assert lock in refused["msg"]
    assert aliases(api) == before
    api.delete_registered_model(lock)


def playbook(url: str, name: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a person or CI types."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"mlops.tracking.{name}"]
    for key, value in {"ansible_python_interpreter": sys.executable, **variables}.items():
        command += ["--extra-vars", f"{key}={value}"]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_NOCOLOR": "1",
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_USERNAME": ADMIN,
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
    }
    ended = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert PASSWORD not in ended.stdout + ended.stderr
    return ended


def test_the_playbooks_promote_refuse_and_roll_back(api: MlflowApi, url: str) -> None:
    model = "by-playbook"
    first, second = (log_model(url, rmse, model=model) for rmse in (50, 90))
    limits = '{"promote_metrics": [{"name": "rmse", "maximum": 60}]}'
    given = {"promote_model": model, "promote_reason": "because", "promote_python": PYTHON}
    dry = playbook(url, "promote", "--check", promote_version=first, **given)
    assert (dry.returncode, aliases(api, model)) == (0, {}), dry.stdout + dry.stderr
    done = playbook(url, "promote", "--extra-vars", limits, promote_version=first, **given)
    assert (done.returncode, aliases(api, model)) == (0, {"champion": first}), done.stdout + done.stderr
    assert f"models:/{model}@champion is version {first} (before: none)" in done.stdout
    refused = playbook(url, "promote", "--extra-vars", limits, promote_version=second, **given)
    assert (refused.returncode, aliases(api, model)) == (2, {"champion": first})
    assert "metric rmse is 90, at most 60 is wanted" in refused.stdout + refused.stderr
    assert playbook(url, "promote", promote_version=second, **given).returncode == 0
    back = {"rollback_model": model, "rollback_reason": "wrong", "rollback_python": PYTHON}
    assert playbook(url, "rollback", **back).returncode == 0
    assert aliases(api, model) == {"champion": first, "previous": second}
    named = playbook(url, "rollback", rollback_version=second, **back)
    assert (named.returncode, aliases(api, model)["champion"]) == (0, second)
    assert "Give promote_model" in playbook(url, "promote").stdout


def pipeline(url: str, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that both pipelines of the examples call."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "PYTHON": PYTHON,
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_USERNAME": ADMIN,
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    script = ROOT / "examples" / "ci" / command
    return subprocess.run([str(script), *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_pipelines_train_promote_and_roll_back(api: MlflowApi, url: str) -> None:
    model = "regression-demo"
    for stages in ("2", "100"):
        trained = pipeline(url, "train", "--model-name", model, "--n-estimators", stages)
        assert trained.returncode == 0, trained.stderr
    reason = 'good "enough"; $(false) {{ 1 / 0 }}'
    poor = pipeline(url, "promote", model, "1", reason)
    assert (poor.returncode, aliases(api, model)) == (2, {}), poor.stdout
    assert "metric r2 is" in poor.stdout + poor.stderr
    api.set_alias(model, "champion", "1")
    good = pipeline(url, "promote", model, "2", reason, "CHG-7")
    assert (good.returncode, aliases(api, model)["champion"]) == (0, "2"), good.stdout + good.stderr
    assert [(event["reason"], event["ticket"]) for event in events(api, "2", model)] == [(reason, "CHG-7")]
    assert pipeline(url, "rollback", model, "wrong prices").returncode == 0
    assert aliases(api, model) == {"champion": "1", "previous": "2"}
    assert pipeline(url, "rollback", model, "no such", "99").returncode == 2
    assert aliases(api, model) == {"champion": "1", "previous": "2"}


AT_ONCE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tracking.plugins.modules import mlflow_promotion
with patch_module_args(json.load(sys.stdin)):
    mlflow_promotion.main()
"""


def test_of_many_at_once_one_wins(api: MlflowApi, url: str) -> None:
    """Twelve promotions of twelve versions, each expecting the champion that all of them saw."""
    model = "contested"
    api.create_registered_model(model, "", {})
    versions = [log_version(url, model) for _number in range(12)]
    processes = []
    for version in versions:
        options = {
            "mlflow_url": url,
            "mlflow_username": ADMIN,
            "mlflow_password": PASSWORD,
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
        actions = [event["action"] for event in events(api, version, model)]
        assert actions == (["promoted"] if version in winners else ["turned away"])
    assert api.registered_model(f"{model}.promotion-lock") is None


def log_version(url: str, model: str) -> str:
    """A version without files, as none is loaded."""
    client = MlflowClient(url, username=ADMIN, password=PASSWORD)

    def post(path: str, body: dict[str, t.Any]) -> t.Any:
        return client.request("POST", f"/api/2.0/mlflow/{path}", json=body).json

    info = post("runs/create", {"experiment_id": "0"})["run"]["info"]
    body = {"name": model, "source": f"{info['artifact_uri']}/model", "run_id": info["run_id"]}
    return str(post("model-versions/create", body)["model_version"]["version"])
