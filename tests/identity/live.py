# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication against a real Keycloak: two workers of MLflow, a browser's requests, tokens, log-out, leavers.

Needs KEYCLOAK_HOME (an unpacked distribution), JAVA_HOME (Java 21 or newer), an environment with MLflow and this
package's requirements, and the name mlflow.example.com for 127.0.0.1. It starts and ends everything itself, in a
temporary folder; the last line counts what passed and failed.
"""

from __future__ import annotations

import base64
import datetime
import html
import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

HOST = "mlflow.example.com"
KEYCLOAK = f"https://{HOST}:18443/sso"
# Two servers of one worker each: the other one knows nothing that the first remembers.
SERVERS = (f"https://{HOST}:19443", f"https://{HOST}:19444")
REALM = f"{KEYCLOAK}/realms/mlops"
CLIENT_SECRET = "client-secret-of-the-live-test"
PACKAGE = Path(__file__).resolve().parents[2] / "roles" / "mlflow" / "files"
MAPPERS = [
    {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {
            "access.token.claim": "true",
            "claim.name": "groups",
            "full.path": "false",
            "id.token.claim": "true",
            "introspection.token.claim": "true",
        },
    },
    {
        "name": "audience",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {
            "access.token.claim": "true",
            "included.client.audience": "mlflow",
            "introspection.token.claim": "true",
        },
    },
]


def client(name: str, **more: Any) -> dict[str, Any]:
    """Return a client of the realm."""
    return {
        "clientId": name,
        "enabled": True,
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "fullScopeAllowed": False,
        "protocolMappers": MAPPERS,
        **more,
    }


def user(name: str, *groups: str) -> dict[str, Any]:
    """Return a user of the realm."""
    return {
        "username": name,
        "enabled": True,
        "email": f"{name}@example.com",
        "firstName": name,
        "lastName": "Live",
        "emailVerified": True,
        "credentials": [{"type": "password", "value": f"password-of-{name}", "temporary": False}],
        "groups": [f"/{group}" for group in groups],
        "realmRoles": ["default-roles-mlops"],
    }


def realm() -> dict[str, Any]:
    """Return the realm, as the role keycloak makes it where it matters here."""
    browser = {"standardFlowEnabled": True, "redirectUris": [f"{SERVERS[0]}/oidc/callback"]}
    pkce = {"pkce.code.challenge.method": "S256"}
    return {
        "realm": "mlops",
        "enabled": True,
        "sslRequired": "all",
        "groups": [{"name": name} for name in ("data-scientists", "governance", "mlflow-admins")],
        "clients": [
            client("mlflow", secret=CLIENT_SECRET, publicClient=False, attributes=pkce, **browser),
            client("mlflow-token", publicClient=True, attributes={**pkce, "access.token.lifespan": "36000"}, **browser),
            client("ci-train", secret="secret-of-ci", publicClient=False, serviceAccountsEnabled=True),
            client(
                "elsewhere",
                secret="secret-of-elsewhere",
                publicClient=False,
                serviceAccountsEnabled=True,
                protocolMappers=MAPPERS[:1],
            ),
        ],
        "users": [
            user("alice", "data-scientists"),
            user("gina", "governance"),
            user("root1", "mlflow-admins"),
            user("nobody1"),
            {
                "username": "service-account-ci-train",
                "enabled": True,
                "serviceAccountClientId": "ci-train",
                "groups": ["/data-scientists"],
            },
        ],
    }


def write_certificate(folder: Path) -> None:
    """Write a key and its own certificate, which is also the authority."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.PrivateFormat.PKCS8
    (folder / "tls.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()))


class Live:
    """The servers, and what the checks need of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keycloak: subprocess.Popen[bytes] | None = None
        self.mlflow: list[subprocess.Popen[bytes]] = []
        self.passed = 0
        self.failed = 0

    def start_keycloak(self) -> None:
        """Start Keycloak; the realm is imported on the first start."""
        home = Path(os.environ["KEYCLOAK_HOME"])
        imports = home / "data" / "import"
        imports.mkdir(parents=True, exist_ok=True)
        (imports / "mlops-realm.json").write_text(json.dumps(realm()))
        environment = {
            **os.environ,
            "KC_BOOTSTRAP_ADMIN_USERNAME": "live-admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": "live-admin-password",
            "KC_HOSTNAME": KEYCLOAK,
            "KC_HTTP_RELATIVE_PATH": "/sso",
            "KC_HTTPS_PORT": "18443",
            "KC_HTTP_ENABLED": "false",
            "KC_HTTP_MANAGEMENT_PORT": "19000",
            "KC_HTTPS_CERTIFICATE_FILE": str(self.folder / "tls.crt"),
            "KC_HTTPS_CERTIFICATE_KEY_FILE": str(self.folder / "tls.key"),
        }
        command = [str(home / "bin" / "kc.sh"), "start-dev", "--import-realm"]
        with (self.folder / "keycloak.log").open("ab") as log:
            self.keycloak = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        wait(lambda: self.get(REALM).status_code == 200, 240)

    def stop_keycloak(self) -> None:
        """Stop Keycloak."""
        assert self.keycloak is not None
        os.killpg(self.keycloak.pid, signal.SIGTERM)
        self.keycloak.wait(60)

    def start_mlflow(self) -> None:
        """Start two servers on one database."""
        config = {
            "mode": "oidc",
            "platform_name": "Live platform",
            "public_url": SERVERS[0],
            "contact": "ml-platform@example.com",
            "issuer": REALM,
            "keycloak_urls": [f"https://{HOST}:18999/sso", KEYCLOAK],
            "realm": "mlops",
            "ca_file": str(self.folder / "tls.crt"),
            "client_id": "mlflow",
            "client_secret": CLIENT_SECRET,
            "token_client_id": "mlflow-token",
            "audience": "mlflow",
            "session_key": "a session key of the live test, shared",
            "introspection_seconds": 6,
            "session_check_seconds": 3,
            "admin_groups": ["mlflow-admins"],
            "governance_groups": ["governance"],
            "group_roles": {"data-scientists": ["scientist"], "governance": ["judges"]},
        }
        (self.folder / "identity.json").write_text(json.dumps(config))
        (self.folder / "auth.ini").write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{self.folder}/auth.db\n"
            "authorization_function = mlops_identity.authorization:authorize\n"
        )
        for server in SERVERS:
            self.mlflow.append(self._mlflow(server.rsplit(":", 1)[1]))
            wait(partial(self.healthy, server), 120)

    def healthy(self, server: str) -> bool:
        """Return whether a server answers."""
        return self.get(f"{server}/health").status_code == 200

    def refuses(self, server: str, token: str) -> bool:
        """Return whether a server takes a token for nobody's."""
        return self.search(server, **bearer(token)).status_code == 401

    def _mlflow(self, port: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(PACKAGE),
            "_MLFLOW_SGI_NAME": "gunicorn",
            "MLOPS_IDENTITY_CONFIG": str(self.folder / "identity.json"),
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_USERNAME": "bootstrap",
            "MLFLOW_AUTH_ADMIN_PASSWORD": "a long password of nobody",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "flask key of the live test",
            "MLFLOW_CRYPTO_KEK_PASSPHRASE": "gateway key of the live test",
            "MLFLOW_CRYPTO_KEK_VERSION": "2",
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self.folder}/mlflow.db",
            "_MLFLOW_SERVER_REGISTRY_STORE": f"sqlite:///{self.folder}/mlflow.db",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self.folder / "artifacts"),
            "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port}",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": SERVERS[0],
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        tls = ["--certfile", str(self.folder / "tls.crt"), "--keyfile", str(self.folder / "tls.key")]
        command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "6", "-b", f"127.0.0.1:{port}"]
        command += ["--graceful-timeout", "3"]
        command += [*tls, "mlops_identity.app:create_app()"]
        with (self.folder / f"mlflow-{port}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def stop(self) -> None:
        """Stop everything."""
        if self.keycloak is not None and self.keycloak.poll() is None:
            self.stop_keycloak()
        for process in self.mlflow:
            process.terminate()
        for process in self.mlflow:
            process.wait(60)

    def session(self) -> requests.Session:
        """Return a browser."""
        browser = requests.Session()
        browser.verify = str(self.folder / "tls.crt")
        browser.trust_env = False
        browser.headers["Accept"] = "text/html"
        return browser

    def get(self, url: str, **options: Any) -> requests.Response:
        """Return an answer to a program."""
        return requests.get(url, verify=str(self.folder / "tls.crt"), timeout=30, **options)

    def log_in(self, browser: requests.Session, name: str, path: str = "/") -> requests.Response:
        """Log in at Keycloak as a person does, and return the last page."""
        page = browser.get(f"{SERVERS[0]}{path}")
        page = browser.get(f"{SERVERS[0]}{attribute(page.text, 'href', '/oidc/login')}")
        return self.fill_in(browser, page, name)

    def fill_in(self, browser: requests.Session, page: requests.Response, name: str) -> requests.Response:
        """Send Keycloak's log-in form."""
        action = attribute(page.text, "action", "https://")
        return browser.post(action, data={"username": name, "password": f"password-of-{name}"})

    def admin(self, method: str, path: str, **options: Any) -> requests.Response:
        """Ask Keycloak's administration."""
        data = {"grant_type": "password", "client_id": "admin-cli", "username": "live-admin"}
        data["password"] = "live-admin-password"
        url = f"{KEYCLOAK}/realms/master/protocol/openid-connect/token"
        token = requests.post(url, data=data, verify=str(self.folder / "tls.crt"), timeout=30).json()["access_token"]
        answer = requests.request(
            method,
            f"{KEYCLOAK}/admin/realms/mlops{path}",
            headers={"Authorization": f"Bearer {token}"},
            verify=str(self.folder / "tls.crt"),
            timeout=30,
            **options,
        )
        answer.raise_for_status()
        return answer

    def user_id(self, name: str) -> str:
        """Return the id of a user."""
        return str(self.admin("GET", f"/users?exact=true&username={name}").json()[0]["id"])

    def group_id(self, name: str) -> str:
        """Return the id of a group."""
        return next(str(group["id"]) for group in self.admin("GET", "/groups").json() if group["name"] == name)

    def service_token(self, name: str, secret: str) -> str:
        """Return a token of a service account."""
        data = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}
        url = f"{REALM}/protocol/openid-connect/token"
        return str(
            requests.post(url, data=data, verify=str(self.folder / "tls.crt"), timeout=30).json()["access_token"]
        )

    def search(self, server: str, **options: Any) -> requests.Response:
        """Ask for the experiments."""
        return self.get(f"{server}/api/2.0/mlflow/experiments/search?max_results=5", **options)

    def say(self, name: str, held: bool, detail: object = "") -> None:
        """Count and print one check."""
        self.passed += held
        self.failed += not held
        print(f"{'ok    ' if held else 'FAILED'} {name} {'' if held else detail}", flush=True)


