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
    is_unclear,
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
    protected.runs[RUN] = set()
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


LOGGED = "m-" + RUN


@pytest.mark.parametrize(
    ("path", "held"),
    [
        (f"1/{RUN}/artifacts/Model", True),
        (f"1/{RUN}/artifacts/Model/code/a.py", True),
        (f"1/{RUN}/artifacts/Model/", True),
        (f"1/{RUN}/artifacts/Model/./code/a.py", False),
        (f"1/{RUN}/artifacts/Model//code/a.py", False),
        (f"1/{RUN}/artifacts/model/code/a.py", False),
        (f"1/{RUN}/artifacts/Model2", False),
        (f"1/{RUN}/artifacts", False),
        (f"1/{RUN}/artifacts/Model/../other", False),
        (f"1/{RUN}/artifacts/Model/%2e%2e/other", False),
        ("", False),
    ],
)
def test_what_is_in_a_folder_of_a_version_is_known_letter_by_letter(path: str, held: bool) -> None:
    registered = version(f"runs:/{RUN}/Model", run=RUN)
    found = Registered(Rows(registered, version("mlflow-artifacts:/1/x")), DESTINATION).holding(path)
    assert found == (frozenset({registered}) if held else frozenset())


@pytest.mark.parametrize(
    ("registered", "opened"),
    [
        (version(f"models:/{LOGGED}"), f"1/models/{LOGGED}/artifacts/MLmodel"),
        (
            version("models:/price/1", f"mlflow-artifacts:/1/models/{LOGGED}/artifacts"),
            f"1/models/{LOGGED}/artifacts/MLmodel",
        ),
        (version("models:/price/1", f"runs:/{RUN}/model", RUN), f"1/{RUN}/artifacts/model/MLmodel"),
        (version(f"runs:/{RUN}/a%20b", run=RUN), f"1/{RUN}/artifacts/a b/MLmodel"),
        (version(f"mlflow-artifacts:/1/{RUN}/artifacts/m", run=RUN), f"1/{RUN}/artifacts/m/MLmodel"),
    ],
)
def test_a_source_without_doubt_is_opened(registered: Version, opened: str) -> None:
    assert Registered(Rows(registered), DESTINATION).holding(opened) == {registered}


OWN = f"1/{RUN}/artifacts"
OTHER_RUN = "f" * 32
UP = ".\t./.\t./.\t./"


@pytest.mark.parametrize(
    "source",
    [
        f"mlflow-artifacts:/{OWN}/x%3f/{UP}2",
        f"mlflow-artifacts:/{OWN}/x%23/{UP}2",
        f"mlflow-artifacts:/{OWN}/../../../2",
        f"mlflow-artifacts:/{OWN}/%2e%2e/%2e%2e/%2e%2e/2",
        f"mlflow-artifacts:/{OWN}/%252e%252e/%252e%252e/%252e%252e/2",
        f"mlflow-artifacts:/{OWN}/..%2f..%2f..%2f2",
        f"mlflow-artifacts:/{OWN}/..\\..\\..\\2",
        f"mlflow-artifacts:/{OWN}/a%2f..%2f..%2f..%2f..%2f2",
        f"runs:/{RUN}/x%3f/{UP}2",
        f"runs:/{RUN}/x%23/{UP.replace(chr(9), chr(13))}2",
        f"runs:/{RUN}/../../../2",
        f"runs:/{OTHER_RUN}/model",
        f"models:/{LOGGED}#x/1",
        f"models:/{LOGGED}/1",
        f"models:/{LOGGED}?x",
        "mlflow-artifacts:/2",
        "mlflow-artifacts:/",
        "mlflow-artifacts://host/2",
        "mlflow-artifacts:///2",
        f"mlflow-artifacts:/2/models/{LOGGED}/artifacts",
        f"mlflow-artifacts:/1/models/{LOGGED}",
        "mlflow-artifacts:/1",
        f"mlflow-artifacts:/1/{RUN}",
        f"mlflow-artifacts:/1/{OTHER_RUN}/artifacts/model",
        "s3://mlflow/store/2",
        "s3://mlflow/store",
        "https://h/api/2.0/mlflow-artifacts/artifacts/2",
        "file:///2",
        "dummy-source",
        "",
    ],
)
@pytest.mark.parametrize("run", [RUN, ""])
def test_a_source_with_any_doubt_opens_nothing(source: str, run: str) -> None:
    known = Registered(Rows(version(source, run=run), version("models:/x/1", source, run)), DESTINATION)
    for path in ("2", "2/x", f"2/{OTHER_RUN}/artifacts/secret.txt", "x", "", f"1/models/{LOGGED}/artifacts/1/w",
                 f"1/models/{LOGGED}/artifacts/MLmodel", f"2/models/{LOGGED}/artifacts/w",
                 f"1/{OTHER_RUN}/artifacts/model/w", f"{OWN}/secret.txt", f"1/{RUN}", "1"):  # fmt: skip
        assert known.holding(path) == frozenset(), path


