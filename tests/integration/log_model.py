# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log, register and describe small models; run by a Python that has MLflow. Prints a version for each.

Arguments: name of the model, then for each version its rmse and faults, joined by commas: 40,no-signature. Faults are
no-signature, no-digest, breaks and fails.
"""

from __future__ import annotations

import sys

import mlflow
import numpy as np
from digest import folder_digest
from mlflow.models import infer_signature

NAME = sys.argv[1]


class Doubler(mlflow.pyfunc.PythonModel):
    """A model that can also break."""

    def __init__(self, breaks: bool) -> None:
        self.breaks = breaks

    def predict(self, context, model_input, params=None):
        if self.breaks:
            raise RuntimeError("this model cannot predict")
        return np.asarray(model_input) * 2


def log_version(rmse: str, faults: list[str]) -> str:
    """Log and register one version."""
    example = np.array([[1.0], [2.0]])
    with mlflow.start_run(run_name=NAME) as run:
        mlflow.set_tag("team", "pricing")
        mlflow.log_metric("rmse", float(rmse))
        # Without a signature MLflow would infer one from the example.
        signature = False if "no-signature" in faults else infer_signature(example, example * 2)
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=Doubler("breaks" in faults),
            input_example=example,
            signature=signature,
            registered_model_name=NAME,
            pip_requirements=["mlflow"],
        )
    client = mlflow.MlflowClient()
    version = str(logged.registered_model_version)
    if "fails" in faults:
        client.set_terminated(run.info.run_id, "FAILED")
    if "no-digest" not in faults:
        digest = folder_digest(mlflow.artifacts.download_artifacts(logged.model_uri))
        client.set_model_version_tag(NAME, version, "artifact_sha256", digest)
    return version


def main() -> None:
    mlflow.set_experiment(f"experiment of {NAME}")
    for argument in sys.argv[2:]:
        rmse, *faults = argument.split(",")
        print(log_version(rmse, faults), flush=True)


if __name__ == "__main__":
    main()
