# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to registered versions, and whether a request would change them."""

from __future__ import annotations

import posixpath
import re
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

# A path that is still encoded after so many times is refused, not understood.
DECODINGS = 8
# What deleted versions protected is read anew so often, and when something would be refused for them alone.
RELOAD_SECONDS = 300.0
# Clocks of MLflow hosts may differ by this much; what is younger is read again at each question.
MARGIN_MS = 600_000
HTTP_ANCHOR = "/mlflow-artifacts/artifacts/"
OWN_SCHEMES = frozenset({"runs", "models", "mlflow-artifacts"})
LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})")
RUN_FILES = re.compile(r"runs:/([0-9a-f]{32})/(.+)")
SERVED_FILES = re.compile(r"mlflow-artifacts:/((?:\d+/models/(m-[0-9a-f]{32})|[^/]).*)")
# What some readers of a path end at, cut out or resolve.
UNCLEAR = re.compile(r"[\x00-\x1f\x7f?#\\]|(?:^|/)\.{1,2}(?:/|$)")


class UnreadablePath(Exception):
    """The path has more layers of encoding than anybody needs."""


def plain(path: str) -> str:
    """Return a path with no empty, `.` or `..` part."""
    return posixpath.normpath("/" + path).lstrip("/")


def clean(path: str) -> str:
    """Return the one spelling under which what is protected is compared: that of `plain`, in small letters."""
    return plain(path).casefold()


def _layers(path: str) -> Iterator[str]:
    for _attempt in range(DECODINGS):
        yield path
        decoded = unquote(path)
        if decoded == path:
            return
        path = decoded
    raise UnreadablePath(path)


def _without_scheme(path: str) -> str:
    return path[5:] if path[:5].casefold() == "file:" else path


def spellings(path: str) -> frozenset[str]:
    """Return every path that this text can mean to one of those that read it, or raise UnreadablePath."""
    return frozenset(clean(_without_scheme(layer)) for layer in _layers(path))


def _below(path: str, folder: str) -> str | None:
    """Return the path relative to the folder, or None if it is elsewhere."""
    folder = folder.rstrip("/")
    return path[len(folder) :] if path == folder or path.startswith(folder + "/") else None


def located(uri: str, destination: str) -> str | None:
    """Return where in the artifact store a URI points, letter by letter, or None if it is somewhere else."""
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts":
        return plain(unquote(parts.path))
    if parts.scheme in ("http", "https") and HTTP_ANCHOR in parts.path:
        return plain(unquote(parts.path.split(HTTP_ANCHOR, 1)[1]))
    path = unquote(parts.path) if parts.scheme == "file" else uri
    home = unquote(urlsplit(destination).path) if destination.startswith("file:") else destination
    inside = _below(path, home)
    return None if inside is None else plain(inside)


def is_foreign(source: str) -> bool:
    """Return whether a version's source is a place that MLflow's own rights say nothing about.

    The server would read it with its own credentials, for anybody who may see the model. A path without a scheme is
    checked by MLflow, and is what prompts have.
    """
    scheme = urlsplit(source.strip()).scheme
    return bool(scheme) and scheme not in OWN_SCHEMES


def is_unclear(text: str) -> bool:
    """Return whether a source, or what it is when it is decoded, means different places to different readers."""
    try:
        return any(UNCLEAR.search(layer) for layer in _layers(text))
    except UnreadablePath:
        return True


def exactly(text: str) -> str | None:
    """Return the path that a text means to every reader, or None if there is any doubt."""
    path = unquote(text)
    doubtful = is_unclear(path) or unquote(path) != path or path.count("/") != text.count("/") or "//" in path
    return None if doubtful else path.rstrip("/")


@dataclass(frozen=True)
class Touch:
    """What a request would write or remove."""

    paths: frozenset[str] = frozenset()
    # Whether everything below the paths goes with them.
    recursive: bool = False
    runs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Version:
    """What is known of one registered version."""

    source: str
    storage_location: str
    run_id: str
    creation_time: int


class Registry(Protocol):
    """The databases that know where files are."""

    def versions(self, since: int | None) -> Iterable[Version]:
        """Return the versions that were made since then (milliseconds), or all."""

    def models_with(self, versions: Collection[Version]) -> list[str]:
        """Return the names of the models that have any of these versions now."""

    def run_location(self, run_id: str) -> str | None:
        """Return the artifact URI of a run."""

    def model_location(self, model_id: str) -> str | None:
        """Return the artifact URI of a logged model."""

    def experiment_location(self, experiment_id: str) -> str | None:
        """Return the artifact URI of an experiment."""


def _upwards(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts) + 1))


