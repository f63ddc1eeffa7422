# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: systemd hosts in containers on this machine, for the demo and for every test.

Needs root, Debian or Ubuntu, and python3 with nothing but its standard library. What it installs and builds is kept
in a cache outside the checkout, keyed by what it was made from: MLOPS_TRACKING_CACHE, by default
~/.cache/mlops-tracking.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("MLOPS_TRACKING_CACHE", Path.home() / ".cache" / "mlops-tracking"))
STATE = ROOT / ".lab"
REQUIREMENTS = ROOT / "tests" / "requirements.txt"
IDENTITY_REQUIREMENTS = (
    ROOT / "roles" / "mlflow" / "files" / "requirements-3.17.2.txt",
    ROOT / "tests" / "identity" / "requirements.txt",
)
PYTHON_LOCKS = sorted((ROOT / "roles").glob("*/files/requirements*.txt"))
EXAMPLE_REQUIREMENTS = ROOT / "examples" / "requirements.txt"
OPENSEARCH_LOCK = ROOT / "tests" / "opensearch.txt"
MINIO_MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
LOCAL_AUTHORITIES = Path("/usr/local/share/ca-certificates")
# The distribution's, which sees the distribution's packages.
SYSTEM_PYTHON = "/usr/bin/python3"
SUITES = {13: "trixie", 12: "bookworm"}
# Scenarios of roles that the older release has no packages for.
NEW_ONLY = ("keycloak", "log_shipping")
IMAGE_PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-apt,ca-certificates,sudo,iproute2,curl,procps"
# Shared mounts, as on a real host: without them systemd cannot hand credentials to a service.
DOCKERFILE = """\
FROM {base}
COPY lab_bytecode.py /usr/lib/python3/dist-packages/
RUN echo import lab_bytecode > /usr/lib/python3/dist-packages/lab_bytecode.pth
ENV container=docker
STOPSIGNAL SIGRTMIN+3
CMD ["/bin/sh", "-c", "mount --make-rshared / && exec /sbin/init"]
"""
IMAGE_FILES = ROOT / "tools" / "image"
# The engine's client, quicker into hosts.
CLIENT = ROOT / "tools" / "path"
DOMAIN = "mlflow.example.com"


class LabError(Exception):
    """Something a person must mend; the message says how."""