def attribute(text: str, name: str, begin: str) -> str:
    """Return an attribute of a page that begins with a text."""
    match = re.search(rf'{name}="({re.escape(begin)}[^"]*)"', text)
    assert match, text[:3000]
    return html.unescape(match.group(1))


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except requests.RequestException:
            pass
        time.sleep(0.3)
    raise AssertionError(f"did not hold within {seconds} s")


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether something comes to hold in time."""
    try:
        wait(condition, seconds)
    except AssertionError:
        return False
    return True


def bearer(token: str) -> dict[str, Any]:
    """Return the options of a request with a token."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


def form_token(text: str) -> str:
    """Return what a form carries."""
    match = re.search(r'name="form_token" value="([^"]+)"', text)
    assert match, text[:3000]
    return match.group(1)


def check_browser(live: Live) -> tuple[requests.Session, str]:
    """Log in, make a token, and return the browser and the token."""
    browser = live.session()
    page = live.log_in(browser, "alice", "/?a=1")
    live.say(
        "log-in ends at the page that was asked for", page.url == f"{SERVERS[0]}/?a=1", (page.url, page.status_code)
    )
    cookies = {cookie.name: cookie for cookie in browser.cookies if cookie.name.startswith("__Host-")}
    live.say("one session cookie, the log-in's is gone", list(cookies) == ["__Host-mlops-session"], list(cookies))
    session = cookies["__Host-mlops-session"]
    live.say("the cookie is small enough", len(session.value or "") < 3800, len(session.value or ""))
    for server in SERVERS:
        answer = browser.get(f"{server}/ajax-api/2.0/mlflow/users/current")
        live.say(f"{server} knows the session", answer.ok and answer.json()["user"]["username"] == "alice", answer.text)
    history = page.history[-1]
    again = browser.get(history.url)
    live.say("a replayed callback is refused", again.status_code == 400, again.status_code)
    refused = browser.post(f"{SERVERS[0]}/ajax-api/2.0/mlflow/experiments/create", json={"name": "x"})
    live.say("a write without an origin is refused", refused.status_code == 403, refused.status_code)
    headers = {"Origin": SERVERS[0], "Sec-Fetch-Site": "same-origin"}
    made = browser.post(f"{SERVERS[0]}/ajax-api/2.0/mlflow/experiments/create", json={"name": "x"}, headers=headers)
    live.say("a write of our page works", made.status_code == 200, made.text)
    page = browser.get(f"{SERVERS[0]}/oidc/token")
    page = browser.post(page.url, data={"form_token": form_token(page.text)}, headers=headers)
    match = re.search(r"MLFLOW_TRACKING_TOKEN=(\S+?)<", page.text)
    live.say("the token page makes a token", match is not None, page.text[-1500:])
    token = match.group(1) if match else ""
    payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")) if token else {}
    life = payload.get("exp", 0) - time.time()
    live.say("it lasts a working day", 35_000 < life <= 36_000, life)
    for server in SERVERS:
        live.say(f"the token works at {server}", live.search(server, **bearer(token)).ok)
    return browser, token


