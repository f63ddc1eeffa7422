# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the dashboards of Grafana into roles/monitoring/files/dashboards, or check that they are as written here.

What they show is in dashboard_panels.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboard_panels import DASHBOARDS, Dashboard, Panel
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

AnyPanel = stat.Panel | table.Panel | timeseries.Panel

FOLDER = Path(__file__).resolve().parent.parent / "roles" / "monitoring" / "files" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = {"timeseries": 8, "stat": 4, "table": 8}


def panel_builder(spec: Panel, number: int) -> AnyPanel:
    """Return the builder of one panel."""
    builder: AnyPanel
    if spec.kind == "timeseries":
        builder = timeseries.Panel().fill_opacity(10)
    else:
        builder = stat.Panel() if spec.kind == "stat" else table.Panel()
    builder.id(number).title(spec.title).description(spec.description).unit(spec.unit).datasource(SOURCE)
    builder.span(spec.width).height(HEIGHT[spec.kind])
    for letter, query in zip("ABCDEFGH", spec.queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter).datasource(SOURCE)
        if spec.kind == "table":
            target.format(PromQueryFormat.TABLE)
        builder.with_target(target.range() if spec.kind == "timeseries" else target.instant())
    return builder


def encode(spec: Dashboard) -> str:
    """Return one dashboard as Grafana reads it."""
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    page = dashboard.Dashboard(spec.title).uid(f"mlops-{spec.name}").description(spec.description)
    page.tags(["mlops-tracking"]).timezone("browser").refresh("30s").time("now-6h", "now").with_variable(source)
    number = 0
    for title, panels in spec.rows:
        number += 1
        page.with_row(dashboard.Row(title).id(number))
        for panel in panels:
            number += 1
            page.with_panel(panel_builder(panel, number))
    return JSONEncoder(sort_keys=True, indent=2).encode(page.build()) + "\n"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a file is not as it would be")
    options = parser.parse_args()
    wanted = {FOLDER / f"{spec.name}.json": encode(spec) for spec in DASHBOARDS}
    found = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    different = sorted(path.name for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if options.check:
        for name in different:
            print(f"{name} is not what tools/dashboards.py writes")
        return 1 if different else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in found.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
