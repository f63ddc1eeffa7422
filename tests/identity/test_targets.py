# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a browser may be sent after log-in."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_identity.targets import safe_target

GOOD = [
    "/",
    "/?a=1",
    "/#/experiments/1/runs/0123456789abcdef",
    "/#/models/iris@champion",
    "/#/experiments/1?searchFilter=metrics.x%20%3E%201",
    "/static-files/index.html",
    "/oidc/token",
]
BAD = [
    None,
    "",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http://mlflow.example.com",
    "HTTPS://evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "//evil.example",
    "///evil.example",
    "////evil.example/%2e%2e",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/%2f/evil.example",
    "/%2Fevil.example",
    "/%252fevil.example",
    "/x%252525252fevil.example",
    "/%5cevil.example",
    "/%255cevil.example",
    "/\tevil.example",
    "/%09/evil.example",
    "/\n/evil.example",
    "/%0a/evil.example",
    "/\r\nLocation: https://evil.example",
    "/%0d%0aSet-Cookie:x=1",
    " //evil.example",
    "/ /evil.example",
    "\x00//evil.example",
    "/%00",
    "/.//evil.example",
    "/./evil.example",
    "/..//evil.example",
    "/%2e%2e//evil.example",
    "/x//evil.example",
    "evil.example",
    "@evil.example",
    "#//evil.example",
    "/\u2044evil.example",
    "/\uff0fevil.example",
    "//[::1",
    "/" + "a" * 2000,
    "/oidc/logout",
    "/oidc",
    "/oidc/login?next=/",
    "/%6fidc/logout",
    "/oidc/token?x=1",
]


@pytest.mark.parametrize("target", GOOD)
def test_our_pages(target: str) -> None:
    assert safe_target(target) == target


@pytest.mark.parametrize("target", BAD)
def test_everything_else_is_the_home_page(target: str | None) -> None:
    assert safe_target(target) == "/"


@given(st.text(alphabet="/\\.%:@?#25fFcCeE \t\nahtps-é", max_size=30))
def test_no_text_leads_to_another_site(text: str) -> None:
    site = "https://mlflow.example.com"
    landed = urlsplit(urljoin(f"{site}/oidc/callback", safe_target(text)))
    assert f"{landed.scheme}://{landed.netloc}" == site
