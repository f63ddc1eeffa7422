# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_promotion_gates
short_description: Look at a model version before it is promoted
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Looks at everything that is asked of a version before M(mlops.tracking.mlflow_promotion) makes it the champion, and
    fails if one thing is not as it should be. Nothing is changed.
  - The model is fetched, its files are compared with what was recorded, it is loaded, and it predicts on the example
    that it was logged with.
  - Loading runs the model's code. It runs in a process of its own without the caller's credentials and environment,
    with bounds on time, memory and files, and without a network where the host lets users make namespaces.
    It runs as the same user, so give the gates to a machine that holds nothing of worth.
options:
  name:
    description:
      - Name of the registered model.
    type: str
    required: true
  version:
    description:
      - The version.
    type: str
  alias:
    description:
      - The version that this alias points at, instead of O(version).
    type: str
  tags:
    description:
      - Tags that the version or its run must have. An empty value asks for any.
    type: dict
    default: {}
  metrics:
    description:
      - Metrics of the run, with their bounds.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the metric.
        type: str
        required: true
      minimum:
        description:
          - The smallest value that is good enough.
        type: float
      maximum:
        description:
          - The largest value that is good enough.
        type: float
  run_finished:
    description:
      - Whether the version must come from a run that ended well.
    type: bool
    default: true
  digest_tag:
    description:
      - The version tag with the SHA-256 of the files, written by whoever registered the version. Empty asks for none.
      - The digest is that of the lines which C(sha256sum) prints for all files, sorted by path.
    type: str
    default: artifact_sha256
  digest:
    description:
      - The SHA-256 of the files that is expected, instead of the one in O(digest_tag).
    type: str
  predict:
    description:
      - Whether the model must load, have a signature, and predict on its example.
    type: bool
    default: true
  python:
    description:
      - A Python with MLflow and with what the model needs.
    type: path
    default: python3
  seconds:
    description:
      - Bound on the time of loading and predicting.
    type: int
    default: 300
  megabytes:
    description:
      - Bound on the address space of loading and predicting.
    type: int
    default: 8192
  approval:
    description:
      - Whether a second person must agree, who neither promotes nor made the model. That person proves it with
        credentials of their own.
    type: bool
    default: false
  approver_username:
    description:
      - The approver, together with O(approver_password).
    type: str
  approver_password:
    description:
      - Password of O(approver_username).
    type: str
  approver_token:
    description:
      - Bearer token of the approver, instead of a password.
    type: str
extends_documentation_fragment:
  - mlops.tracking.attributes.info
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
requirements:
  - MLflow, in O(python)
seealso:
  - module: mlops.tracking.mlflow_promotion
"""

EXAMPLES = r"""
- name: Look at a version
  mlops.tracking.mlflow_promotion_gates:
    mlflow_url: https://mlflow.example.com
    mlflow_token: "{{ lookup('ansible.builtin.env', 'MLFLOW_TRACKING_TOKEN') }}"
    name: pricing
    version: "4"
    tags:
      team: pricing
      data: ""
    metrics:
      - name: rmse
        maximum: 60
    python: /opt/promotion/bin/python
"""

RETURN = r"""
gates:
  description: What was looked at.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: What it is.
      type: str
      sample: metric rmse
    ok:
      description: Whether it is as it should be.
      type: bool
    detail:
      description: What was seen.
      type: str
      sample: is 71, at most 60 is wanted
version:
  description: The version that was looked at.
  returned: success
  type: str
  sample: "4"
aliases:
  description: The versions that aliases pointed at, for the C(expected_version) of M(mlops.tracking.mlflow_promotion).
  returned: success
  type: dict
  sample:
    champion: "3"
promoter:
  description: Whom the server takes the caller for.
  returned: success
  type: str
  sample: grace
approver:
  description: Whom the server takes the approver for, or an empty text.
  returned: success
  type: str
  sample: ada