def check_logout(live: Live, browser: requests.Session, token: str) -> None:
    """Log out on one server."""
    cookie = browser.cookies.get("__Host-mlops-session") or ""
    page = browser.get(f"{SERVERS[0]}/oidc/logout")
    foreign = browser.post(
        page.url, data={"form_token": form_token(page.text)}, headers={"Origin": "https://evil.example"}
    )
    live.say("another site cannot log out", foreign.status_code == 403, foreign.status_code)
    page = browser.post(page.url, data={"form_token": form_token(page.text)}, headers={"Origin": SERVERS[0]})
    live.say("log-out says that it is complete", "here and at the log-in service" in page.text, page.text[-800:])
    old = {"Cookie": f"__Host-mlops-session={cookie}"}
    live.say("the old cookie is dead at once here", live.search(SERVERS[0], headers=old).status_code == 401)
    begin = time.monotonic()
    dead = until(lambda: live.search(SERVERS[1], headers=old).status_code == 401, 10)
    live.say(f"and within seconds there ({time.monotonic() - begin:.1f} s)", dead and time.monotonic() - begin < 5)
    page = browser.get(f"{SERVERS[0]}/")
    page = browser.get(f"{SERVERS[0]}{attribute(page.text, 'href', '/oidc/login')}")
    live.say("Keycloak asks for the password again", 'name="password"' in page.text, page.url)
    time.sleep(7)
    live.say("the token outlives the log-out", live.search(SERVERS[1], **bearer(token)).ok)


