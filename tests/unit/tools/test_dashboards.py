# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Grafana and its readers need of each dashboard."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "monitoring"
FILES = sorted((ROLE / "files" / "dashboards").glob("*.json"))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Names that rules give to what they measure.
RECORDED = {
    name
    for path in (ROLE / "files" / "rules").glob("*.yml")
    for name in re.findall(r"- record: (\S+)", path.read_text())
}


@pytest.fixture(name="page", params=FILES, ids=lambda path: path.stem)
def one_dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(json.loads(request.param.read_text()))


def shown(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [panel for panel in page["panels"] if panel["type"] != "row"]


def test_names_are_unique() -> None:
    pages = [json.loads(path.read_text()) for path in FILES]
    assert len(pages) == 6
    for key in ("uid", "title"):
        assert len({page[key] for page in pages}) == len(pages)


def test_the_page_asks_for_its_data_source(page: dict[str, Any]) -> None:
    assert [(var["name"], var["type"], var["query"]) for var in page["templating"]["list"]] == [
        ("datasource", "datasource", "prometheus")
    ]
    assert page["description"]
    assert page["refresh"]


def test_panels_have_numbers_of_their_own(page: dict[str, Any]) -> None:
    numbers = [panel["id"] for panel in page["panels"]]
    assert len(set(numbers)) == len(numbers)
    titles = [panel["title"] for panel in page["panels"]]
    assert len(set(titles)) == len(titles)


def test_panels_say_what_they_show_and_in_which_unit(page: dict[str, Any]) -> None:
    for panel in shown(page):
        assert panel["title"], panel["id"]
        assert len(panel["description"]) > 15, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_questions_go_to_the_chosen_source(page: dict[str, Any]) -> None:
    for panel in shown(page):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters, panel["title"]
        assert len(set(letters)) == len(letters), panel["title"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == SOURCE, panel["title"]


def test_windows_follow_the_zoom_and_recorded_names_exist(page: dict[str, Any]) -> None:
    for panel in shown(page):
        for target in panel["targets"]:
            assert not re.search(r"\b(i?rate)\([^\[]*\[\d", target["expr"]), target["expr"]
            for name in re.findall(r"mlops:[a-z_0-9:]+(?:\([^)]*\))?", target["expr"]):
                assert any(re.fullmatch(name, known) for known in RECORDED), target["expr"]


def test_panels_lie_within_the_page_and_beside_each_other(page: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in page["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
