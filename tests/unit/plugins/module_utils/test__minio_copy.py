# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a history is still to copy, at every place where a copy may break off."""

from __future__ import annotations

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _minio_copy as copy
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import PlanError


def history(text: str, target: bool = False) -> list[copy.Version]:
    """A letter is a version, in the target a copy of it; `-` is a delete marker; a digit is somebody's own."""
    return [copy.Version("x", sign, sign == "-", 1, sign if target and sign.isalpha() else "") for sign in text]


# Source, target, names of pairs, what is missing.
REMAINING = [
    ("", "", "", ""),
    ("ab-c", "", "", "ab-c"),
    ("ab-c", "a", "a", "b-c"),
    ("ab-c", "ab", "ab", "-c"),
    ("ab-c", "ab-", "ab", "c"),
    ("ab-c", "ab-c", "abc", ""),
    ("a-", "a-", "a", ""),
    ("a-", "a", "a", "-"),
    ("-a", "", "", "a"),
    ("a--b", "", "", "a-b"),
    ("a--b", "a-", "a", "b"),
    ("-", "", "", ""),
    # Old copies have expired.
    ("ab-c", "c", "c", ""),
    # Expired in the source.
    ("bc", "abc", "bc", ""),
    # Somebody wrote or deleted since.
    ("ab", "ab1", "ab", ""),
    ("ab", "ab-1-", "ab", ""),
    ("a-", "a-1", "a", ""),
]


@pytest.mark.parametrize(("source", "target", "pairs", "missing"), REMAINING)
def test_remaining(source: str, target: str, pairs: str, missing: str) -> None:
    found = copy.remaining(history(source), history(target, target=True))
    assert "".join(before.version_id for before, dummy in found.pairs) == pairs
    assert "".join(version.version_id for version in found.missing) == missing


@pytest.mark.parametrize(("source", "target"), [("ab", "1"), ("ab", "a1"), ("a-", "a1")])
def test_what_others_wrote_before_all_is_copied_is_refused(source: str, target: str) -> None:
    with pytest.raises(PlanError, match="which is no copy"):
        copy.remaining(history(source), history(target, target=True))


def test_a_listing_is_read_object_by_object_oldest_first() -> None:
    listing = [copy.Version(name, number) for name, number in (("a", "2"), ("a", "1"), ("b", "3"))]
    assert [[version.version_id for version in found] for found in copy.by_name(listing)] == [["1", "2"], ["3"]]
    assert list(copy.by_name([])) == []


@pytest.mark.parametrize(
    "size", [0, 1, copy.PART_BYTES * copy.PARTS_MAX, copy.PART_BYTES * copy.PARTS_MAX + 1, 5 * 2**40]
)
def test_no_upload_has_too_many_parts(size: int) -> None:
    part = copy.part_bytes(size)
    assert part >= copy.PART_BYTES
    assert part * copy.PARTS_MAX >= size


def test_content_type_and_user_metadata_are_kept() -> None:
    given = {"Content-Type": "text/plain", "X-Amz-Meta-Run": "1", "ETag": "x", "x-amz-version-id": "v"}
    assert copy.kept_headers(given, "v") == {"content-type": "text/plain", "x-amz-meta-run": "1", copy.MARK: "v"}
