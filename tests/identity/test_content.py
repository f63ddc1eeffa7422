# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to registered versions: spellings, places, and what a request would touch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_identity.content import (
    DECODINGS,
    MARGIN_MS,
    RELOAD_SECONDS,
    Protected,
    Registered,
    Touch,
    UnreadablePath,
    Version,
    clean,
    is_foreign,
    located,
    spellings,
)

MODEL = "1/models/m-0123/artifacts"
RUN = "0123456789abcdef0123456789abcdef"
DESTINATION = "s3://mlflow/store"


@pytest.mark.parametrize(
    "text",
    [
        f"{MODEL}/MLmodel",
        f"/{MODEL}/MLmodel",
        "1//models/m-0123///artifacts/MLmodel",
        "1/./models/./m-0123/artifacts/./MLmodel",
        "1/models/other/../m-0123/artifacts/MLmodel",
        "../../1/models/m-0123/artifacts/MLmodel",
        "1%2Fmodels%2fm-0123%2Fartifacts%2FMLmodel",
        "1/%6dodels/m-0123/artifacts/MLmodel",
        "1/%256dodels/m-0123/artifacts/MLmodel",
        "1/%25256dodels/m-0123/artifacts/MLmodel",
        "1/models/x/%2e%2e/m-0123/artifacts/MLmodel",
        "1/models/x/%252e%252e/m-0123/artifacts/MLmodel",
        "1/MODELS/m-0123/Artifacts/mlMODEL",
        f"file:{MODEL}/MLmodel",
        f"FILE:///{MODEL}/MLmodel",
        f"file%3A{MODEL}/MLmodel",
    ],
)
def test_every_spelling_is_found(text: str) -> None:
    protected = Protected()
    protected.add(clean(MODEL))
    assert protected.forbids(Touch(spellings(text)))


@pytest.mark.parametrize(
    "text",
    [
        "1/models/m-0124/artifacts/MLmodel",
        "1/models/m-0123",
        "1/models/m-0123/artifacts2/MLmodel",
        "11/models/m-0123/artifacts/MLmodel",
        "2/1/models/m-0123/artifacts/MLmodel",
        f"1/{RUN}/artifacts/plot.png",
        "1/models/m-0123/artifacts/../other",
    ],
)
def test_neighbours_are_free(text: str) -> None:
    protected = Protected()
    protected.add(clean(MODEL))
    assert not protected.forbids(Touch(frozenset({clean(text)})))


def test_a_path_that_never_ends_to_be_encoded_is_refused() -> None:
    text = "a/b"
    for _layer in range(DECODINGS):
        text = quote(text, safe="").replace("a", "%61")
    with pytest.raises(UnreadablePath):
        spellings(text)


@given(st.lists(st.sampled_from(["1", "a", "..", ".", "", "%2e%2e", "%2F", "%252e"]), max_size=9))
def test_no_spelling_has_a_part_that_means_another_folder(parts: list[str]) -> None:
    for spelling in spellings("/".join(parts)):
        assert not {"..", ".", ""} & set(spelling.split("/")) or spelling == ""


@pytest.mark.parametrize(
    ("uri", "destination", "expected"),
    [
        ("mlflow-artifacts:/1/abc/artifacts/model", DESTINATION, "1/abc/artifacts/model"),
        ("mlflow-artifacts:///1/abc/artifacts/model/", DESTINATION, "1/abc/artifacts/model"),
        ("mlflow-artifacts://host:5000/1//abc/artifacts", DESTINATION, "1/abc/artifacts"),
        ("mlflow-artifacts:/1/abc/artifacts/my%20model", DESTINATION, "1/abc/artifacts/my model"),
        ("https://h/api/2.0/mlflow-artifacts/artifacts/1/a", DESTINATION, "1/a"),
        ("http://h/p/api/2.0/mlflow-artifacts/artifacts/1/a%2Fb", DESTINATION, "1/a/b"),
        ("https://elsewhere.example.com/1/a", DESTINATION, None),
        ("s3://mlflow/store/1/a", DESTINATION, "1/a"),
        ("s3://mlflow/store", DESTINATION, ""),
        ("s3://mlflow/storehouse/1/a", DESTINATION, None),
        ("s3://other/store/1/a", DESTINATION, None),
        ("file:///var/art/1/a", "/var/art", "1/a"),
        ("/var/art/1/a", "/var/art/", "1/a"),
        ("/var/art/1/a", "file:///var/art", "1/a"),
        ("/var/other/1/a", "/var/art", None),
        ("prompt", DESTINATION, None),
        ("", DESTINATION, None),
    ],
)
def test_where_a_uri_points(uri: str, destination: str, expected: str | None) -> None:
    assert located(uri, destination) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("runs:/abc/model", False),
        ("models:/m-1", False),
        ("models:/name/1", False),
        ("mlflow-artifacts:/1/abc/artifacts/model", False),
        ("dummy-source", False),
        ("/var/lib/mlflow/x", False),
        ("", False),
        ("s3://mlflow/1/models/m-1/artifacts", True),
        ("S3://mlflow/1", True),
        (" s3://mlflow/1", True),
        ("gs://bucket/x", True),
        ("http://169.254.169.254/latest", True),
        ("https://h/api/2.0/mlflow-artifacts/artifacts/1", True),
        ("file:///etc", True),
        ("dbfs:/x", True),
        ("hdfs://x/y", True),
    ],
)
def test_a_source_elsewhere_is_foreign(source: str, expected: bool) -> None:
    assert is_foreign(source) is expected


