# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lose the secrets file of a running lab and make it anew: nothing changes, and with the file back everything reads.

An object is written first. Then the file is moved away, playbooks/secrets.yml makes another one, and site.yml must
refuse it within seconds, with the fingerprints of both KMS keys and both authorities, before any file, unit or process
of a host is another one. With the file back preflight agrees, and the object is what was written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import time

from shared import (
    Lab,
    containers,
    finish,
    inside,
    lab,
    leaks,
    playbook_command,
    read_secrets,
    secret_texts,
    tool_environment,
)

MOST_SECONDS = 60
OBJECT = "lost-secrets/probe.bin"
VARIABLES = ("platform_minio_kms_key", "platform_ca_certificate")
# Writes the object, or reads it; prints its digest. The key comes by the standard input.
CALL = """
import hashlib, io, json, socket, sys
import urllib3
from minio import Minio
verb, secret, name = json.load(sys.stdin)
http = urllib3.PoolManager(ca_certs="/etc/mlops-tracking/tls/ca.crt", cert_reqs="CERT_REQUIRED")
access = {"access_key": "mlflow", "secret_key": secret, "region": "us-east-1"}
client = Minio(socket.gethostname() + ":9000", http_client=http, **access)
if verb == "write":
    client.put_object("mlflow", name, io.BytesIO(bytes(range(256))), 256)
print(hashlib.sha256(client.get_object("mlflow", name).data).hexdigest())
"""
# Every file that a run writes, and the processes of every unit.
STATE = """
folders='/etc /opt /usr/local /srv/minio/.minio.sys/config'
find $folders -xdev -type f -not -name '*.pyc' -printf '%p %s %T@\\n' 2>/dev/null | sort
systemctl list-units --type=service --state=running --plain --no-legend |
  awk '/minio|postgresql|mlflow|nginx|keycloak|mlops|prometheus/ {print $1}' | sort | while read -r unit; do
  echo "$unit $(systemctl show --property=MainPID --value "$unit")"
done
"""


def run(the_lab: Lab, path: str) -> tuple[int, str, float]:
    """Return exit code, output and seconds of a playbook."""
    begin = time.monotonic()
    command = playbook_command(the_lab, path)
    result = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr, time.monotonic() - begin


def state(the_lab: Lab) -> set[str]:
    """Return the files and processes of all hosts."""
    return {
        f"{host}: {line}"
        for host in the_lab.hosts
        for line in inside(the_lab.container(host), "sh", "-c", STATE).splitlines()
    }


def object_digest(store: str, verb: str, secret: str) -> str:
    """Return the digest of the object, which this writes or reads."""
    return inside(
        store, "/opt/minio/client/bin/python", "-I", "-c", CALL, data=json.dumps([verb, secret, OBJECT])
    ).strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lab", default="prove-single")
    the_lab = lab(parser.parse_args().lab)
    begin = time.monotonic()
    secrets = read_secrets(the_lab)
    store = containers(the_lab, "minio.service")[0]
    written = object_digest(store, "write", secrets["platform_minio_user_secret_key"])
    before = state(the_lab)
    aside = the_lab.secrets_file.with_suffix(".aside")
    the_lab.secrets_file.rename(aside)
    try:
        made, output, _seconds = run(the_lab, "playbooks/secrets.yml")
        others = read_secrets(the_lab)
        code, refusal, seconds = run(the_lab, "site.yml")
    finally:
        aside.replace(the_lab.secrets_file)
    changed = sorted(before ^ state(the_lab))
    named = [name for name in VARIABLES if re.search(rf"{name}.*: has the fingerprint [0-9a-f]{{16}}, but ", refusal)]
    leaked = leaks(output + refusal, secret_texts(secrets) | secret_texts(others))
    agreed, _output, _seconds = run(the_lab, "playbooks/preflight.yml")
    read = object_digest(store, "read", secrets["platform_minio_user_secret_key"])
    kept = inside(store, "sh", "-c", "stat -c '%a %U' /etc/minio/kms-keys /etc/minio/kms-keys/*").splitlines()
    passed = (
        made == agreed == 0
        and others["platform_minio_kms_key"] != secrets["platform_minio_kms_key"]
        and code != 0
        and seconds < MOST_SECONDS
        and named == [*VARIABLES]
        and not changed
        and not leaked
        and written == read == hashlib.sha256(bytes(range(256))).hexdigest()
        and kept == ["700 root", "600 root"]
    )
    for line in [*changed, *leaked, *([] if passed else refusal.splitlines()[-40:])]:
        print(line, flush=True)
    figures = {"refused_after_seconds": round(seconds, 1), "named": named, "changed": len(changed)}
    return finish("lost secrets", begin, passed, **figures, leaked=len(leaked), kept=kept, same_object=read == written)


if __name__ == "__main__":
    raise SystemExit(main())
