# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of bad inputs, and the keys and certificates that it speaks of."""

from __future__ import annotations

import base64
import datetime
import secrets
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).resolve().parent
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """One bad input and what the refusal must say."""

    name: str
    expects: list[str]
    vars: dict[str, t.Any] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    listen: int = 0
    cycle: bool = False
    probe: dict[str, t.Any] = field(default_factory=dict)

    @property
    def needs_no_host(self) -> bool:
        """Whether the case shows what no container can."""
        return bool(self.probe)


def load_cases() -> list[Case]:
    """All cases, as they are written."""
    rows = yaml.safe_load((HERE / "cases.yml").read_text(encoding="utf-8"))
    return [Case(**row) for row in rows]


def fill(value: t.Any, directory: Path) -> t.Any:
    """The value with `@name` as the content and `%name` as the path of a made file."""
    if isinstance(value, dict):
        return {key: fill(item, directory) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, directory) for item in value]
    if isinstance(value, str) and value[:1] == "@":
        return (directory / value[1:]).read_text(encoding="utf-8")
    if isinstance(value, str) and value[:1] == "%":
        return str(directory / value[1:])
    return value


def make_files(directory: Path) -> None:
    """Authorities, certificates and keys, good and bad ones."""
    now = datetime.datetime.now(tz=datetime.UTC)
    good = now - DAY, now + 300 * DAY
    past = now - 30 * DAY, now - DAY
    future = now + 10 * DAY, now + 300 * DAY
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "public", "other")}
    certificates = {
        "ca.crt": certificate(keys["ca"], good, authority=True),
        "ca_expired.crt": certificate(keys["ca"], past, authority=True),
        "ca_leaf.crt": certificate(keys["ca"], good, name="mlflow.example.com"),
        "public.crt": certificate(keys["public"], good, name="*.example.com"),
        "public_expired.crt": certificate(keys["public"], past, name="mlflow.example.com"),
        "public_future.crt": certificate(keys["public"], future, name="mlflow.example.com"),
        "public_other_name.crt": certificate(keys["public"], good, name="other.example.com"),
    }
    for file, pem in certificates.items():
        (directory / file).write_bytes(pem)
    for name, key in keys.items():
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (directory / f"{name}.key").write_bytes(pem)
    (directory / "not_pem.crt").write_bytes(b"0\x82\x01\x0a not PEM")


def certificate(
    key: ec.EllipticCurvePrivateKey,
    validity: tuple[datetime.datetime, datetime.datetime],
    name: str = "",
    authority: bool = False,
) -> bytes:
    """A self-signed certificate in PEM form."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name or "test authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if name:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def good_contract(options: dict[str, t.Any], directory: Path) -> dict[str, t.Any]:
    """What an inventory needs to pass preflight: a domain and every secret of the spec."""
    contract = {"platform_domain": "mlflow.example.com"}
    for name in options:
        if name.endswith(("_password", "_key")):
            contract[name] = secrets.token_urlsafe(24)
    contract["platform_minio_kms_key"] = base64.b64encode(secrets.token_bytes(32)).decode()
    contract["platform_mlflow_webhook_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    contract["platform_ca_private_key"] = (directory / "ca.key").read_text(encoding="utf-8")
    contract["platform_ca_certificate"] = (directory / "ca.crt").read_text(encoding="utf-8")
    return contract


def leaves(value: t.Any) -> list[str]:
    """All strings inside a value; of a PEM text, its lines."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    lines = str(value).splitlines()
    return [line for line in lines if line and not line.startswith(("-----", "{{"))]
