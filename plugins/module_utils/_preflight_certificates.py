# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight about certificates and keys (PEM text, no files, no network).

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem, show

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

Contract = Mapping[str, t.Any]
Files = Mapping[str, "bytes | None"]

PUBLIC_FILES = ("pki_public_certificate_file", "pki_public_key_file")
AUTHORITY = "platform_ca_certificate"
AUTHORITY_KEY = "platform_ca_private_key"
NEW_AUTHORITY = (
    "remove platform_ca_certificate and platform_ca_private_key and run "
    "`ansible-playbook mlops.tracking.secrets` for a new authority."
)
_MISSING = "run `ansible-playbook mlops.tracking.secrets` with this inventory to create it."


def check_authority(contract: Contract) -> Iterator[Problem]:
    """The platform authority: a CA certificate that is in force, and its own key."""
    if not HAS_CRYPTOGRAPHY:
        yield Problem("cryptography", "is not installed for the Python that runs Ansible.", "pip install cryptography.")
        return
    for name in (AUTHORITY, AUTHORITY_KEY):
        if contract.get(name) == "":
            yield Problem(name, "is missing.", _MISSING)
    certificate = _certificate(contract.get(AUTHORITY))
    key = _key(contract.get(AUTHORITY_KEY))
    if contract.get(AUTHORITY) and certificate is None:
        yield Problem(AUTHORITY, "is not a certificate in PEM form.", NEW_AUTHORITY)
    if contract.get(AUTHORITY_KEY) and key is None:
        problem = "is not a private key in PEM form, or has a passphrase."
        yield Problem(AUTHORITY_KEY, problem, NEW_AUTHORITY)
    if certificate is not None:
        yield from _check_dates(AUTHORITY, certificate, NEW_AUTHORITY)
        if not _may_sign(certificate):
            yield Problem(AUTHORITY, "is not the certificate of an authority.", NEW_AUTHORITY)
    if certificate is not None and key is not None and not _belong(certificate, key):
        yield Problem(AUTHORITY_KEY, f"is not the key of {AUTHORITY}.", NEW_AUTHORITY)


def check_public(contract: Contract, files: Files) -> Iterator[Problem]:
    """The provided certificate of the public name: in force, with its key, for that name."""
    if contract.get("platform_public_certificate_source") != "provided" or not HAS_CRYPTOGRAPHY:
        return
    certificate_name, key_name = PUBLIC_FILES
    for name in PUBLIC_FILES:
        yield from _check_file(name, contract.get(name), files)
    certificate = _certificate(files.get(str(contract.get(certificate_name))))
    key = _key(files.get(str(contract.get(key_name))))
    if certificate is not None:
        remedy = "ask its issuer for a new one."
        yield from _check_dates(certificate_name, certificate, remedy)
        domain = str(contract.get("platform_domain", ""))
        if domain and not _covers(certificate, domain):
            yield Problem(
                certificate_name,
                f"is a certificate for {', '.join(_names(certificate)) or 'no name'}, "
                f'not for platform_domain "{domain}".',
                "provide a certificate that names the domain, or correct platform_domain.",
            )
    elif files.get(str(contract.get(certificate_name))):
        problem = f"{show(certificate_name, contract[certificate_name])} is not a PEM certificate."
        yield Problem(certificate_name, problem, "name a file with the chain, leaf first.")
    if key is None and files.get(str(contract.get(key_name))):
        yield Problem(
            key_name,
            "is not a PEM private key, or has a passphrase.",
            "name a file with the key, without a passphrase.",
        )
    if certificate is not None and key is not None and not _belong(certificate, key):
        problem = f"is not the key of {certificate_name}."
        yield Problem(key_name, problem, "name the key that the certificate was made for.")


def check_extra(contract: Contract, files: Files) -> Iterator[Problem]:
    """Extra authorities are PEM files on the controller."""
    name = "platform_extra_ca_certificate_files"
    for path in contract.get(name) or ():
        content = files.get(str(path))
        if content is None:
            yield from _check_file(name, path, files)
        elif HAS_CRYPTOGRAPHY and _certificate(content) is None:
            problem = f"names {show(name, path)}, which is not a certificate in PEM form."
            yield Problem(name, problem, "convert it: openssl x509 -inform der -in FILE -out FILE.crt.")


def _check_file(name: str, path: object, files: Files) -> Iterator[Problem]:
    if not path:
        problem = 'is not set, but platform_public_certificate_source is "provided".'
        yield Problem(name, problem, "write the path of the file on the controller.")
    elif files.get(str(path)) is None:
        problem = f"names {show('file', path)}, which cannot be read on the controller."
        yield Problem(name, problem, "write the absolute path of a readable file.")


def _certificate(pem: object) -> t.Any:
    """The first certificate of a PEM text, or None."""
    try:
        return x509.load_pem_x509_certificate(_bytes(pem))
    except ValueError:
        return None


def _key(pem: object) -> t.Any:
    try:
        return serialization.load_pem_private_key(_bytes(pem), password=None)
    except (TypeError, ValueError):
        return None


def _bytes(pem: object) -> bytes:
    return pem if isinstance(pem, bytes) else str(pem or "").encode()


def _belong(certificate: t.Any, key: t.Any) -> bool:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    mine = certificate.public_key().public_bytes(*form)
    return bool(mine == key.public_key().public_bytes(*form))


def _check_dates(name: str, certificate: t.Any, remedy: str) -> Iterator[Problem]:
    now = datetime.datetime.now(tz=datetime.UTC)
    begin, end = _validity(certificate)
    if end < now:
        yield Problem(name, f"expired on {end:%Y-%m-%d}.", remedy)
    if begin > now:
        yield Problem(name, f"is not valid before {begin:%Y-%m-%d}.", "correct the clock, or wait.")


def _validity(certificate: t.Any) -> tuple[datetime.datetime, datetime.datetime]:
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    # cryptography before 42 gives naive times in UTC.
    zone = datetime.UTC
    begin = certificate.not_valid_before.replace(tzinfo=zone)
    return begin, certificate.not_valid_after.replace(tzinfo=zone)


def _may_sign(certificate: t.Any) -> bool:
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound as missing:
        return bool(missing.oid == x509.KeyUsage.oid)
    return bool(usage.value.key_cert_sign)


def _names(certificate: t.Any) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name) for name in names.get_values_for_type(x509.DNSName)]


def _covers(certificate: t.Any, domain: str) -> bool:
    parent = domain.partition(".")[2]
    names = [name.lower() for name in _names(certificate)]
    return domain.lower() in names or f"*.{parent.lower()}" in names
