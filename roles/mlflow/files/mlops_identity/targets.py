# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a browser may be sent after log-in: to a page of ours, and nowhere else."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

HOME = "/"
TOKEN_PAGE = "/oidc/token"
CHARACTERS = 2000
UNQUOTE_ROUNDS = 3


def safe_target(text: str | None) -> str:
    """Return the target if it is a path of this site in every reading, and the home page otherwise."""
    if not text or len(text) > CHARACTERS or not text.isascii():
        return HOME
    reading = text
    for _round in range(UNQUOTE_ROUNDS):
        if not _is_local_path(reading):
            return HOME
        if (further := unquote(reading)) == reading:
            return text
        reading = further
    return HOME


def _is_local_path(text: str) -> bool:
    if not text.startswith("/") or text.startswith("//") or not text.isprintable():
        return False
    if "\\" in text:
        return False
    parts = urlsplit(text)
    if any(odd in parts.path for odd in (" ", "//", "/..", "/./")):
        return False
    # The others of our own pages would log in or out again.
    return text == TOKEN_PAGE or (parts.path != "/oidc" and not parts.path.startswith("/oidc/"))
