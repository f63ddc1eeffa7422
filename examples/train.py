# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a regression model and log everything about it to MLflow.

Where the server is and who you are comes from the environment, as MLflow's client reads it:
MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD and, if the server's certificate
comes from the platform's own authority, MLFLOW_TRACKING_SERVER_CERT_PATH.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from importlib.metadata import version

import matplotlib
from digest import folder_digest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Metric
from mlflow.models import infer_signature
from run_log import run_with_log
from sklearn.datasets import fetch_california_housing, load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--experiment", default="regression-demo", help="name of the experiment")
    parser.add_argument("--model-name", default="regression-demo", help="name in the model registry")
    parser.add_argument("--team", default="data-science", help="value of the tag team")
    parser.add_argument(
        "--data",
        choices=("diabetes", "california"),
        default="diabetes",
        help="scikit-learn's data: diabetes comes with it, california is downloaded once",
    )
    parser.add_argument("--n-estimators", type=int, default=200, help="number of boosting stages")
    parser.add_argument("--max-depth", type=int, default=3, help="depth of each tree")
    parser.add_argument("--learning-rate", type=float, default=0.05, help="weight of each tree")
    parser.add_argument("--subsample", type=float, default=0.8, help="part of the rows that each tree sees")
    parser.add_argument("--test-size", type=float, default=0.25, help="part of the rows kept for the test")
    parser.add_argument("--seed", type=int, default=42, help="seed of every random choice")
    return parser.parse_args()


def load_data(name: str) -> tuple[pd.DataFrame, pd.Series]:
    loader = load_diabetes if name == "diabetes" else fetch_california_housing
    data = loader(as_frame=True)
    return data.data.astype("float64"), data.target.astype("float64")


def staged_metrics(
    model: GradientBoostingRegressor, x_train: pd.DataFrame, y_train: pd.Series, x_test: pd.DataFrame, y_test: pd.Series
) -> list[dict[str, float]]:
    """The errors after each boosting stage."""
    return [
        {
            "train_rmse": float(np.sqrt(mean_squared_error(y_train, train))),
            "test_rmse": float(np.sqrt(mean_squared_error(y_test, test))),
        }
        for train, test in zip(model.staged_predict(x_train), model.staged_predict(x_test), strict=True)
    ]


def log_history(run_id: str, history: list[dict[str, float]]) -> None:
    """Write the whole learning curve in a few requests; MLflow takes 1000 metrics in each."""
    now = int(pd.Timestamp.now(tz="UTC").timestamp() * 1000)
    metrics = [
        Metric(name, value, timestamp=now, step=step)
        for step, values in enumerate(history, start=1)
        for name, value in values.items()
    ]
    client = mlflow.MlflowClient()
    for start in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[start : start + 1000])


def plot_learning_curve(history: list[dict[str, float]]) -> Figure:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    pd.DataFrame(history, index=range(1, len(history) + 1)).plot(ax=axes)
    axes.set(xlabel="boosting stage", ylabel="RMSE", title="Learning curve")
    return figure


def plot_residuals(y_test: pd.Series, predicted: np.ndarray) -> Figure:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.scatter(predicted, y_test - predicted, s=12, alpha=0.6)
    axes.axhline(0, color="black", linewidth=1)
    axes.set(xlabel="prediction", ylabel="residual", title="Residuals of the test rows")
    return figure


def plot_feature_importance(names: list[str], importances: np.ndarray) -> Figure:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    pd.Series(importances, index=names).sort_values().plot.barh(ax=axes)
    axes.set(xlabel="importance", title="Feature importance")
    return figure


def train(arguments: argparse.Namespace) -> None:
    """Everything that belongs to the run; an exception ends it as FAILED, with its traceback in the run's log."""
    mlflow.set_tags({"team": arguments.team, "data": arguments.data})
    mlflow.log_params(
        {
            "n_estimators": arguments.n_estimators,
            "max_depth": arguments.max_depth,
            "learning_rate": arguments.learning_rate,
            "subsample": arguments.subsample,
            "test_size": arguments.test_size,
            "seed": arguments.seed,
        }
    )
    x, y = load_data(arguments.data)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=arguments.test_size, random_state=arguments.seed
    )
    model = GradientBoostingRegressor(
        n_estimators=arguments.n_estimators,
        max_depth=arguments.max_depth,
        learning_rate=arguments.learning_rate,
        subsample=arguments.subsample,
        random_state=arguments.seed,
    ).fit(x_train, y_train)

    history = staged_metrics(model, x_train, y_train, x_test, y_test)
    log_history(mlflow.active_run().info.run_id, history)
    predicted = model.predict(x_test)
    mlflow.log_metrics(
        {
            "rmse": float(np.sqrt(mean_squared_error(y_test, predicted))),
            "mae": float(mean_absolute_error(y_test, predicted)),
            "r2": float(r2_score(y_test, predicted)),
        }
    )

    mlflow.log_figure(plot_learning_curve(history), "figures/learning_curve.png")
    mlflow.log_figure(plot_residuals(y_test, predicted), "figures/residuals.png")
    mlflow.log_figure(
        plot_feature_importance(list(x.columns), model.feature_importances_), "figures/feature_importance.png"
    )

    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(x_train, model.predict(x_train)),
        input_example=x_train.head(3),
        registered_model_name=arguments.model_name,
        # The model is stored by skops, which loads no types but known ones; the trees come from our own training.
        skops_trusted_types=["sklearn.tree._tree.Tree"],
        # Named here, or MLflow would load the model in another process to find them.
        pip_requirements=[
            f"{name}=={version(name)}" for name in ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
        ],
    )
    record_digest(arguments.model_name, str(logged.registered_model_version), logged.model_uri)


def record_digest(model_name: str, model_version: str, model_uri: str) -> None:
    """Say what the files are today; the gates of a promotion compare."""
    with tempfile.TemporaryDirectory() as folder:
        digest = folder_digest(mlflow.artifacts.download_artifacts(model_uri, dst_path=folder))
    mlflow.MlflowClient().set_model_version_tag(model_name, model_version, "artifact_sha256", digest)


def main() -> None:
    arguments = parse_arguments()
    if "MLFLOW_TRACKING_URI" not in os.environ:
        raise SystemExit("MLFLOW_TRACKING_URI is not set; write your server's URL, such as https://mlflow.example.com")
    experiment = mlflow.set_experiment(arguments.experiment)
    with run_with_log() as run:
        train(arguments)
    base = mlflow.get_tracking_uri().rstrip("/")
    print(f"Run: {base}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}")
    print(f"Model: {base}/#/models/{arguments.model_name}")


if __name__ == "__main__":
    main()
