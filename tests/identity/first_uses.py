# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to make something in MLflow and to use it at once, each call at the next server.

Whoever asks is given as a function, so that the same ways are gone by passwords and by tokens, here and in a lab.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

V2 = "/api/2.0/mlflow"
V3 = "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


class Ask(Protocol):
    """Sends a request to the server whose turn it is; returns the status and what was read: JSON, or else bytes."""

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request."""


class NotUsable(Exception):
    """Something that was just made is refused, or left out of an answer; the text says which call."""


def use(ask: Ask, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """Return what a call says that must succeed."""
    status, said = ask(method, path, body, headers)
    if status != 200:
        raise NotUsable(f"{method} {path}: {status} {str(said)[:300]}")
    return said


def holds(what: str, found: Any, text: str) -> None:
    """Raise NotUsable unless an answer names what was made."""
    if text not in str(found):
        raise NotUsable(f"{what} leaves out {text}: {str(found)[:300]}")


def a_name() -> str:
    """Return a name that nothing has yet."""
    return f"first-{secrets.token_hex(8)}"


def an_experiment(ask: Ask) -> str:
    """Make an experiment and use it in every way that names it."""
    name = a_name()
    experiment: str = use(ask, "POST", f"{V2}/experiments/create", {"name": name})["experiment_id"]
    use(ask, "GET", f"{V2}/experiments/get?experiment_id={experiment}")
    use(ask, "GET", f"{V2}/experiments/get-by-name?experiment_name={name}")
    tag = {"experiment_id": experiment, "key": "k", "value": "v"}
    use(ask, "POST", f"{V2}/experiments/set-experiment-tag", tag)
    search = {"max_results": 100, "filter": f"name = '{name}'"}
    holds("experiments/search", use(ask, "POST", f"{V2}/experiments/search", search), name)
    a_run(ask, experiment)
    use(ask, "POST", f"{V2}/experiments/update", {"experiment_id": experiment, "new_name": f"{name}-2"})
    return experiment


def a_run(ask: Ask, experiment: str) -> str:
    """Make a run and use it: values, files, lists, searches."""
    made = use(ask, "POST", f"{V2}/runs/create", {"experiment_id": experiment, "start_time": int(time.time() * 1000)})
    run: str = made["run"]["info"]["run_id"]
    metric = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 0}
    folder = f"{experiment}/{run}/artifacts"
    use(ask, "PUT", f"{FILES}/{folder}/notes.txt", b"first")
    use(ask, "POST", f"{V2}/runs/log-metric", {"run_id": run, **metric})
    use(
        ask,
        "POST",
        f"{V2}/runs/log-batch",
        {"run_id": run, "metrics": [metric], "params": [{"key": "a", "value": "1"}]},
    )
    holds("runs/search", use(ask, "POST", f"{V2}/runs/search", {"experiment_ids": [experiment]}), run)
    listed = use(ask, "GET", f"{FILES}?path={quote(folder, safe='')}")
    holds("the list of files", listed, "notes.txt")
    holds("artifacts/list", use(ask, "GET", f"{V2}/artifacts/list?run_id={run}"), "notes.txt")
    holds("the file", use(ask, "GET", f"{FILES}/{folder}/notes.txt"), "first")
    holds("runs/get", use(ask, "GET", f"{V2}/runs/get?run_id={run}"), run)
    history = f"{V2}/metrics/get-history-bulk-interval?run_ids={run}&metric_key=loss&max_results=10"
    holds("the chart", use(ask, "GET", history.replace("/api/", "/ajax-api/", 1)), run)
    return run


def a_logged_model(ask: Ask, experiment: str) -> None:
    """Make a logged model, give it a file, and find it."""
    made = use(ask, "POST", f"{V2}/logged-models", {"experiment_id": experiment, "name": "m"})
    model = made["model"]["info"]["model_id"]
    holds("the logged model", use(ask, "GET", f"{V2}/logged-models/{model}"), model)
    use(ask, "PUT", f"{FILES}/{experiment}/models/{model}/artifacts/MLmodel", b"flavors: {}")
    use(ask, "PATCH", f"{V2}/logged-models/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
    found = use(ask, "POST", f"{V2}/logged-models/search", {"experiment_ids": [experiment]})
    holds("logged-models/search", found, model)


def _a_registered(ask: Ask, tags: list[dict[str, str]], filter_more: str) -> str:
    name = a_name()
    use(ask, "POST", f"{V2}/registered-models/create", {"name": name, "tags": tags})
    holds("the registered model", use(ask, "GET", f"{V2}/registered-models/get?name={name}"), name)
    use(ask, "POST", f"{V2}/registered-models/set-tag", {"name": name, "key": "k", "value": "v"})
    filter_string = quote(f"name = '{name}'{filter_more}")
    holds("registered-models/search", use(ask, "GET", f"{V2}/registered-models/search?filter={filter_string}"), name)
    return name


def a_registered_model(ask: Ask, experiment: str) -> None:
    """Make a registered model and a version of a run of it."""
    name = _a_registered(ask, [], "")
    run = use(ask, "POST", f"{V2}/runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    use(ask, "PUT", f"{FILES}/{experiment}/{run}/artifacts/model/MLmodel", b"flavors: {}")
    source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
    use(ask, "POST", f"{V2}/model-versions/create", {"name": name, "source": source, "run_id": run})
    use(ask, "GET", f"{V2}/model-versions/get?name={name}&version=1")
    use(ask, "GET", f"{V2}/model-versions/get-download-uri?name={name}&version=1")
    found = use(ask, "GET", f"{V2}/model-versions/search?filter={quote(f'name = {name!r}')}")
    holds("model-versions/search", found, name)


def a_prompt(ask: Ask) -> None:
    """Make a prompt and a version of it."""
    mark = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    name = _a_registered(ask, [mark], " AND tags.`mlflow.prompt.is_prompt` = 'true'")
    tags = [mark, {"key": "mlflow.prompt.text", "value": "Say {{ it }}"}]
    use(ask, "POST", f"{V2}/model-versions/create", {"name": name, "source": "dummy-source", "tags": tags})
    use(ask, "GET", f"{V2}/model-versions/get?name={name}&version=1")


def a_dataset(ask: Ask, experiment: str, second: str) -> None:
    """Make an evaluation dataset, fill it, find it, and give it to another experiment."""
    body = {"name": a_name(), "experiment_ids": [experiment]}
    dataset = use(ask, "POST", f"{V3}/datasets/create", body)["dataset"]["dataset_id"]
    use(ask, "GET", f"{V3}/datasets/{dataset}")
    records = '[{"inputs": {"question": "why"}}]'
    use(ask, "POST", f"{V3}/datasets/{dataset}/records", {"dataset_id": dataset, "records": records})
    found = use(ask, "POST", f"{V3}/datasets/search", {"experiment_ids": [experiment]})
    holds("datasets/search", found, dataset)
    more = {"dataset_id": dataset, "experiment_ids": [second]}
    use(ask, "POST", f"{V3}/datasets/{dataset}/add-experiments", more)
    found = use(ask, "POST", f"{V3}/datasets/search", {"experiment_ids": [second]})
    holds("datasets/search of the second experiment", found, dataset)


def a_trace(ask: Ask, experiment: str) -> None:
    """Make a trace, mark it, find it, and send one as OpenTelemetry does."""
    trace = f"tr-{secrets.token_hex(16)}"
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": trace, "trace_location": location, "request_time": "2026-01-01T00:00:00Z", "state": "OK"}
    use(ask, "POST", f"{V3}/traces", {"trace": {"trace_info": info}})
    use(ask, "GET", f"{V3}/traces/{trace}")
    use(ask, "PATCH", f"{V3}/traces/{trace}/tags", {"trace_id": trace, "key": "k", "value": "v"})
    holds("traces/search", use(ask, "POST", f"{V3}/traces/search", {"locations": [location]}), trace)
    span: dict[str, Any] = {
        "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "call", "kind": 1,
        "startTimeUnixNano": "1", "endTimeUnixNano": "2",
    }  # fmt: skip
    spans = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "first"}, "spans": [span]}]}]}
    use(ask, "POST", "/v1/traces", spans, {"X-Mlflow-Experiment-Id": experiment})
    found = use(ask, "POST", f"{V3}/traces/search", {"locations": [location]})
    holds("traces/search of OpenTelemetry's", found, span["traceId"])


def a_scorer(ask: Ask, experiment: str) -> None:
    """Register a scorer and list it."""
    body = {"experiment_id": experiment, "name": "s", "serialized_scorer": '{"name": "s"}'}
    use(ask, "POST", f"{V3}/scorers/register", body)
    holds("scorers/list", use(ask, "GET", f"{V3}/scorers/list?experiment_id={experiment}"), "'s'")


def every_way(ask: Ask) -> None:
    """Make and use one of each kind, each time in an experiment of its own; raises NotUsable."""
    in_experiment: list[Callable[[Ask, str], Any]] = [a_logged_model, a_registered_model, a_trace, a_scorer]
    first = an_experiment(ask)
    for way in in_experiment:
        way(ask, use(ask, "POST", f"{V2}/experiments/create", {"name": a_name()})["experiment_id"])
    a_prompt(ask)
    a_dataset(ask, first, use(ask, "POST", f"{V2}/experiments/create", {"name": a_name()})["experiment_id"])
