# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module asks a helper that runs in MLflow's own Python. Private to this collection."""

from __future__ import annotations

import inspect
import json
import types
import typing as t
from collections.abc import Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_schema import scrub

PYTHON_ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "python": {"type": "path", "required": True, "aliases": ["executable"]},
    "database_uri": {"type": "str", "required": True, "no_log": True},
}


class HelperError(Exception):
    """The helper's own error, or what its interpreter said last."""


def ask(
    module: AnsibleModule, helper: types.ModuleType, arguments: Sequence[str], environment: Mapping[str, str]
) -> dict[str, t.Any]:
    """Run the helper's text in the interpreter `python` of the module; returns its answer.

    Secrets go in by the environment: a command line is everybody's.
    """
    params = module.params
    # Isolated mode: neither PYTHON* variables nor the working directory change what is imported.
    command = [params["python"], "-I", "-", *arguments]
    code, stdout, stderr = module.run_command(
        command,
        data=inspect.getsource(helper),
        environ_update={**environment, "MLFLOW_DISABLE_TELEMETRY": "true"},
        handle_exceptions=False,
    )
    try:
        result: dict[str, t.Any] = json.loads(stdout)
    except ValueError:
        last = scrub(stderr.strip().rpartition("\n")[2], params["database_uri"])
        raise HelperError(f"{params['python']} ended with {code}: {last or 'no output'}") from None
    if "error" in result:
        raise HelperError(scrub(result["error"], params["database_uri"]))
    return result


def cannot_run(module: AnsibleModule, exc: OSError) -> str:
    """What to say when the interpreter does not start."""
    return f"python {module.params['python']} cannot be run: {exc.strerror}; name MLflow's interpreter"
