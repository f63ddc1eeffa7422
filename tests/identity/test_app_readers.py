# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may read a registered model can load it with MLflow's client, with no right on the experiment behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from mlflow_servers import CONFIG, MAKER, OFFICER, STRANGER, Server, prepare

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
# Versions of one model for every form that a source has: a logged model, the files of a run, and copies of both.
LOG = """
import json, mlflow
mlflow.set_experiment("home of price")
with mlflow.start_run() as run:
    sevens = lambda model_input: [7] * len(model_input)
    logged = mlflow.pyfunc.log_model(name="m", python_model=sevens, pip_requirements=["mlflow"])
    mlflow.artifacts.download_artifacts(logged.model_uri, dst_path="copy")
    mlflow.log_artifacts("copy", "old")
client = mlflow.MlflowClient()
client.create_registered_model("price")
of_run = f"{run.info.artifact_uri}/old"
for source, more in (
    (logged.model_uri, {"model_id": logged.model_id}),
    (of_run, {"run_id": run.info.run_id}),
    (f"runs:/{run.info.run_id}/old", {"run_id": run.info.run_id}),
):
    client.create_model_version("price", source, **more)
client.create_registered_model("second")
for version in "123":
    client.copy_model_version(f"models:/price/{version}", "second")
print(json.dumps({"experiment": run.info.experiment_id, "run": run.info.run_id, "model": logged.model_id}))
"""
LOAD = """
import sys, mlflow
print(mlflow.pyfunc.load_model(sys.argv[1]).predict([1, 2]))
"""


@dataclass
class Shop:
    """Both pools, what was logged, and a folder for clients."""

    rest: Server
    asgi: Server
    made: dict[str, str]