def check_refused(live: Live) -> None:
    """Users without a group, and tokens of other clients."""
    browser = live.session()
    page = live.log_in(browser, "nobody1")
    live.say(
        "a user without a group reads whom to ask", page.status_code == 403 and "ml-platform@" in page.text, page.text
    )
    group = live.group_id("data-scientists")
    live.admin("PUT", f"/users/{live.user_id('nobody1')}/groups/{group}")
    came = until(lambda: browser.get(f"{SERVERS[0]}/").status_code == 200, 20)
    live.say("once in a group the same session is let in", came)
    ci = live.service_token("ci-train", "secret-of-ci")
    live.say("a service account comes in", live.search(SERVERS[0], **bearer(ci)).ok)
    elsewhere = live.service_token("elsewhere", "secret-of-elsewhere")
    answer = live.search(SERVERS[0], **bearer(elsewhere))
    live.say("a token for another audience is refused", answer.status_code == 401 and "aud" in answer.text, answer.text)
    answer = live.search(SERVERS[0], auth=("alice", "password-of-alice"))
    live.say("a password is refused", answer.status_code == 401, answer.status_code)
    users = live.get(f"{SERVERS[0]}/api/2.0/mlflow/users/current", **bearer(ci)).json()["user"]
    live.say("the service account is no administrator", users["is_admin"] is False, users)
    root = live.session()
    live.log_in(root, "root1")
    users = root.get(f"{SERVERS[0]}/ajax-api/2.0/mlflow/users/current").json()["user"]
    live.say("a member of the admin group is", users["is_admin"] is True, users)
    live.admin("DELETE", f"/users/{live.user_id('root1')}/groups/{live.group_id('mlflow-admins')}")
    live.admin("PUT", f"/users/{live.user_id('root1')}/groups/{group}")
    current = f"{SERVERS[1]}/ajax-api/2.0/mlflow/users/current"
    left = until(lambda: root.get(current).json()["user"]["is_admin"] is False, 20)
    live.say("and is not any more when removed from it", left)


