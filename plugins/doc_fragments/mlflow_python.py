# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How the modules that work on MLflow's databases run MLflow's own code."""

    DOCUMENTATION = r"""
options:
  python:
    description:
      - Path of the Python interpreter of MLflow's virtual environment.
    type: path
    required: true
    aliases: [executable]
  database_uri:
    description:
      - SQLAlchemy URI of the database, such as C(postgresql+psycopg2://user:password@db.example.com/mlflow?sslmode=verify-full).
        A migration needs the user who owns the tables, everything else the user that the server has.
      - It and other secrets reach the interpreter by its environment, never by its command line.
    type: str
    required: true
"""
