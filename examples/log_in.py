# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in from a machine without a browser, and print the line that lets programs act as you.

Nothing but Python is needed. The instructions go to standard error and the line to standard output, so that a shell
can take it:

    eval "$(python log_in.py https://mlflow.example.com --ca ca.crt)"
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def ask(url: str, form: dict[str, str], context: ssl.SSLContext) -> dict[str, Any]:
    """Send a form and return the answer, also one that says what is wrong (RFC 8628, section 3.5)."""
    request = urllib.request.Request(url, urllib.parse.urlencode(form).encode())
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            said: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            said = json.load(error)
    return said


def wait_for_token(url: str, form: dict[str, str], begun: dict[str, Any], context: ssl.SSLContext) -> dict[str, Any]:
    """Ask as often as the server allows until somebody has said yes or no."""
    pause = float(begun.get("interval", 5))
    end = time.monotonic() + float(begun["expires_in"])
    while time.monotonic() < end:
        time.sleep(pause)
        answer = ask(url, {**form, "grant_type": GRANT, "device_code": begun["device_code"]}, context)
        if "access_token" in answer:
            return answer
        if answer.get("error") == "slow_down":
            pause += 5
        elif answer.get("error") != "authorization_pending":
            raise SystemExit(f"Not logged in: {answer.get('error_description') or answer.get('error')}")
    raise SystemExit("Not logged in: nobody opened the address in time. Run this again.")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="address of the platform, such as https://mlflow.example.com")
    parser.add_argument("--ca", help="file with the platform's own authority, if it has one")
    parser.add_argument("--realm", default="mlops", help="realm of Keycloak")
    parser.add_argument("--client", default="mlflow-cli", help="client of Keycloak for the command line")
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.ca)
    base = f"{options.url.rstrip('/')}/sso/realms/{options.realm}/protocol/openid-connect"
    form = {"client_id": options.client, "scope": "openid"}
    begun = ask(f"{base}/auth/device", form, context)
    if "device_code" not in begun:
        raise SystemExit(f"The platform refuses: {begun.get('error_description') or begun}")
    print(
        f"Open this address on any machine, and log in there:\n  {begun['verification_uri_complete']}", file=sys.stderr
    )
    print(f"It must show the code {begun['user_code']}. Waiting ...", file=sys.stderr, flush=True)
    answer = wait_for_token(f"{base}/token", form, begun, context)
    print(f"Logged in for {int(answer['expires_in']) // 3600} hours.", file=sys.stderr)
    print(f"export MLFLOW_TRACKING_URI={options.url} MLFLOW_TRACKING_TOKEN={answer['access_token']}")


if __name__ == "__main__":
    main()