def check_guard(live: Live) -> None:
    """The maker of a model does not promote it; governance does, for as long as Keycloak says so."""
    ours = {"Origin": SERVERS[0], "Sec-Fetch-Site": "same-origin"}
    people = {name: live.session() for name in ("root1", "alice", "gina")}

    def send(name: str, path: str, body: Any, server: str = SERVERS[0]) -> requests.Response:
        return people[name].post(f"{server}/ajax-api/{path}", json=body, headers=ours)

    live.log_in(people["root1"], "root1")
    role = send("root1", "3.0/mlflow/roles/create", {"name": "judges", "workspace": "default"}).json()["role"]["id"]
    grant = {"role_id": role, "resource_type": "registered_model", "resource_pattern": "*", "permission": "MANAGE"}
    live.say("an administrator makes a role", send("root1", "3.0/mlflow/roles/permissions/add", grant).ok)
    # Who has a role is seen at the log-in.
    live.log_in(people["alice"], "alice")
    live.log_in(people["gina"], "gina")
    run = send("alice", "2.0/mlflow/runs/create", {"experiment_id": "0"})
    live.say("another's experiment may be read, not written", run.status_code == 403, run.text)
    experiment = send("alice", "2.0/mlflow/experiments/create", {"name": "credit"}).json()["experiment_id"]
    run = send("alice", "2.0/mlflow/runs/create", {"experiment_id": experiment}).json()["run"]["info"]["run_id"]
    send("alice", "2.0/mlflow/registered-models/create", {"name": "credit"})
    source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
    made = send("alice", "2.0/mlflow/model-versions/create", {"name": "credit", "source": source, "run_id": run})
    live.say("she registers a version", made.ok, made.text)
    alias = {"name": "credit", "alias": "champion", "version": "1"}
    for server in SERVERS:
        for name, status in (("alice", 403), ("root1", 403), ("gina", 200)):
            answer = send(name, "2.0/mlflow/registered-models/alias", alias, server)
            said = [answer.headers.get(f"X-Mlops-{key}") for key in ("User", "Auth", "Outcome")]
            live.say(
                f"{name} and the alias at {server}",
                answer.status_code == status and said == [name, "session", "allowed" if status == 200 else "refused"],
                (answer.status_code, answer.text, said),
            )
    live.admin("DELETE", f"/users/{live.user_id('gina')}/groups/{live.group_id('governance')}")
    live.admin("PUT", f"/users/{live.user_id('gina')}/groups/{live.group_id('data-scientists')}")
    begin = time.monotonic()
    for server in SERVERS:
        ask = partial(send, "gina", "2.0/mlflow/registered-models/alias", alias, server)
        left = until(partial(refuses_alias, ask), 20)
        live.say(f"who left governance is refused at {server} ({time.monotonic() - begin:.1f} s)", left)
    live.admin("PUT", f"/users/{live.user_id('gina')}/groups/{live.group_id('governance')}")