def run(command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command, quietly, and raise LabError with the end of its output when it fails."""
    result: subprocess.CompletedProcess[str] = subprocess.run(
        [str(part) for part in command],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,  # type: ignore[call-overload]
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.strip().splitlines()[-15:])
        raise LabError(f"{' '.join(map(str, command))[:200]}\nended with {result.returncode}:\n{tail}")
    return result


def digest(*texts: str) -> str:
    """Return a short key for what these texts say."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


class Stages:
    """Prints what is going on, with the time it took."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self._beside = False

    def __call__(self, title: str, work: Callable[[], str | None]) -> None:
        """Run one stage; what it returns is printed behind its title."""
        begin = time.monotonic()
        print(f"[{begin - self.start:6.1f} s] {title} ...", flush=True)
        note = work()
        print(
            f"[{time.monotonic() - self.start:6.1f} s]   {f'{title}: ' if self._beside else ''}"
            f"done in {time.monotonic() - begin:.1f} s{': ' + note if note else ''}",
            flush=True,
        )

    def beside(self, *works: Callable[[], None]) -> None:
        """Run works that have stages of their own, side by side; the first error ends this when all have ended."""
        self._beside = True
        with ThreadPoolExecutor() as pool:
            running = [pool.submit(work) for work in works]
        self._beside = False
        for one in running:
            one.result()


# ---------------------------------------------------------------- what a fresh machine needs


def system_python_has(module: str) -> bool:
    """Return whether the distribution's Python can import a module."""
    if not Path(SYSTEM_PYTHON).exists():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def missing_packages() -> list[str]:
    """Return the packages of this machine's distribution that the lab needs and does not have."""
    wanted = []
    if not all(importlib.util.find_spec(module) for module in ("ensurepip", "venv")):
        wanted.append("python3-venv")
    if not shutil.which("dockerd") and not engine_answers():
        wanted += ["docker.io", "iptables"]
    if not shutil.which("mmdebstrap") and not all(image_exists(release) for release in SUITES):
        wanted += ["mmdebstrap", "debian-archive-keyring"]
    if not shutil.which("git"):
        wanted.append("git")
    if not (keycloak_archive().exists() and opensearch_jars().exists()) and not system_python_has("lxml"):
        wanted += ["python3", "python3-lxml"]
    return wanted


def install_packages() -> str:
    """Install what is missing from the distribution."""
    return install(missing_packages())


def install_postgresql() -> str:
    """Install the database that tests start one of their own of."""
    found = shutil.which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return install([] if found else ["postgresql"])


def install(wanted: list[str]) -> str:
    """Install packages of the distribution."""
    if not wanted:
        return "nothing to install"
    if os.geteuid() != 0:
        raise LabError(f"These packages are missing: {' '.join(wanted)}. Install them, or run this as root.")
    if not shutil.which("apt-get"):
        raise LabError(f"Install these packages by hand, as this machine has no apt-get: {' '.join(wanted)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=environment)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted], env=environment)
    return " ".join(wanted)


@cache
def python_and_version() -> tuple[str, str]:
    """Return the Python that environments are made with: the distribution's, which is built for speed, or this one."""
    script = "import ensurepip, sys, venv; print(sys.version_info >= (3, 11), *sys.version.split())"
    if Path(SYSTEM_PYTHON).exists():
        answer = subprocess.run([SYSTEM_PYTHON, "-c", script], capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.startswith("True"):
            return SYSTEM_PYTHON, answer.stdout.strip()
    return sys.executable, sys.version


def locked_venv_directory(name: str, *requirements: Path) -> Path:
    """Return the folder of the virtual environment for these locked requirements and its Python."""
    return CACHE / f"{name}-{digest(*(path.read_text() for path in requirements), python_and_version()[1])}"


def make_locked_venv(name: str, *requirements: Path) -> Path:
    """Install locked requirements; a folder without its marker is unfinished and made anew."""
    directory = locked_venv_directory(name, *requirements)
    if (directory / ".complete").exists():
        return directory
    if directory.exists():
        shutil.rmtree(directory)
    python = directory / "bin" / "python"
    run([python_and_version()[0], "-m", "venv", directory])
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The lock is the whole answer: pip's own search would ask for newer releases of what an entry wants with extras.
    locks = [part for path in requirements for part in ("--requirement", path)]
    run([*pip, "--require-hashes", "--no-deps", *locks])
    run([python, "-m", "pip", "check", "--disable-pip-version-check"])
    (directory / ".complete").touch()
    return directory


def venv_directory() -> Path:
    """Return the folder of the tools' virtual environment."""
    return locked_venv_directory("venv", REQUIREMENTS)


def make_venv() -> str:
    """Install the tools."""
    return str(make_locked_venv("venv", REQUIREMENTS))


def identity_venv_directory() -> Path:
    """Return the folder of the environment that tests the identity package: the server's, and test tools."""
    return locked_venv_directory("identity", *IDENTITY_REQUIREMENTS)


def make_identity_venv() -> str:
    """Install what the identity package runs with, and its test tools."""
    return str(make_locked_venv("identity", *IDENTITY_REQUIREMENTS))


def example_python() -> Path:
    """Return the Python of a data scientist on this machine, with what examples/train.py needs."""
    return locked_venv_directory("example", EXAMPLE_REQUIREMENTS) / "bin" / "python"


def make_example() -> str:
    """Install what examples/train.py needs."""
    return str(make_locked_venv("example", EXAMPLE_REQUIREMENTS))


def engine_answers() -> bool:
    """Return whether a container engine answers."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def forget_dead_engine() -> None:
    """Remove the process numbers that a killed engine left; a new one would take any process of that number for it."""
    names = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            names.add(comm.read_text().strip())
    if "dockerd" not in names:
        Path("/run/docker.pid").unlink(missing_ok=True)
    if "containerd" not in names:
        Path("/run/docker/containerd/containerd.pid").unlink(missing_ok=True)


def start_engine() -> str:
    """Start the container engine if none answers; remember it, so that it can be stopped again."""
    if engine_answers():
        return "answers"
    if Path("/run/systemd/system").exists():
        run(["systemctl", "start", "docker"])
    else:
        forget_dead_engine()
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(CACHE / "dockerd.log", "ab") as log:
            process = subprocess.Popen(["dockerd"], stdout=log, stderr=log, start_new_session=True)
        (CACHE / "dockerd.pid").write_text(str(process.pid))
    for _attempt in range(60):
        if engine_answers():
            return "started"
        time.sleep(0.5)
    raise LabError(f"The container engine did not start; see {CACHE / 'dockerd.log'}")


def stop_engine() -> None:
    """Stop the engine if this tool started it and no container is left."""
    pid_file = CACHE / "dockerd.pid"
    if not pid_file.exists() or not engine_answers():
        return
    if run(["docker", "ps", "-aq"]).stdout.strip():
        return
    pid = int(pid_file.read_text())
    try:
        os.kill(pid, 15)
        for _attempt in range(60):
            os.kill(pid, 0)
            time.sleep(0.5)
    except ProcessLookupError:
        pass
    pid_file.unlink(missing_ok=True)


def image_name(release: int) -> str:
    """Return the image's name, keyed by what it is made of."""
    files = [file.read_text() for file in sorted(IMAGE_FILES.glob("*.py"))]
    return f"mlops-tracking/debian:{release}-{digest(IMAGE_PACKAGES, DOCKERFILE, SUITES[release], *files)}"


def image_exists(release: int) -> bool:
    """Return whether the engine has the image."""
    if not engine_answers():
        return False
    return (
        subprocess.run(["docker", "image", "inspect", image_name(release)], capture_output=True, check=False).returncode
        == 0
    )


def make_image(release: int) -> str:
    """Build the image of a bare Debian host with systemd from Debian's packages."""
    name = image_name(release)
    if image_exists(release):
        return name
    tarball = CACHE / f"debian-{release}-{digest(IMAGE_PACKAGES, SUITES[release])}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not tarball.exists():
        partial = tarball.with_suffix(".partial.tar")
        run(["mmdebstrap", "--variant=minbase", f"--include={IMAGE_PACKAGES}", SUITES[release], partial])
        partial.rename(tarball)
    base = name.replace("/debian:", "/base:")
    run(["docker", "import", tarball, base])
    run(
        ["docker", "build", "--quiet", "--tag", name, "--file", "-", IMAGE_FILES],
        input=DOCKERFILE.format(base=base),
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    return name


def run_in_host(script: str, out: Path, variables: Iterable[str] = ()) -> None:
    """Run a script in a Debian 13 host that has this machine's authorities and these variables, and `out` as /out."""
    prepare_host = (
        "set -e; cp -r /authorities/. /usr/local/share/ca-certificates/ 2>/dev/null || true;"
        " update-ca-certificates >/dev/null; apt-get update -qq; "
    )
    command: list[str | Path] = ["docker", "run", "--rm", "--network=host", "--label=mlops.tracking=build"]
    command += [f"--volume={out}:/out", f"--volume={LOCAL_AUTHORITIES}:/authorities:ro"]
    command += [f"--env={name}={os.environ[name]}" for name in variables if name in os.environ]
    run([*command, image_name(13), "bash", "-c", prepare_host + script])


def wheels() -> Path:
    """Return the folder of what the roles' Python environments are made of on Debian 13."""
    return CACHE / "files" / f"wheels-{digest(image_name(13), *(lock.read_text() for lock in PYTHON_LOCKS))}"


def download_wheels() -> str:
    """Download the roles' locked Python packages once, so that hosts take them from this machine."""
    folder = wheels()
    if folder.exists():
        return folder.name
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for lock in PYTHON_LOCKS:
        (partial / "locks" / lock.parts[-3]).mkdir(parents=True)
        shutil.copy(lock, partial / "locks" / lock.parts[-3])
    script = (
        "apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; python3 -m venv /tmp/venv;"
        " export PIP_CERT=/etc/ssl/certs/ca-certificates.crt; for lock in /out/locks/*/*; do /tmp/venv/bin/pip download"
        " --quiet --disable-pip-version-check --no-deps --require-hashes --dest /out --requirement $lock; done"
    )
    run_in_host(script, partial, ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"))
    partial.rename(folder)
    return folder.name


def minio_archive() -> Path:
    """Return the archive of the object store, named by its version."""
    return CACHE / "files" / f"minio-{digest(MINIO_MODULE)}.tar.gz"


def minio_binary() -> Path:
    """Return the object store's program on this machine, for tests that start it here."""
    return CACHE / f"minio-{digest(MINIO_MODULE)}" / "minio"


def unpack_minio() -> str:
    """Unpack the program from the archive."""
    binary = minio_binary()
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        partial = binary.with_suffix(".partial")
        with tarfile.open(minio_archive()) as archive, open(partial, "wb") as program:
            packed = archive.extractfile("minio")
            assert packed
            shutil.copyfileobj(packed, program)
        partial.chmod(0o755)
        partial.rename(binary)
    return minio_archive().name


def make_minio() -> str:
    """Build the object store from source and pack it, so that the role's archive method is exercised."""
    archive = minio_archive()
    if archive.exists():
        return unpack_minio()
    archive.parent.mkdir(parents=True, exist_ok=True)
    out = CACHE / "minio-build"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # This machine may have no Go or an old one. Compilers that live for seconds need not collect their garbage.
    script = (
        "apt-get install -y -qq --no-install-recommends golang-1.24-go >/dev/null;"
        " cd /tmp; export GOGC=off GOMEMLIMIT=2GiB GOBIN=/out GOFLAGS=-buildvcs=false;"
        " /usr/lib/go-1.24/bin/go install -trimpath -ldflags '-s -w'"
        f" {MINIO_MODULE}"
    )
    run_in_host(script, out, ("GOPROXY", "GONOSUMDB", "GOSUMDB"))
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w:gz") as tar:
        tar.add(out / "minio", "minio")
    partial.rename(archive)
    shutil.rmtree(out)
    return unpack_minio()


def keycloak_release() -> tuple[str, str]:
    """Return version and checksum of the archive that the role keycloak installs by default."""
    text = (ROOT / "roles" / "keycloak" / "defaults" / "main.yml").read_text()
    version = re.search(r"platform_keycloak_version \| default\('([\d.]+)'\)", text)
    checksum = re.search(r'^keycloak_archive_checksum: "sha256:([0-9a-f]{64})"$', text, re.MULTILINE)
    if not (version and checksum):
        raise LabError("roles/keycloak/defaults/main.yml does not name version and checksum of an archive.")
    return version[1], checksum[1]


def keycloak_archive() -> Path:
    """Return the archive of the identity provider, where a Maven repository would have it."""
    version, _checksum = keycloak_release()
    name = "keycloak-quarkus-dist"
    return CACHE / "files" / "maven" / "org" / "keycloak" / name / version / f"{name}-{version}.tar.gz"


def sha256_of(path: Path) -> str:
    """Return the checksum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def get_keycloak() -> str:
    """Download the identity provider once, by the role's module, so that hosts take it from this machine."""
    archive = keycloak_archive()
    version, checksum = keycloak_release()
    if archive.exists() and sha256_of(archive) == checksum:
        return archive.name
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    options = {
        "group_id": "org.keycloak",
        "artifact_id": "keycloak-quarkus-dist",
        "version": version,
        "extension": "tar.gz",
        "dest": str(partial),
    }
    maven_artifacts("localhost,", options)
    if sha256_of(partial) != checksum:
        raise LabError(f"The archive of Keycloak {version} has not the checksum {checksum}, but {sha256_of(partial)}.")
    partial.rename(archive)
    return archive.name


def maven_artifacts(inventory: str, options: dict[str, str]) -> None:
    """Download an artifact for each host of an inventory; options may be templates of its variables."""
    common = {"checksum_alg": "sha1", "timeout": "60", "mode": "0644"}
    command = [str(venv_directory() / "bin" / "ansible"), "all", f"--inventory={inventory}", "--connection=local"]
    command += [f"--extra-vars=ansible_python_interpreter={SYSTEM_PYTHON}", "--forks=6"]
    command += ["--module-name=community.general.maven_artifact", f"--args={json.dumps({**common, **options})}"]
    run(command, env=tool_environment())


def opensearch_lock() -> dict[str, str]:
    """Return the jars of an OpenSearch node, by `group:artifact:version`, with their checksums."""
    lines = [line for line in OPENSEARCH_LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return {coordinates: checksum for checksum, coordinates in (line.split() for line in lines)}


def opensearch_jars() -> Path:
    """Return the folder of these jars."""
    return CACHE / "files" / f"opensearch-{digest(OPENSEARCH_LOCK.read_text())}"


def get_opensearch() -> str:
    """Download the jars once, each with its pinned checksum; a node of them is the target of shipped logs."""
    folder = opensearch_jars()
    if folder.exists():
        return folder.name
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    wanted = {partial / f"{coordinates.replace(':', '_')}.jar": coordinates for coordinates in opensearch_lock()}
    missing = {}
    for path, coordinates in wanted.items():
        if not (path.exists() and sha256_of(path) == opensearch_lock()[coordinates]):
            path.unlink(missing_ok=True)
            group, artifact, version = coordinates.split(":")
            missing[path.name] = {"group": group, "artifact": artifact, "version": version, "path": str(path)}
    if missing:
        inventory = CACHE / "opensearch.json"
        inventory.write_text(json.dumps({"all": {"hosts": missing}}))
        names = {"group_id": "group", "artifact_id": "artifact", "version": "version", "dest": "path"}
        maven_artifacts(str(inventory), {option: f"{{{{ {name} }}}}" for option, name in names.items()})
        inventory.unlink()
    for path, coordinates in wanted.items():
        if sha256_of(path) != opensearch_lock()[coordinates]:
            raise LabError(f"{coordinates} has not the checksum in {OPENSEARCH_LOCK.name}, but {sha256_of(path)}.")
    partial.rename(folder)
    return folder.name


def prepare(stages: Stages, releases: Iterable[int] = (13,)) -> None:
    """Do everything that a fresh machine needs, each thing once."""
    stages("Packages of this machine", install_packages)
    stages("Ansible and the test tools", make_venv)
    stages("Container engine", start_engine)
    for release in releases:
        stages(f"Image of a bare Debian {release} host", partial(make_image, release))
    stages("Python packages of the hosts", download_wheels)
    stages("Object store, built from source", make_minio)
    stages("Identity provider", get_keycloak)


# ---------------------------------------------------------------- one lab


@dataclass
class Lab:
    """Some hosts in containers, the shipped inventory that describes them, and what differs here."""

    name: str
    source: Path
    hosts: list[str]
    names: list[str] = field(default_factory=list)
    release: int = 13
    # Whether the only host of an inventory without single sign-on is to have it, too.
    sign_on: bool = False
    # Hosts that the shipped inventory has not, with their group.
    more_hosts: dict[str, str] = field(default_factory=dict)

    @property
    def scenario(self) -> str:
        """Return what the lab shows: the name of a shipped inventory or of one of Molecule's, or `sso`."""
        if self.sign_on:
            return "sso"
        return self.source.parent.name if self.source.name == "inventory" else self.source.name

    @property
    def directory(self) -> Path:
        """Return the second inventory: what differs from the shipped one, and the secrets."""
        return STATE / self.name / "inventory"

    @property
    def logs(self) -> Path:
        """Return where the output of this lab's playbooks goes."""
        return STATE / self.name / "logs"

    @property
    def secrets_file(self) -> Path:
        """Return the file that playbooks/secrets.yml writes for this lab."""
        return self.directory / "group_vars" / "all" / "secrets.yml"

    @property
    def passwords(self) -> Path:
        """Return the folder with the passwords of the lab's users, made when they are first asked for."""
        return STATE / self.name / "passwords"

    def container(self, host: str) -> str:
        """Return the container's name."""
        return f"{self.name}-{host}"

    def facts(self) -> dict[str, object]:
        """Return what the playbooks that create and destroy hosts need to know."""
        hybrid = Path("/sys/fs/cgroup/unified")
        source = hybrid if self.release == 13 and hybrid.exists() else Path("/sys/fs/cgroup")
        for folder in ("files", "pip", "bytecode"):
            (CACHE / folder).mkdir(parents=True, exist_ok=True)
        return {
            "name": self.name,
            "prefix": f"{self.name}-",
            "network": f"mlops-{self.name}",
            "names": self.names,
            "image": image_name(self.release),
            # The only host of a platform has its own name and clock as Debian's installer and many sites leave them.
            "own_name_is_loopback": self.scenario in ("single", "sso"),
            "has_chrony": self.scenario in ("single", "sso", "common"),
            "volumes": [
                f"{source}:/sys/fs/cgroup:rw",
                f"{CACHE / 'files'}:/var/cache/lab:ro",
                f"{CACHE / 'pip'}:/root/.cache/pip:rw",
                f"{CACHE / 'bytecode'}:/var/cache/lab-bytecode:rw",
            ],
        }

    def write(self) -> None:
        """Write what differs from the shipped inventory: the connection, the mirror, and where secrets go."""
        self.directory.mkdir(parents=True, exist_ok=True)
        archive = minio_archive()
        variables: dict[str, object] = {
            "ansible_connection": "community.docker.docker",
            "ansible_pipelining": True,
            "minio_archive_url": f"file:///var/cache/lab/{archive.name}",
            "minio_archive_checksum": "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest(),
            "minio_archive_binary": "minio",
            "minio_open_files_max": 16384,
            "keycloak_archive_url": f"file:///var/cache/lab/{keycloak_archive().relative_to(CACHE / 'files')}",
            "platform_extra_ca_certificate_files": sorted(map(str, LOCAL_AUTHORITIES.glob("*.crt"))),
            "platform_secrets_file": str(self.secrets_file),
            # What was done shows in seconds, not in minutes.
            "prometheus_exporter_sql_seconds": 10,
            "prometheus_exporter_sql_total_seconds": 10,
            "prometheus_exporter_sql_timeout_seconds": 8,
            "monitoring_scrape_seconds": 10,
            "monitoring_retention_size": "1GB",
        }
        # The others show that an index does, too.
        if self.release == 13:
            variables["platform_python_find_links"] = f"/var/cache/lab/{wheels().name}"
        if self.scenario == "log_shipping":
            variables["search_node_jars"] = f"/var/cache/lab/{opensearch_jars().name}"
        if self.scenario in ("single", "prod", "sso"):
            variables |= self.teams()
        hosts = {host: {"ansible_host": self.container(host)} for host in self.hosts}
        inventory: dict[str, dict[str, Any]] = {"all": {"hosts": hosts, "vars": variables}}
        if self.sign_on:
            variables["platform_auth"] = "oidc"
            inventory["keycloak"] = {"hosts": {host: {} for host in self.hosts}}
        for host, group in self.more_hosts.items():
            inventory.setdefault(group, {"hosts": {}})["hosts"][host] = {}
        # JSON is YAML, and needs no library here.
        (self.directory / "lab.yml").write_text(json.dumps(inventory, indent=2) + "\n")

    def teams(self) -> dict[str, object]:
        """Return two teams, one of which may look at an experiment of the other, and somebody who promotes models."""
        drawn = "lookup('ansible.builtin.password', '{}', length=24, chars=['ascii_letters', 'digits'])"
        passwords = {
            name: f"{{{{ {drawn.format(self.passwords / name)} }}}}" for name in ("ada", "bob", "grace", "nightly")
        }
        daily = {"name": "pricing/daily"}
        pricing = {
            "name": "pricing",
            "users": ["ada"],
            "groups": ["pricing"],
            "service_accounts": ["nightly"],
            "experiments": [daily],
            "models": [{"name": "price"}],
        }
        fraud = {
            "name": "fraud",
            "users": ["bob"],
            "groups": ["fraud"],
            "experiments": [{"name": "fraud"}, {**daily, "permission": "READ"}],
        }
        return {
            "platform_teams": [pricing, fraud],
            "platform_governance_users": ["grace"],
            "platform_service_account_secrets": {"nightly": passwords.pop("nightly")},
            "mlflow_user_passwords": passwords,
        }


def hosts_of(inventory: Path) -> list[str]:
    """Return the hosts of a shipped inventory: lines of four or six spaces, a host name and a colon."""
    hosts: list[str] = []
    for line in (inventory / "hosts.yml").read_text().splitlines():
        if line.startswith("    ") and line.strip().endswith(":") and line.strip() != "hosts:":
            name = line.strip()[:-1]
            if name not in hosts:
                hosts.append(name)
    return hosts


def lab(name: str) -> Lab:
    """Return a lab by name: `demo`, `prod-lab`, `molecule-` or `prove-` and a scenario, or one that only proofs use."""
    known = {
        "demo": "single",
        "prod-lab": "prod",
        "prove-sso": "single",
        "prove-keycloaks": "prod",
        "prove-passwords": "single",
        "prove-controllers": "single",
    }
    scenario = known.get(name, name.removeprefix("molecule-").removeprefix("prove-"))
    release = 12 if scenario.endswith("-debian12") else 13
    source = ROOT / "inventories" / scenario.removesuffix("-debian12")
    if not source.exists():
        # A role alone is shown on the older release, where it runs there, the platform on the newer one.
        source, release = ROOT / "molecule" / scenario / "inventory", 13 if scenario in NEW_ONLY else 12
    if not source.exists():
        raise LabError(f"No lab is called {name}.")
    more = {"prove-keycloaks": {"sso2": "keycloak"}, "prove-passwords": {"app2": "mlflow"}}.get(name, {})
    # The last host has the public name.
    hosts = [*more, *hosts_of(source)]
    return Lab(name, source, hosts, [DOMAIN], release, sign_on=name == "prove-sso", more_hosts=more)


def hosts_block(the_lab: Lab) -> list[str]:
    """Return the lines of /etc/hosts that make a lab's hosts and its public name known, empty if it has no hosts."""
    lines = []
    for host in the_lab.hosts:
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        result = subprocess.run(
            ["docker", "inspect", "--format", template, the_lab.container(host)],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode == 0 and result.stdout.strip():
            names = the_lab.names if host == the_lab.hosts[-1] else []
            lines.append(" ".join([result.stdout.strip(), host, the_lab.container(host), *names]))
    if not lines:
        return []
    return [f"# BEGIN mlops.tracking {the_lab.name}", *lines, f"# END mlops.tracking {the_lab.name}"]


def without_labs(text: str, name: str = "") -> list[str]:
    """Return the lines of /etc/hosts without those of one lab, or of all labs."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = inside or (line.startswith("# BEGIN mlops.tracking ") and (not name or line.endswith(f" {name}")))
        if not inside:
            kept.append(line)
        inside = inside and not line.startswith("# END mlops.tracking ")
    return kept


def write_hosts(the_lab: Lab, path: Path = Path("/etc/hosts")) -> bool:
    """Make /etc/hosts say what is true of this lab, and return whether it had to change.

    The file is written in place: a test has its own bound over it, and replacing the file would undo that.
    """
    before = path.read_text()
    after = "\n".join([*without_labs(before, the_lab.name), *hosts_block(the_lab)]) + "\n"
    if after == before:
        return False
    with open(path, "r+", encoding="utf-8") as file:
        file.write(after)
        file.truncate()
    return True


def tool_environment() -> dict[str, str]:
    """Return the environment in which Ansible and its friends run."""
    return {
        **os.environ,
        "PATH": f"{CLIENT}:{venv_directory() / 'bin'}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_FORCE_COLOR": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def task_name(line: str) -> str:
    """Return the name in the line by which Ansible announces a task or a handler."""
    return line.split("[", 1)[1].rpartition("]")[0]


def changed_tasks(output: str) -> list[str]:
    """Return the names of the tasks and handlers that changed something, once for each host or item."""
    task, changed = "", []
    for line in output.splitlines():
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            task = task_name(line)
        elif line.startswith("changed: ["):
            changed.append(task)
    return changed


def playbook(the_lab: Lab, path: str, *arguments: str, log: Path | None = None, quiet: bool = False) -> str:
    """Run a playbook on a lab, showing plays as they begin; the whole output goes to the lab's log.

    Returns the recap line of changed tasks, such as ``changed=0``.
    """
    log = log or the_lab.logs / (Path(path).stem + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(venv_directory() / "bin" / "ansible-playbook"),
        str(ROOT / path),
        "-i",
        str(the_lab.source),
        "-i",
        str(the_lab.directory),
        *arguments,
    ]
    begin = time.monotonic()
    changed = 0
    with (
        open(log, "w", encoding="utf-8") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=tool_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            out.flush()
            if line.startswith("PLAY [") and not quiet:
                title = line[len("PLAY [") :].split("]")[0]
                print(f"             {time.monotonic() - begin:6.1f} s  {title}", flush=True)
            if "changed=" in line and "unreachable=" in line:
                changed += int(line.split("changed=")[1].split()[0])
    if process.returncode != 0:
        tail = "".join(log.read_text().splitlines(keepends=True)[-40:])
        raise LabError(f"{path} failed; the whole output is in {log}. Its end:\n{tail}")
    return f"changed={changed}"


def lab_playbook(the_lab: Lab, name: str) -> str:
    """Run a playbook that creates or destroys the hosts of a lab."""
    return playbook(
        the_lab,
        f"molecule/shared/{name}.yml",
        "--extra-vars",
        json.dumps({"lab": the_lab.facts(), "lab_hosts": the_lab.hosts}),
        quiet=True,
    )


# ---------------------------------------------------------------- what a user types


def up(name: str) -> None:
    """Build a platform on containers and prove it."""
    stages = Stages()
    the_lab = lab(name)
    prepare(stages, {13, the_lab.release})
    the_lab.write()
    stages(f"Hosts: {' '.join(the_lab.hosts)}", lambda: lab_playbook(the_lab, "create"))
    stages("Secrets of this inventory", lambda: playbook(the_lab, "playbooks/secrets.yml", quiet=True))
    stages("site.yml", lambda: playbook(the_lab, "site.yml"))
    if name == "demo":
        stages("A data scientist's first run, from outside the host", lambda: example(the_lab))
    stages("doctor.yml, the end-to-end proof", lambda: playbook(the_lab, "playbooks/doctor.yml"))
    print((the_lab.logs / "doctor.log").read_text().split("PLAY RECAP")[0][-6000:])
    single = the_lab.scenario == "single"
    password = "platform_mlflow_admin_password" if single else "platform_keycloak_user_password"
    stop = f"make {name}-down" if name in ("demo", "prod-lab") else f"python3 tools/lab.py down {name}"
    more = f"ada and bob of two teams, grace of governance; passwords in {the_lab.passwords}" if single else "none"
    print(
        f"""
MLflow answers at https://{DOMAIN} (this machine's /etc/hosts knows the name).
  user        admin
  password    {password} in {the_lab.secrets_file}
  more users  {more}
  authority   {the_lab.logs / "ca.crt"} (trust it in your browser)
  hosts       {" ".join(the_lab.container(host) for host in the_lab.hosts)} (docker exec -it HOST bash)
  stop        {stop}
"""
    )


def ready(the_lab: Lab) -> None:
    """Do what Molecule needs before it makes the hosts of a lab."""
    stages = Stages()
    prepare(stages, {13, the_lab.release})
    if the_lab.scenario == "log_shipping":
        stages("Log search", get_opensearch)
    the_lab.write()


def example(the_lab: Lab) -> str:
    """Run examples/train.py as a data scientist would, with nothing but the address and a password."""
    make_example()
    secrets = read_secrets(the_lab)
    (the_lab.logs / "ca.crt").write_text(secrets["platform_ca_certificate"])
    result = run(
        [example_python(), ROOT / "examples" / "train.py"],
        cwd=the_lab.logs,
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": f"https://{DOMAIN}",
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": secrets["platform_mlflow_admin_password"],
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(the_lab.logs / "ca.crt"),
        },
    )
    return result.stdout.strip().splitlines()[-1]


def read_secrets(the_lab: Lab) -> dict[str, str]:
    """Return the secrets of a lab's inventory."""
    script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    result = run([venv_directory() / "bin" / "python", "-c", script, the_lab.secrets_file])
    secrets: dict[str, str] = json.loads(result.stdout)
    return secrets


def down(name: str) -> None:
    """Remove what `up` made, and the engine if it was started here and nothing else uses it."""
    stages = Stages()
    the_lab = lab(name)
    if the_lab.directory.exists():
        stages("Container engine", start_engine)
        stages("Remove the hosts", lambda: lab_playbook(the_lab, "destroy"))
        shutil.rmtree(STATE / the_lab.name)
    stop_engine()
    print(f"Gone. What was built is kept in {CACHE}; remove that folder to start from nothing.")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="do what a fresh machine needs")
    for command in ("up", "down", "ready", "facts", "hosts"):
        commands.add_parser(command).add_argument("lab")
    commands.add_parser("python", help="print the path of the tools' Python")
    options = parser.parse_args()
    try:
        if options.command == "prepare":
            prepare(Stages())
        elif options.command == "up":
            up(options.lab)
        elif options.command == "down":
            down(options.lab)
        elif options.command == "ready":
            ready(lab(options.lab))
        elif options.command == "facts":
            print(json.dumps(lab(options.lab).facts()))
        elif options.command == "hosts":
            print("changed" if write_hosts(lab(options.lab)) else "unchanged")
        elif options.command == "python":
            print(venv_directory() / "bin" / "python")
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