@given(
    st.lists(
        st.sampled_from(["a", "..", ".", "", "%2e", "%2E%2e", "%2f", "%252e", "?", "#", "\t", "%3f", " "]), max_size=9
    )
)
def test_nothing_outside_its_run_is_opened_by_any_source(parts: list[str]) -> None:
    tail = "/".join(parts)
    for source in (f"runs:/{RUN}/{tail}", f"mlflow-artifacts:/{OWN}/{tail}", f"mlflow-artifacts:/{tail}"):
        known = Registered(Rows(), DESTINATION)
        for place in known._opened(version(source, run=RUN)):
            assert place == OWN or place.startswith(f"{OWN}/")
            assert clean(place) == place.casefold()


@pytest.mark.parametrize(
    ("source", "unclear"),
    [
        (f"runs:/{RUN}/my%20model", False),
        (f"models:/{LOGGED}", False),
        ("dummy-source", False),
        ("mlflow-artifacts:/1/a.b/..c", False),
        (f"runs:/{RUN}/x%3f/{UP}2", True),
        (f"models:/{LOGGED}#x/1", True),
        ("mlflow-artifacts:/1/a/%252e%252e/b", True),
        ("mlflow-artifacts:/1/a/./b", True),
        ("mlflow-artifacts:/1/a/..", True),
        ("a\x7fb", True),
        ("%25252525252525252541", True),
    ],
)
def test_what_can_be_read_in_two_ways_is_unclear(source: str, unclear: bool) -> None:
    assert is_unclear(source) is unclear


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


@pytest.mark.parametrize(
    "touch",
    [
        Touch(frozenset({"1/a/x"})),
        Touch(frozenset({"1"}), recursive=True),
        Touch(frozenset({""}), recursive=True),
        Touch(runs=frozenset({"r"})),
    ],
)
def test_a_deleted_version_is_no_reason_to_refuse(touch: Touch) -> None:
    gone, other = version("mlflow-artifacts:/1/a", run="r"), version("mlflow-artifacts:/2/b", run="s")
    rows = Rows(gone, other)
    known = Registered(rows, DESTINATION, lambda: 0.0)
    assert known.forbids(touch)
    rows.rows.remove(gone)
    assert known.forbids(touch) is ("" in touch.paths)
    assert known.forbids(Touch(frozenset({"2/b/x"})))


def test_who_is_refused_rightly_lets_nothing_be_read_anew() -> None:
    rows = Rows(version("mlflow-artifacts:/1/a", created=5_000_000_000))
    known = Registered(rows, DESTINATION, lambda: 0.0)
    for _time in range(3):
        assert known.forbids(Touch(frozenset({"1/a/x"})))
    assert rows.asked == [None, *[5_000_000_000 - MARGIN_MS] * 2]


def test_everything_is_read_anew_once_in_a_while() -> None:
    rows, now = Rows(version("mlflow-artifacts:/1/a")), [0.0]
    known = Registered(rows, DESTINATION, lambda: now[0])
    assert known.forbids(Touch(frozenset({"1/a/x"})))
    now[0] = RELOAD_SECONDS
    assert known.forbids(Touch(frozenset({"1/a/x"})))
    assert rows.asked == [None, None]


def test_a_request_that_touches_nothing_asks_nothing() -> None:
    rows = Rows()
    assert not Registered(rows, DESTINATION).forbids(Touch())
    assert rows.asked == []