digest:
  description: SHA-256 of the files, or an empty text where nothing asked for it.
  returned: success
  type: str
network_closed:
  description: Whether the model was loaded without a network.
  returned: success
  type: bool
"""

import inspect
import json
import os
import shutil
import tempfile
import typing as t
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_model_check
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi, tags_of
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import (
    MlflowApiError,
    MlflowClient,
    argument_spec,
    from_module,
    module_rules,
    route_of,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_gates import (
    Gate,
    Thresholds,
    approval_gate,
    authors_of,
    digest_gate,
    model_gates,
    sentence,
    version_gates,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import PlanError

METRIC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "minimum": {"type": "float"},
    "maximum": {"type": "float"},
}
PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str"},
    "alias": {"type": "str"},
    "tags": {"type": "dict", "default": {}},
    "metrics": {"type": "list", "elements": "dict", "default": [], "options": METRIC},
    "run_finished": {"type": "bool", "default": True},
    "digest_tag": {"type": "str", "default": "artifact_sha256"},
    "digest": {"type": "str"},
    "predict": {"type": "bool", "default": True},
    "python": {"type": "path", "default": "python3"},
    "seconds": {"type": "int", "default": 300},
    "megabytes": {"type": "int", "default": 8192},
    "approval": {"type": "bool", "default": False},
    "approver_username": {"type": "str"},
    "approver_password": {"type": "str", "no_log": True},
    "approver_token": {"type": "str", "no_log": True},
}
# What the shortened environment of the model's process still has.
PATH = "/usr/local/bin:/usr/bin:/bin"
NO_NETWORK = ["unshare", "--user", "--map-root-user", "--net", "--"]


class Check:
    """The helper in MLflow's Python, with and without the caller's credentials."""

    def __init__(self, module: AnsibleModule, folder: str) -> None:
        self._module = module
        self._folder = folder
        self._files = os.path.join(folder, "model")
        self.network_closed = bool(shutil.which("unshare")) and module.run_command([*NO_NETWORK, "true"])[0] == 0

    def download(self, uri: str) -> dict[str, t.Any]:
        """Fetch the files as the caller."""
        os.mkdir(self._files)
        params = self._module.params
        environment = {
            "MLFLOW_TRACKING_URI": params["mlflow_url"],
            "MLFLOW_TRACKING_USERNAME": params["mlflow_username"],
            "MLFLOW_TRACKING_PASSWORD": params["mlflow_password"],
            "MLFLOW_TRACKING_TOKEN": params["mlflow_token"],
            "MLFLOW_TRACKING_SERVER_CERT_PATH": params["ca_path"],
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        given = {name: value for name, value in environment.items() if value}
        return self._ask([params["python"], "-I", "-", "download", uri, self._files], given)

    def predict(self) -> dict[str, t.Any]:
        """Load what was fetched as nobody in particular."""
        params = self._module.params
        command = ["env", "-i", f"HOME={self._folder}", f"TMPDIR={self._folder}", f"PATH={PATH}"]
        command += ["MLFLOW_DISABLE_TELEMETRY=true", f"MLFLOW_TRACKING_URI=file://{self._folder}/none"]
        command += ["timeout", "--kill-after=5", str(params["seconds"])]
        command += NO_NETWORK if self.network_closed else []
        bounds = [str(params["seconds"]), str(params["megabytes"])]
        return self._ask([*command, self._python(), "-I", "-", "predict", self._files, *bounds], {})

    def _python(self) -> str:
        """The interpreter by its whole path, as the search path is another one in there."""
        python: str = self._module.params["python"]
        return shutil.which(python) or python

    def _ask(self, command: list[str], environment: dict[str, str]) -> dict[str, t.Any]:
        text = inspect.getsource(_mlflow_model_check)
        code, stdout, stderr = self._module.run_command(
            command, data=text, environ_update=environment, cwd=self._folder, handle_exceptions=False
        )
        try:
            return t.cast("dict[str, t.Any]", json.loads(stdout))
        except ValueError:
            last = stderr.strip().rpartition("\n")[2]
            return {"error": f"{self._module.params['python']} ended with {code}: {last[:500] or 'no output'}"}


def approver(module: AnsibleModule) -> str | None:
    """Whom the server takes the approver for; None where nobody approves."""
    params = module.params
    if not params["approver_token"] and not params["approver_password"]:
        return None
    client = MlflowClient(
        params["mlflow_url"],
        username=params["approver_username"],
        password=params["approver_password"],
        token=params["approver_token"],
        timeout=params["timeout"],
        route=route_of(params),
    )
    return MlflowApi(client).current_user()


def look_at_files(check: Check, params: dict[str, t.Any], tags: dict[str, str], uri: str) -> tuple[str, list[Gate]]:
    """The digest of the files, and the gates that need them."""
    if not (params["predict"] or params["digest_tag"] or params["digest"]):
        return "", []
    found = check.download(uri)
    if "error" in found:
        return "", [Gate("files", False, f"cannot be fetched: {found['error']}")]
    gates = []
    if params["digest"] or params["digest_tag"]:
        recorded = params["digest"] or tags.get(params["digest_tag"])
        gates.append(digest_gate(recorded, params["digest_tag"], found["digest"]))
    # Files that somebody changed are not run.
    if params["predict"] and all(gate.ok for gate in gates):
        gates += model_gates(check.predict())
    return found["digest"], gates


def look(module: AnsibleModule, api: MlflowApi) -> dict[str, t.Any]:
    """Everything that was seen, and whether it is as it should be."""
    params = module.params
    name = params["name"]
    model = api.registered_model(name)
    if model is None:
        raise PlanError("there is no such model")
    number = params["version"] or model.aliases.get(params["alias"])
    version = api.model_version(name, number) if number else None
    if version is None:
        raise PlanError(f"there is no version {number or 'with alias ' + params['alias']}")
    run = api.run(version["run_id"]) if version.get("run_id") else None
    promoter, approved_by = api.current_user(), approver(module)
    wanted = Thresholds(params["tags"], params["metrics"], params["run_finished"])
    gates = list(version_gates(tags_of(version), run, wanted))
    if params["approval"]:
        gates.append(approval_gate(approved_by, promoter, authors_of(version, run)))
    with tempfile.TemporaryDirectory(prefix="promotion-", dir=module.tmpdir) as folder:
        check = Check(module, folder)
        digest, of_files = look_at_files(check, params, tags_of(version), f"models:/{name}/{number}")
    gates += of_files
    return {
        "gates": [asdict(gate) for gate in gates],
        "msg": sentence(gates),
        "version": str(number),
        "aliases": dict(model.aliases),
        "promoter": promoter,
        "approver": approved_by or "",
        "digest": digest,
        "network_closed": check.network_closed,
    }


def main() -> None:
    """Run the module."""
    rules = module_rules()
    module = AnsibleModule(
        argument_spec={**argument_spec(), **PROPERTIES},
        supports_check_mode=True,
        required_together=[*rules["required_together"], ("approver_username", "approver_password")],
        mutually_exclusive=[
            *rules["mutually_exclusive"],
            ("version", "alias"),
            ("approver_token", "approver_password"),
        ],
        required_one_of=[("version", "alias")],
    )
    api = MlflowApi(from_module(module))
    name = module.params["name"]
    try:
        found = look(module, api)
    except (MlflowApiError, PlanError) as exc:
        module.fail_json(msg=f"Registered model {name}: {exc}", gates=[])
    except OSError as exc:
        module.fail_json(msg=f"python {module.params['python']} cannot be run: {exc.strerror}", gates=[])
    found["msg"] = f"{name} version {found['version']}: {found['msg']}"
    if all(gate["ok"] for gate in found["gates"]):
        module.exit_json(changed=False, **found)
    module.fail_json(changed=False, **found)


if __name__ == "__main__":
    main()
