# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model version must show before it is promoted, and how an alias is switched. Private to this collection.

Pure: no Ansible, no network.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

EVENT_PREFIX = "promotion."
LOCK_SUFFIX = ".promotion-lock"
# The events after which a version holds the alias.
SWITCHES = ("promoted", "rolled_back")
Json = dict[str, t.Any]


@dataclass(frozen=True)
class Gate:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Thresholds:
    """What is asked of the version and of its run."""

    tags: Mapping[str, t.Any]
    metrics: Sequence[Mapping[str, t.Any]]
    run_finished: bool = True


def version_gates(tags: Mapping[str, str], run: Mapping[str, t.Any] | None, wanted: Thresholds) -> Iterator[Gate]:
    """The gates that the registry and the run answer; tags of the version win over those of the run."""
    info: Mapping[str, t.Any] = (run or {}).get("info", {})
    data: Mapping[str, t.Any] = (run or {}).get("data", {})
    of_run = {item["key"]: item.get("value", "") for item in data.get("tags", [])}
    values = {item["key"]: item.get("value") for item in data.get("metrics", [])}
    if wanted.run_finished:
        status = str(info.get("status", "there is no source run"))
        yield Gate("source run", status == "FINISHED", status)
    for key, value in sorted(wanted.tags.items()):
        yield tag_gate(key, value, {**of_run, **tags}.get(key))
    for threshold in wanted.metrics:
        yield metric_gate(threshold, values.get(threshold["name"]))


def tag_gate(key: str, wanted: t.Any, found: str | None) -> Gate:
    """A tag that must be there, with this value if one is given."""
    name = f"tag {key}"
    if not found:
        return Gate(name, False, "is missing")
    if wanted not in (None, "") and str(wanted) != found:
        return Gate(name, False, f"is {found}, {wanted} is wanted")
    return Gate(name, True, found)


def metric_gate(threshold: Mapping[str, t.Any], value: t.Any) -> Gate:
    """A metric of the run between its bounds; what is no number is outside of them."""
    name = f"metric {threshold['name']}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return Gate(name, False, "is missing")
    minimum, maximum = threshold.get("minimum"), threshold.get("maximum")
    if minimum is not None and not number >= minimum:
        return Gate(name, False, f"is {number:g}, at least {minimum:g} is wanted")
    if maximum is not None and not number <= maximum:
        return Gate(name, False, f"is {number:g}, at most {maximum:g} is wanted")
    return Gate(name, True, f"{number:g}")


def digest_gate(recorded: str | None, tag: str, found: str) -> Gate:
    """The files as they were when the version was registered."""
    if not recorded:
        return Gate("files", False, f"the tag {tag} is missing; whoever registers a version must write it")
    if recorded != found:
        return Gate("files", False, f"their digest is {found}, {recorded} was recorded: somebody changed them")
    return Gate("files", True, found)


def model_gates(check: Mapping[str, t.Any]) -> Iterator[Gate]:
    """What loading the model and predicting on its example showed."""
    if "error" in check:
        yield Gate("prediction", False, str(check["error"]))
        return
    yield Gate("signature", bool(check["signature"]), "present" if check["signature"] else "is missing")
    if not check["example"]:
        yield Gate("prediction", False, "the model has no input example")
        return
    yield Gate("prediction", True, f"a {check['predicted']}")


def approval_gate(approver: str | None, promoter: str, authors: Sequence[str]) -> Gate:
    """A second person, who neither made the model nor promotes it."""
    if not approver:
        return Gate("approval", False, "is missing; give the approver's own credentials")
    if approver == promoter:
        return Gate("approval", False, f"{approver} promotes and cannot approve as well")
    if approver in authors:
        return Gate("approval", False, f"{approver} made the model and cannot approve it")
    return Gate("approval", True, approver)


def authors_of(version: Mapping[str, t.Any], run: Mapping[str, t.Any] | None) -> list[str]:
    """Who is named as the maker of a version."""
    data: Mapping[str, t.Any] = (run or {}).get("data", {})
    named = [item.get("value", "") for item in data.get("tags", []) if item["key"] == "mlflow.user"]
    named += [str((run or {}).get("info", {}).get("user_id") or ""), str(version.get("user_id") or "")]
    return sorted({name for name in named if name})


def sentence(gates: Sequence[Gate]) -> str:
    """All that is wrong, or that nothing is."""
    red = [f"{gate.name} {gate.detail}" for gate in gates if not gate.ok]
    return f"{len(red)} of {len(gates)} gates are red: {'; '.join(red)}" if red else f"{len(gates)} gates are green"


def target_version(state: str, version: str | None, current: str | None, previous: str | None) -> tuple[str, str]:
    """The version that the alias is to point at, or "" and why there is none."""
    if version:
        return version, ""
    if state == "promoted":
        return "", "version is needed to promote"
    if not previous:
        return "", "there is no previous version to roll back to; name one"
    if previous == current:
        return "", "the previous version is the current one, as a promotion was broken off; name a version"
    return previous, ""


def event_key(stamp: str) -> str:
    """The version tag that keeps one event."""
    return f"{EVENT_PREFIX}{stamp}"


def event_value(**facts: str | None) -> str:
    """What happened, as a line of JSON without what is not known."""
    return json.dumps({key: value for key, value in facts.items() if value}, sort_keys=True, ensure_ascii=False)


def was_champion(tags: Mapping[str, str], alias: str) -> bool:
    """Whether an event on a version says that it held the alias once."""
    return any(_switched(value, alias) for key, value in tags.items() if key.startswith(EVENT_PREFIX))


def _switched(value: str, alias: str) -> bool:
    try:
        event = json.loads(value)
    except ValueError:
        return False
    return isinstance(event, dict) and event.get("alias") == alias and event.get("action") in SWITCHES