@dataclass
class Protected:
    """The folders and runs behind registered versions."""

    folders: dict[str, set[Version]] = field(default_factory=dict)
    ordered: list[str] = field(default_factory=list)
    runs: dict[str, set[Version]] = field(default_factory=dict)

    def add(self, folder: str, version: Version | None = None) -> None:
        """Protect a folder of a version. The root would protect everything, and is no version's."""
        if folder and folder not in self.folders:
            self.folders[folder] = set()
            insort(self.ordered, folder)
        if folder and version is not None:
            self.folders[folder].add(version)

    def holding(self, path: str) -> set[Version]:
        """Return the versions in whose folders the path is."""
        return set[Version]().union(*(self.folders[folder] for folder in _upwards(path) if folder in self.folders))

    def holds(self, path: str) -> bool:
        """Return whether the path is a protected folder, or in one."""
        return any(folder in self.folders for folder in _upwards(path))

    def is_below(self, path: str) -> bool:
        """Return whether a protected folder is somewhere below the path."""
        prefix = path + "/" if path else ""
        at = bisect_left(self.ordered, prefix)
        return at < len(self.ordered) and self.ordered[at].startswith(prefix)

    def concerned(self, touch: Touch) -> set[Version]:
        """Return the versions for which a request is forbidden."""
        found = [self.runs[run] for run in touch.runs if run in self.runs]
        found += [self.holding(path) for path in touch.paths]
        if touch.recursive:
            found += [self.folders[folder] for path in touch.paths for folder in self._below(path)]
        return set[Version]().union(*found)

    def _below(self, path: str) -> list[str]:
        prefix = path + "/" if path else ""
        return [folder for folder in self.ordered[bisect_left(self.ordered, prefix) :] if folder.startswith(prefix)]

    def forbids(self, touch: Touch) -> bool:
        """Return whether a request would change what belongs to a registered version."""
        if not touch.runs.isdisjoint(self.runs):
            return True
        return any(self.holds(path) or (touch.recursive and self.is_below(path)) for path in touch.paths)


class Registered:
    """Keeps what is protected, and asks for new versions each time: a version is protected as soon as it exists."""

    def __init__(self, registry: Registry, destination: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._destination = destination
        self._clock = clock
        self._lock = threading.Lock()
        self._protected = Protected()
        self._seen: set[Version] = set()
        self._newest = 0
        self._reload_at = float("-inf")
        # Neither a run nor a logged model ever moves.
        self._known: dict[str, str] = {}

    def forbids(self, touch: Touch) -> bool:
        """Return whether a request would change what belongs to a registered version."""
        if not touch.paths and not touch.runs:
            return False
        with self._lock:
            self._refresh()
            if not self._protected.forbids(touch):
                return False
            # Deleted versions are no reason to refuse; nobody can let everything be read who is refused rightly.
            if not self._registry.models_with(self._protected.concerned(touch)):
                self._reload_at = float("-inf")
                self._refresh()
            return self._protected.forbids(touch)

    def holding(self, path: str) -> frozenset[Version]:
        """Return the versions in whose folders the path is, without any doubt: what is protected is more."""
        exact = exactly(path)
        if not exact:
            return frozenset()
        with self._lock:
            self._refresh()
            found = self._protected.holding(clean(exact))
        return frozenset(version for version in found if not self._opened(version).isdisjoint(_upwards(exact)))

    def _opened(self, version: Version) -> set[str]:
        """Return the folders of a version that its readers may read: below its run, or of its logged model."""
        uris = (version.source, version.storage_location)
        return {place for uri in uris if (place := self._opened_by(uri, version.run_id)) is not None}

    def _opened_by(self, uri: str, run_id: str) -> str | None:
        if named := LOGGED_MODEL.fullmatch(uri):
            return self._inside(self._registry.model_location(named[1]), "")
        root = self._inside(self._registry.run_location(run_id), "") if run_id else None
        if (named := RUN_FILES.fullmatch(uri)) and root is not None:
            path = exactly(named[2])
            return f"{root}/{path}" if path and named[1] == run_id else None
        if named := SERVED_FILES.fullmatch(uri):
            place = exactly(named[1])
            home = self._inside(self._registry.model_location(named[2]), "") if named[2] else root
            return place if place and home is not None and home in _upwards(place) else None
        return None

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._reload_at:
            self._take(self._registry.versions(self._newest - MARGIN_MS))
            return
        versions = list(self._registry.versions(None))
        self._protected, self._seen, self._newest = Protected(), set(), 0
        self._take(versions)
        self._reload_at = now + RELOAD_SECONDS

    def _take(self, versions: Iterable[Version]) -> None:
        for version in versions:
            if version in self._seen:
                continue
            self._protect(version)
            self._seen.add(version)
            self._newest = max(self._newest, version.creation_time)

    def _protect(self, version: Version) -> None:
        if version.run_id:
            self._protected.runs.setdefault(version.run_id, set()).add(version)
        for place in self._places(version):
            self._protected.add(clean(place), version)

    def _places(self, version: Version) -> set[str]:
        return {place for uri in (version.source, version.storage_location) if (place := self.place(uri)) is not None}

    def folder(self, uri: str) -> str | None:
        """Return the place of a URI under the spelling in which places are compared."""
        place = self.place(uri)
        return None if place is None else clean(place)

    def place(self, uri: str) -> str | None:
        """Return where in the artifact store a URI points, those of runs and logged models included."""
        known = self._known.get(uri)
        if known is None:
            known = self._place(uri)
        if known is not None:
            self._known[uri] = known
        return known

    def _place(self, uri: str) -> str | None:
        parts = urlsplit(uri)
        name, _slash, rest = parts.path.lstrip("/").partition("/")
        if parts.scheme == "runs":
            return self._inside(self._registry.run_location(name), rest)
        if parts.scheme == "models":
            # A model's name and version: the place of its files is written beside it.
            if rest or parts.fragment:
                return None
            return self._inside(self._registry.model_location(name), rest)
        return located(uri, self._destination)

    def _inside(self, root: str | None, rest: str) -> str | None:
        folder = None if root is None else located(root, self._destination)
        return None if folder is None else plain(f"{folder}/{unquote(rest)}")
