# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the headers of a request say."""

from __future__ import annotations

import re

BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE | re.ASCII)
# An agent's own key for its provider takes the usual header on its way through the gateway.
GATEWAY, GATEWAY_HEADER = "/gateway/", "X-MLflow-Authorization"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def bearer_token(header: str) -> str | None:
    """Return the token of an Authorization header, or None when it holds anything else."""
    match = BEARER.fullmatch(header)
    return match.group(1) if match else None


def from_our_pages(method: str, site: str | None, source: str | None, origin: str) -> bool:
    """Return whether a request with a cookie was sent by a page of our origin, as far as it can change anything.

    `site` and `source` are its headers Sec-Fetch-Site and Origin; every browser sends one of them.
    """
    if method in SAFE_METHODS:
        return True
    if site is None and source is None:
        return False
    return site in (None, "same-origin", "none") and source in (None, origin)


def wants_page(method: str, accept: str, mode: str | None) -> bool:
    """Return whether a person looks at a page, and not a program or a page's script."""
    return method in ("GET", "POST") and "text/html" in accept and mode in (None, "navigate")
