# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What headers say."""

from __future__ import annotations

import pytest

from mlops_identity.headers import bearer_token, from_our_pages, wants_page

ORIGIN = "https://mlflow.example.com"


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer a.b.c", "a.b.c"),
        ("bearer a.b.c", "a.b.c"),
        ("BEARER a.b.c", "a.b.c"),
        ("Bearer   a.b-_~+/c== ", "a.b-_~+/c=="),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearera.b.c", None),
        ("Bearer\ta.b.c", None),
        (" Bearer a.b.c", None),
        ("Bearer a b", None),
        ("Bearer a.b.c, Bearer d.e.f", None),
        ("Bearer a.b.c,Basic eDp5", None),
        ("Bearer a=b", None),
        ("Bearer =", None),
        ("Bearer a.b.c\n", None),
        ("Bearer a.b.c\r\nX-User: root", None),
        ("Bearer äöü", None),
        ("Basic eDp5", None),
        ("Token a.b.c", None),
        ("a.b.c", None),
        ('Bearer token="a.b.c"', None),
        ("Basic eDp5, Bearer a.b.c", None),
    ],
)
def test_bearer_token(header: str, token: str | None) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    ("method", "site", "source", "ours"),
    [
        ("GET", None, None, True),
        ("HEAD", "cross-site", "https://evil.example", True),
        ("OPTIONS", "cross-site", "https://evil.example", True),
        ("POST", "same-origin", ORIGIN, True),
        ("POST", "same-origin", None, True),
        ("POST", None, ORIGIN, True),
        ("PATCH", "none", ORIGIN, True),
        ("POST", None, None, False),
        ("POST", "same-site", ORIGIN, False),
        ("POST", "cross-site", None, False),
        ("POST", "same-origin", "https://evil.example", False),
        ("POST", None, "https://mlflow.example.com.evil.example", False),
        ("POST", None, "https://mlflow.example.com:8443", False),
        ("POST", None, "http://mlflow.example.com", False),
        ("POST", None, "null", False),
        ("POST", "", ORIGIN, False),
        ("DELETE", "cross-site", ORIGIN, False),
        ("PUT", None, "", False),
        ("get", None, None, False),
    ],
)
def test_from_our_pages(method: str, site: str | None, source: str | None, ours: bool) -> None:
    assert from_our_pages(method, site, source, ORIGIN) is ours


@pytest.mark.parametrize(
    ("method", "accept", "mode", "page"),
    [
        ("GET", "text/html,application/xhtml+xml,*/*;q=0.8", "navigate", True),
        ("GET", "text/html", None, True),
        ("POST", "text/html", "navigate", True),
        ("GET", "*/*", None, False),
        ("GET", "", None, False),
        ("GET", "application/json", "cors", False),
        ("GET", "text/html", "cors", False),
        ("DELETE", "text/html", "navigate", False),
    ],
)
def test_wants_page(method: str, accept: str, mode: str | None, page: bool) -> None:
    assert wants_page(method, accept, mode) is page