@pytest.mark.parametrize(
    ("touch", "expected"),
    [
        (Touch(frozenset({"1/models"}), recursive=True), True),
        (Touch(frozenset({"1"}), recursive=True), True),
        (Touch(frozenset({""}), recursive=True), True),
        (Touch(frozenset({"1/models/m-0123/artifacts"}), recursive=True), True),
        (Touch(frozenset({"1/models/m-0123/artifacts/code"}), recursive=True), True),
        (Touch(frozenset({"1/mod"}), recursive=True), False),
        (Touch(frozenset({"2"}), recursive=True), False),
        (Touch(frozenset({"z"}), recursive=True), False),
        (Touch(frozenset({"1/models"})), False),
        (Touch(runs=frozenset({RUN})), True),
        (Touch(runs=frozenset({"other"})), False),
        (Touch(), False),
    ],
)
def test_folders_and_runs(touch: Touch, expected: bool) -> None:
    protected = Protected()
    for folder in (MODEL, MODEL, "1/a", ""):
        protected.add(folder)
    protected.runs.add(RUN)
    assert protected.forbids(touch) is expected
    assert protected.ordered == ["1/a", MODEL]


class Rows:
    """A registry in memory."""

    def __init__(self, *versions: Version) -> None:
        self.rows = list(versions)
        self.asked: list[int | None] = []

    def versions(self, since: int | None) -> Iterable[Version]:
        self.asked.append(since)
        return [row for row in self.rows if since is None or row.creation_time >= since]

    def models_with(self, versions: Collection[Version]) -> list[str]:
        return ["m"] if set(versions) & set(self.rows) else []

    def run_location(self, run_id: str) -> str | None:
        return f"mlflow-artifacts:/1/{run_id}/artifacts" if run_id == RUN else None

    def model_location(self, model_id: str) -> str | None:
        return f"mlflow-artifacts:/1/models/{model_id}/artifacts" if model_id.startswith("m-") else None

    def experiment_location(self, experiment_id: str) -> str | None:
        return f"mlflow-artifacts:/{experiment_id}"


def version(source: str, storage: str = "", run: str = "", created: int = 1_000_000_000) -> Version:
    return Version(source, storage or source, run, created)


@pytest.mark.parametrize(
    ("registered", "path"),
    [
        (version(f"runs:/{RUN}/model"), f"1/{RUN}/artifacts/model/MLmodel"),
        (version(f"runs:/{RUN}/a%20b"), f"1/{RUN}/artifacts/a b/MLmodel"),
        (version("models:/m-1"), "1/models/m-1/artifacts/MLmodel"),
        (version("models:/m-1", "mlflow-artifacts:/1/models/m-1/artifacts"), "1/models/m-1/artifacts/x"),
        (version("models:/name/3", f"mlflow-artifacts:/1/{RUN}/artifacts/model"), f"1/{RUN}/artifacts/model/x"),
        (version("s3://mlflow/store/1/x"), "1/x/y"),
    ],
)
def test_sources_of_every_form_are_protected(registered: Version, path: str) -> None:
    known = Registered(Rows(registered), DESTINATION)
    assert known.forbids(Touch(frozenset({path})))
    assert not known.forbids(Touch(frozenset({"1/elsewhere"})))


@pytest.mark.parametrize(
    ("path", "held"),
    [
        (f"1/{RUN}/artifacts/Model", True),
        (f"1/{RUN}/artifacts/Model/code/a.py", True),
        (f"1/{RUN}/artifacts/Model/./code//a.py", True),
        (f"1/{RUN}/artifacts/model/code/a.py", False),
        (f"1/{RUN}/artifacts/Model2", False),
        (f"1/{RUN}/artifacts", False),
        (f"1/{RUN}/artifacts/Model/../other", False),
        ("", False),
    ],
)
def test_what_is_in_a_folder_of_a_version_is_known_letter_by_letter(path: str, held: bool) -> None:
    registered = version(f"runs:/{RUN}/Model")
    found = Registered(Rows(registered, version("mlflow-artifacts:/1/x")), DESTINATION).holding(path)
    assert found == (frozenset({registered}) if held else frozenset())


@pytest.mark.parametrize("source", ["runs:/gone/model", "models:/gone/1", "prompt", "s3://elsewhere/x"])
def test_sources_elsewhere_protect_nothing_here(source: str) -> None:
    assert not Registered(Rows(version(source)), DESTINATION).forbids(Touch(frozenset({"", "1"}), recursive=True))


def test_a_new_version_is_protected_at_once_and_read_by_its_time() -> None:
    rows, now = Rows(version("mlflow-artifacts:/1/a", created=5_000_000_000)), [0.0]
    known = Registered(rows, DESTINATION, lambda: now[0])
    new = Touch(frozenset({"1/b/x"}), runs=frozenset({"r"}))
    assert not known.forbids(new)
    rows.rows.append(version("mlflow-artifacts:/1/b", run="r", created=5_000_000_000 - MARGIN_MS))
    assert known.forbids(new)
    assert rows.asked == [None, 5_000_000_000 - MARGIN_MS]


def test_a_deleted_version_is_free_after_the_next_whole_reading() -> None:
    rows, now = Rows(version("mlflow-artifacts:/1/a")), [0.0]
    known = Registered(rows, DESTINATION, lambda: now[0])
    touch = Touch(frozenset({"1/a/x"}))
    assert known.forbids(touch)
    rows.rows.clear()
    now[0] = RELOAD_SECONDS - 1
    assert known.forbids(touch)
    now[0] = RELOAD_SECONDS
    assert not known.forbids(touch)


def test_a_request_that_touches_nothing_asks_nothing() -> None:
    rows = Rows()
    assert not Registered(rows, DESTINATION).forbids(Touch())
    assert rows.asked == []
