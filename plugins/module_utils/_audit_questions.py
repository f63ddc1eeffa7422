# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that auditors ask, as statements. Pure; private to this collection."""

from __future__ import annotations

import csv
import io
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WHO = "user_name AS user, auth, groups"
WHAT = "operation, experiment_id, run_id, model, version, alias, outcome, status"
BETWEEN = "(%(from)s::timestamptz IS NULL OR time >= %(from)s) AND (%(to)s::timestamptz IS NULL OR time < %(to)s)"
TIME = "to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
# Administrators are known by numbers until they have logged in.
NAMES = (
    "names AS (SELECT DISTINCT ON (user_id) user_id, name FROM (SELECT seq, user_name AS name,"
    " detail::jsonb ->> 'user_id' AS user_id FROM audit.event"
    " WHERE kind = 'event' AND operation IN ('LOGIN', 'CLIENT_LOGIN')) AS logged_in"
    " WHERE user_id IS NOT NULL ORDER BY user_id, seq DESC)"
)
# Moving an alias or a stage is how a model is promoted and rolled back.
PROMOTIONS = (
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "transition_model_version_stage",
    "transition_stage",
)


@dataclass(frozen=True)
class Question:
    """A statement, and what must be given for it."""

    statement: str
    needs: tuple[str, ...] = ()


def requests(condition: str, kinds: str = "'request'") -> str:
    """Return the statement for rows that meet a condition, in the order in which they were stored."""
    columns = f"{TIME} AS time, {WHO}, remote_addr, method, {WHAT}, uri, request_id"
    return f"SELECT {columns} FROM audit.event WHERE kind IN ({kinds}) AND {BETWEEN} AND ({condition}) ORDER BY seq"


QUESTIONS: Mapping[str, Question] = {
    "who_promoted": Question(requests("model = %(model)s AND operation = ANY(%(promotions)s)"), ("model",)),
    "requests_of_user": Question(requests("user_name = %(user)s", "'request', 'event'"), ("user",)),
    "keycloak_events": Question(
        f"WITH {NAMES} SELECT {TIME} AS time, coalesce(name, user_name) AS user, remote_addr, operation, outcome, uri,"
        " detail FROM audit.event LEFT JOIN names ON user_id = user_name"
        f" WHERE kind = 'event' AND source ~ '/keycloak$' AND {BETWEEN}"
        " AND (%(user)s::text IS NULL OR coalesce(name, user_name) = %(user)s) ORDER BY seq"
    ),
    "console_log_ins": Question(
        f"SELECT {TIME} AS time, user_name AS user, remote_addr, operation, outcome, status, request_id"
        f" FROM audit.event WHERE kind = 'event' AND source ~ '/minio$' AND {BETWEEN}"
        " AND (%(user)s::text IS NULL OR user_name = %(user)s) ORDER BY seq"
    ),
    "refused_requests": Question(requests("outcome = 'refused'")),
    "requests_of_run": Question(requests("run_id = %(run)s"), ("run",)),
    "requests_to": Question(requests("position(%(text)s IN uri) > 0"), ("text",)),
    "runs_per_user": Question(
        "SELECT user_name AS user, count(DISTINCT run_id) AS runs FROM audit.event WHERE kind = 'request'"
        " AND operation = 'create_run' AND outcome = 'allowed'"
        " AND time >= coalesce(%(from)s::timestamptz, date_trunc('month', now()))"
        " AND (%(to)s::timestamptz IS NULL OR time < %(to)s) GROUP BY user_name ORDER BY 2 DESC, 1"
    ),
    "slowest_runs": Question(
        "SELECT run_id, min(experiment_id) AS experiment_id, min(user_name) FILTER (WHERE operation = 'create_run')"
        " AS user, round(extract(epoch FROM max(time) - min(time)), 3) AS seconds, count(*) AS requests"
        f" FROM audit.event WHERE kind = 'request' AND run_id IS NOT NULL AND {BETWEEN}"
        " AND operation = ANY(%(writes)s) GROUP BY run_id HAVING bool_or(operation = 'create_run')"
        " ORDER BY seconds DESC"
    ),
    "other_rows": Question(
        f"SELECT seq, {TIME} AS time, source, kind, detail FROM audit.event"
        f" WHERE kind NOT IN ('request', 'event') AND {BETWEEN} ORDER BY seq"
    ),
}
# What a run does while it runs; looking at it later does not make it longer.
WRITES = (
    "create_run", "update_run", "log_metric", "log_param", "log_batch", "log_inputs", "log_outputs", "log_model",
    "set_tag", "delete_tag", "upload_artifact", "create_logged_model", "finalize_logged_model",
)  # fmt: skip


def parameters(options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the values of a statement from the options of a module; what is not given is None."""
    names = ("model", "user", "run", "text", "from", "to")
    given = {name: options.get(name) or None for name in names}
    return {**given, "promotions": list(PROMOTIONS), "writes": list(WRITES)}


def limited(question: str) -> str:
    """Return the statement of a question with a limit, one row beyond which shows that there are more."""
    return f"{QUESTIONS[question].statement} LIMIT %(limit)s + 1"


def cell(value: t.Any) -> str:
    """Return a value as a text on one line."""
    return "" if value is None else " ".join(str(value).split())


def as_table(columns: Sequence[str], rows: Sequence[Sequence[t.Any]]) -> str:
    """Return rows as aligned text; columns that are empty everywhere are left out."""
    kept = [index for index in range(len(columns)) if not rows or any(cell(row[index]) for row in rows)]
    lines = [[columns[index] for index in kept], *([cell(row[index]) for index in kept] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(kept))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[t.Any]]) -> str:
    """Return rows as CSV; a text that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        texts = ["" if value is None else str(value) for value in row]
        writer.writerow([f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text for text in texts])
    return out.getvalue()
