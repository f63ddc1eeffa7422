# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an object's history is still to copy into another store. Private to this collection.

Pure: no Ansible, no network. A copied version carries the source's version id as user metadata. A delete marker can
carry none, so it is told by its place.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import PlanError

MARK = "x-amz-meta-mlops-copy-of"
MEBIBYTE = 1024 * 1024
PART_BYTES = 16 * MEBIBYTE
PARTS_MAX = 10000
HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker; `copy_of` is the mark of a copied one."""

    name: str
    version_id: str
    is_delete_marker: bool = False
    size: int = 0
    copy_of: str = ""


@dataclass(frozen=True)
class Remaining:
    """Pairs that are there on both sides, and what is to copy, oldest first."""

    pairs: list[tuple[Version, Version]] = field(default_factory=list)
    missing: list[Version] = field(default_factory=list)


def remaining(source: Sequence[Version], target: Sequence[Version]) -> Remaining:
    """Compare two histories of one object, both oldest first.

    What is before the last copied version was copied, too, and may have expired since. What others wrote comes after
    all that is copied; anything else would change the order of the history.
    """
    source, target = effective(source), effective(target)
    place = {version.version_id: number for number, version in enumerate(source) if not version.is_delete_marker}
    pairs: list[tuple[Version, Version]] = []
    done = 0
    for version in target:
        if version.copy_of in place:
            number = place[version.copy_of]
            pairs.append((source[number], version))
            done = max(done, number + 1)
        elif version.is_delete_marker and done < len(source) and source[done].is_delete_marker:
            done += 1
        elif not version.copy_of and done < len(source):
            raise PlanError(
                f"{version.name} has the version {version.version_id}, which is no copy, before all its older ones "
                "are copied. Remove it from the new store and run again"
            )
    return Remaining(pairs, list(source[done:]))


def effective(history: Sequence[Version]) -> list[Version]:
    """A history without the delete markers that delete nothing, which MinIO does not make; expiry may leave them."""
    deletes = [True, *(version.is_delete_marker for version in history)]
    return [
        version
        for version, after_delete in zip(history, deletes, strict=False)
        if not (version.is_delete_marker and after_delete)
    ]


def by_name(versions: Iterable[Version]) -> t.Iterator[list[Version]]:
    """The history of each object, oldest first, from a listing, which has names in order and the newest first."""
    history: list[Version] = []
    for version in versions:
        if history and history[0].name != version.name:
            yield history[::-1]
            history = []
        history.append(version)
    if history:
        yield history[::-1]


def part_bytes(size: int) -> int:
    """How much of an object is in memory at a time; an upload has 10,000 parts at most."""
    least = -(-size // PARTS_MAX)
    return max(PART_BYTES, -(-least // MEBIBYTE) * MEBIBYTE)


def kept_headers(headers: t.Mapping[str, str], version_id: str) -> dict[str, str]:
    """The content type and user metadata of a version, and the mark of its copy."""
    lower = {name.lower(): value for name, value in headers.items()}
    kept = {name: value for name, value in lower.items() if name in HEADERS or name.startswith("x-amz-meta-")}
    return {**kept, MARK: version_id}