def client(server: Server, user: tuple[str, str], script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run MLflow's client in a process of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "_MLFLOW"))},
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server.port}",
        "MLFLOW_TRACKING_USERNAME": user[0],
        "MLFLOW_TRACKING_PASSWORD": user[1],
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    return subprocess.run(command, env=environment, cwd=server.folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shop(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    settings = {"_MLFLOW_SERVER_FILE_STORE": database, "_MLFLOW_SERVER_REGISTRY_STORE": database}
    folder = tmp_path_factory.mktemp("mlflow")
    rest, asgi = (Server(folder, pool, settings=settings).start() for pool in ("rest", "asgi"))
    try:
        prepare(rest)
        logged = client(rest, MAKER, LOG)
        assert logged.returncode == 0, logged.stderr
        for name in ("price", "second"):
            grant = {"username": STRANGER[0], "resource_type": "registered_model", "resource_id": name}
            rest.done("POST", "/api/3.0/mlflow/users/permissions/grant", {**grant, "permission": "READ"})
        yield Shop(rest, asgi, json.loads(logged.stdout.splitlines()[-1]))
    finally:
        rest.stop()
        asgi.stop()


@pytest.mark.parametrize("pool", ["rest", "asgi"])
@pytest.mark.parametrize("model", [f"models:/{name}/{number}" for name in ("price", "second") for number in "123"])
def test_a_reader_of_the_model_loads_it(shop: Shop, pool: str, model: str) -> None:
    loaded = client(getattr(shop, pool), STRANGER, LOAD, model)
    assert loaded.stdout.strip() == "[7, 7]", loaded.stderr


@pytest.mark.parametrize("pool", ["rest", "asgi"])
@pytest.mark.parametrize(
    "path",
    [
        "{experiment}/{run}/artifacts/other.txt",
        "{experiment}/{run}/artifacts/Old/MLmodel",
        "{experiment}/{run}/artifacts/older/MLmodel",
        "{experiment}/{run}/artifacts/old/../other.txt",
        "{experiment}/{run}/artifacts/old/%2e%2e/other.txt",
        "{experiment}/models/m-other/artifacts/MLmodel",
    ],
)
def test_nothing_beside_the_versions_is_opened(shop: Shop, pool: str, path: str) -> None:
    secret = f"{shop.made['experiment']}/{shop.made['run']}/artifacts"
    for name in ("other.txt", "Old/MLmodel", "older/MLmodel"):
        shop.rest.done("PUT", f"{FILES}/{secret}/{name}", b"secret", OFFICER)
    answer = getattr(shop, pool).call("GET", f"{FILES}/{path.format(**shop.made)}", user=STRANGER)
    assert answer.status == 403
    assert b"secret" not in answer.body


def test_folders_above_are_not_listed_and_nothing_is_written(shop: Shop) -> None:
    run = f"{shop.made['experiment']}/{shop.made['run']}/artifacts"
    listed = {
        path: shop.rest.call("GET", f"{FILES}?path={path}", user=STRANGER).status for path in (run, f"{run}/old", "")
    }
    assert listed == {run: 403, f"{run}/old": 200, "": 403}
    for server in (shop.rest, shop.asgi):
        assert server.call("PUT", f"{FILES}/{run}/old/MLmodel", b"x", STRANGER).status == 403
    assert shop.rest.call("DELETE", f"{FILES}/{run}/old", user=STRANGER).status == 403
    assert shop.rest.call("GET", f"{API}/runs/get?run_id={shop.made['run']}", user=STRANGER).status == 403


def test_a_chosen_source_opens_nobodys_files(shop: Shop) -> None:
    """Somebody's own model cannot be made to hold what is another team's."""
    made, logged = shop.made, shop.made["model"]
    own = shop.rest.done("POST", f"{API}/experiments/create", {"name": "own"}, STRANGER)["experiment_id"]
    run = shop.rest.done("POST", f"{API}/runs/create", {"experiment_id": own}, STRANGER)["run"]["info"]["run_id"]
    home = f"mlflow-artifacts:/{own}/{run}/artifacts"
    up = ".\t./.\t./.\t./"
    sources = [
        f"{home}/x%3f/{up}{made['experiment']}", f"{home}/x%23/{up.replace(chr(9), chr(13))}{made['experiment']}",
        f"runs:/{run}/x%3f/{up}{made['experiment']}", f"{home}/../../../{made['experiment']}",
        f"{home}/%2e%2e/%2e%2e/%2e%2e/{made['experiment']}", f"mlflow-artifacts:/{made['experiment']}",
        f"models:/{logged}", f"models:/{logged}#x/1", f"models:/{logged}/1", f"runs:/{made['run']}/old",
    ]  # fmt: skip
    for name in ("own", logged, f"{logged}#x"):
        shop.rest.call("POST", f"{API}/registered-models/create", {"name": name}, STRANGER)
        first = {"name": name, "source": f"{home}/m", "run_id": run}
        shop.rest.call("POST", f"{API}/model-versions/create", first, STRANGER)
        for source in sources:
            for more in ({}, {"run_id": run}, {"run_id": made["run"]}, {"model_id": logged}):
                body = {"name": name, "source": source, **more}
                shop.rest.call("POST", f"{API}/model-versions/create", body, STRANGER)
    folder = f"{made['experiment']}/models/{logged}/artifacts"
    for number in ("1", "1/x"):
        shop.rest.done("PUT", f"{FILES}/{folder}/{number}.bin", b"secret", OFFICER)
    hidden = [f"{made['experiment']}/{made['run']}/artifacts/other.txt", f"{folder}/1.bin", f"{folder}/1/x.bin"]
    for name in ("price", "second"):
        shop.rest.done(
            "POST",
            "/api/3.0/mlflow/users/permissions/revoke",
            {"username": STRANGER[0], "resource_type": "registered_model", "resource_id": name},
        )
    time.sleep(float(CONFIG["rights_cache_seconds"]) + 0.5)
    for server in (shop.rest, shop.asgi):
        for path in [*hidden, f"{folder}/MLmodel", f"{made['experiment']}/{made['run']}/artifacts/old/MLmodel"]:
            assert server.call("GET", f"{FILES}/{path}", user=STRANGER).status == 403, path
    for path in (made["experiment"], f"{made['experiment']}/{made['run']}/artifacts"):
        assert shop.rest.call("GET", f"{FILES}?path={path}", user=STRANGER).status == 403
    # Nor can the owner be locked out of what was never registered by its team.
    free = f"{FILES}/{made['experiment']}/{made['run']}/artifacts/free.txt"
    assert shop.rest.call("PUT", free, b"x", MAKER).status == 200
    for name in ("price", "second"):
        grant = {"username": STRANGER[0], "resource_type": "registered_model", "resource_id": name}
        shop.rest.done("POST", "/api/3.0/mlflow/users/permissions/grant", {**grant, "permission": "READ"})


def test_the_files_go_with_the_right_and_with_the_version(shop: Shop) -> None:
    path = f"{FILES}/{shop.made['experiment']}/{shop.made['run']}/artifacts/old/MLmodel"

    def statuses() -> set[int]:
        return {server.call("GET", path, user=STRANGER).status for server in (shop.rest, shop.asgi)}

    revoke = {"username": STRANGER[0], "resource_type": "registered_model"}
    assert statuses() == {200}
    shop.rest.done("POST", "/api/3.0/mlflow/users/permissions/revoke", {**revoke, "resource_id": "second"})
    assert statuses() == {200}
    for version in ("2", "3"):
        shop.rest.done("DELETE", f"{API}/model-versions/delete", {"name": "price", "version": version}, OFFICER)
    # The revoked right may be remembered where it was not revoked.
    end = time.monotonic() + 2 * float(CONFIG["rights_cache_seconds"])
    while statuses() != {403} and time.monotonic() < end:
        time.sleep(0.2)
    assert statuses() == {403}