def refuses_alias(send: Callable[[], requests.Response]) -> bool:
    """Return whether the guard refuses the alias."""
    answer = send()
    return answer.status_code == 403 and "Only governance may" in answer.text


def check_leaver(live: Live, token: str) -> None:
    """Groups and users change while a token is in use."""
    alice, group = live.user_id("alice"), live.group_id("data-scientists")
    live.admin("DELETE", f"/users/{alice}/groups/{group}")
    out = until(lambda: live.search(SERVERS[0], **bearer(token)).status_code == 403, 20)
    live.say(
        "a removed group is in force for the day's token", out, live.search(SERVERS[0], **bearer(token)).status_code
    )
    live.admin("PUT", f"/users/{alice}/groups/{group}")
    live.say("and back", until(lambda: live.search(SERVERS[0], **bearer(token)).ok, 20))
    browser = live.session()
    live.log_in(browser, "alice")
    ajax = f"{SERVERS[0]}/ajax-api/2.0/mlflow/users/current"
    live.admin("PUT", f"/users/{alice}", json={"enabled": False})
    for server in SERVERS:
        out = until(partial(live.refuses, server, token), 20)
        live.say(f"a disabled user's token is refused at {server}", out)
    out = until(lambda: browser.get(ajax, headers={"Accept": "application/json"}).status_code == 401, 20)
    live.say("a disabled user's session is dead", out)
    live.admin("PUT", f"/users/{alice}", json={"enabled": True})
    live.say("enabled again, the token works", until(lambda: live.search(SERVERS[0], **bearer(token)).ok, 20))


def check_away(live: Live, token: str) -> None:
    """Keycloak stops and comes back."""
    browser = live.session()
    live.log_in(browser, "gina")
    ajax = f"{SERVERS[0]}/ajax-api/2.0/mlflow/users/current"
    live.stop_keycloak()
    asks: list[Callable[[], requests.Response]] = [
        lambda: live.search(SERVERS[0], **bearer(token)),
        lambda: browser.get(ajax),
    ]
    end, slow = time.monotonic() + 25, 0.0
    bad: list[int] = []
    while time.monotonic() < end:
        for ask in asks:
            begin = time.monotonic()
            status = ask().status_code
            slow = max(slow, time.monotonic() - begin)
            bad += [status] if status != 200 else []
        time.sleep(0.2)
    live.say(f"Keycloak away: token and session go on (slowest {slow:.2f} s)", not bad, bad)
    page = live.session().get(f"{SERVERS[0]}/oidc/login")
    live.say("the log-in page still answers", page.status_code == 200)
    live.start_keycloak()
    live.say("it comes back: the token works", until(lambda: live.search(SERVERS[0], **bearer(token)).ok, 30))
    page = live.log_in(live.session(), "gina")
    live.say("and so does log-in", page.status_code == 200, page.status_code)
    lines = [
        line for line in (live.folder / "mlflow-19443.log").read_text().splitlines() if "the next host is asked" in line
    ]
    live.say(f"the log said so ({len(lines)} lines)", 1 <= len(lines) <= 4, lines)


def main() -> int:
    """Run everything."""
    with tempfile.TemporaryDirectory(prefix="identity-live-") as name:
        live = Live(Path(name))
        write_certificate(live.folder)
        try:
            live.start_keycloak()
            live.start_mlflow()
            browser, token = check_browser(live)
            check_logout(live, browser, token)
            check_guard(live)
            check_refused(live)
            check_leaver(live, token)
            check_away(live, token)
        except BaseException:
            for log in live.folder.glob("*.log"):
                print(f"---- {log.name}", *log.read_text(errors="replace").splitlines()[-30:], sep="\n")
            raise
        finally:
            live.stop()
        print(f"{live.passed} passed, {live.failed} failed", flush=True)
        return 1 if live.failed else 0


if __name__ == "__main__":
    sys.exit(main())
