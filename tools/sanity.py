# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on what git would take from this checkout, without containers.

Run it with the Python of the environment that holds ansible-core. Arguments are handed to ansible-test:
`tools/sanity.py --test validate-modules`. The virtual environments that ansible-test makes for its tests are kept in
MLOPS_TRACKING_CACHE, by default ~/.cache/mlops-tracking. With `--prove` one error for each test is planted in a copy,
and the run succeeds if every one of them is found.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("MLOPS_TRACKING_CACHE", Path.home() / ".cache" / "mlops-tracking"))
HOME = CACHE / "sanity"
BIN = Path(sys.executable).parent
VERSIONS = ("3.11", "3.12", "3.13")

# ansible-test puts this pip into each of its environments. It fetches the installer of pip from its own CI's host,
# unless that file is there already; ours gives it the same pip, from the package index that pip is configured for.
PIP = "pip==24.2 --hash=sha256:2cd581cf58ab7fcfca4ce8efa6dcacd0de5bf8d0a3eb9ec927e07405f4d9e2a2"
GET_PIP = """\
import runpy
import sys

sys.path.insert(0, {wheel!r})
sys.argv[1:] = ["install", "--no-index", "--disable-pip-version-check", {wheel!r}]
runpy.run_module("pip", run_name="__main__")
"""

# What --prove plants: the test that must find it, the file, its text.
PLANTED = [
    ("action-plugin-docs", "plugins/action/planted.py", ""),
    ("ansible-doc", "plugins/modules/planted_doc.py", 'DOCUMENTATION = """\nmodule: [\n"""\n'),
    ("changelog", "changelogs/fragments/planted.yml", "no_such_section:\n  - text\n"),
    ("compile", "plugins/module_utils/_planted_compile.py", "def broken(:\n"),
    ("empty-init", "plugins/modules/__init__.py", "PLANTED = 1\n"),
    ("ignores", "tests/sanity/ignore-2.19.txt", "plugins/modules/no_such.py pep8:E501\n"),
    ("import", "plugins/module_utils/_planted_import.py", "import no_such_library\n"),
    ("line-endings", "plugins/module_utils/_planted_line_endings.py", "A = 1\r\n"),
    ("no-assert", "plugins/module_utils/_planted_assert.py", "assert True\n"),
    ("no-get-exception", "plugins/module_utils/_planted_exception.py", "A = get_exception()\n"),
    ("no-illegal-filenames", "plugins/module_utils/planted|name.txt", ""),
    ("no-smart-quotes", "plugins/module_utils/_planted_quotes.py", "A = '\u201cquoted\u201d'\n"),
    ("pep8", "plugins/module_utils/_planted_pep8.py", f"A = '{'x' * 200}'\n"),
    ("pylint", "plugins/module_utils/_planted_pylint.py", "import os\n"),
    ("replace-urlopen", "plugins/module_utils/_planted_urlopen.py", "urllib.request.urlopen(A)\n"),
    ("runtime-metadata", "meta/runtime.yml", "no_such_key: true\n"),
    ("shebang", "plugins/module_utils/_planted_shebang.py", "#!/usr/bin/perl\n"),
    ("use-argspec-type-path", "plugins/modules/planted_path.py", "os.path.expanduser(module.params['x'])\n"),
    ("use-compat-six", "plugins/module_utils/_planted_six.py", "import six\n"),
    ("validate-modules", "plugins/modules/planted_module.py", "from ansible.module_utils import basic\n"),
    ("yamllint", "playbooks/planted.yml", "a: 1\na: 2\n"),
]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prove", action="store_true", help="see that each test can fail")
    options, passed = parser.parse_known_args(arguments)
    pythons = find_pythons()
    missing = [version for version in VERSIONS if version not in pythons]
    print(
        f"Python: {', '.join(pythons)}{'; not on this machine: ' + ', '.join(missing) if missing else ''}", flush=True
    )
    prepare_home()
    with tempfile.TemporaryDirectory(prefix="mlops-tracking-sanity-") as directory:
        tree = Path(directory) / "ansible_collections" / "mlops" / "tracking"
        export(tree)
        return prove(tree, pythons) if options.prove else run_sanity(tree, pythons, passed).returncode


def find_pythons() -> dict[str, Path]:
    """Return the interpreters that run here, by version; the one that runs ansible-test is ours."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted((Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions").glob("*/bin"))
    found = {own: Path(sys.executable)}
    for version in VERSIONS:
        for path in (folder / f"python{version}" for folder in folders):
            if version not in found and path.exists() and works(path):
                found[version] = path
    return dict(sorted(found.items()))


def works(path: Path) -> bool:
    """Return whether it is an interpreter that can make virtual environments, not the shim of a version manager."""
    return subprocess.run([path, "-c", "import venv"], capture_output=True, check=False).returncode == 0


def prepare_home() -> None:
    """Make the home directory of the run: ansible-test hands no other variable than HOME and PATH to pip."""
    write_pip_configuration(HOME / ".config" / "pip" / "pip.conf")
    version = PIP.split()[0].partition("==")[2]
    wheel = HOME / f"pip-{version}-py3-none-any.whl"
    if not wheel.exists():
        requirements = HOME / "requirements.txt"
        requirements.write_text(PIP + "\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--require-hashes", "--dest", HOME, "--requirement", requirements], check=True)
    get_pip = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    get_pip.parent.mkdir(parents=True, exist_ok=True)
    get_pip.write_text(GET_PIP.format(wheel=str(wheel)))


def write_pip_configuration(path: Path) -> None:
    """Write pip's configuration of this machine, user and environment into one file."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    configuration = configparser.RawConfigParser()
    configuration["global"] = {"quiet": "1"} | {
        option: os.environ[name]
        for option, name in (("cert", "SSL_CERT_FILE"), ("cert", "REQUESTS_CA_BUNDLE"), ("proxy", "HTTPS_PROXY"))
        if os.environ.get(name)
    }
    # The environment is listed first by pip, but overrides the files.
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        name, _equals, value = line.partition("=")
        section, _dot, option = name.rpartition(".")
        section = "global" if section == ":env:" else section
        if not configuration.has_section(section):
            configuration.add_section(section)
        configuration[section][option] = ast.literal_eval(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as file:
        configuration.write(file)


def export(target: Path) -> None:
    """Copy the files that git knows or would add, as they are in the working tree."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        # The collection's link to itself, there for running from a clone: it would be walked without end.
        if name.startswith(".collections/") or not (ROOT / name).is_file():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


def prove(tree: Path, pythons: dict[str, Path]) -> int:
    """Plant an error for each test and say which tests did not find theirs."""
    for _test, name, text in PLANTED:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        with (tree / name).open("a", encoding="utf-8", newline="") as file:
            file.write(text)
    output = run_sanity(tree, pythons, [], subprocess.PIPE).stdout
    failed = {line.split(" --python")[0] for line in output.partition("\nFATAL: ")[2].splitlines()[1:]}
    blind = [test for test, _name, _text in PLANTED if test not in failed]
    if blind:
        print(output)
    print(
        f"{len(PLANTED) - len(blind)} of {len(PLANTED)} planted errors found; not found: {', '.join(blind) or 'none'}"
    )
    return 1 if blind else 0


def run_sanity(
    tree: Path, pythons: dict[str, Path], passed: list[str], output: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ansible-test; tests for one Python use ours, `compile` and `import` use each."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    folders = [str(path.parent) for path in pythons.values()]
    command = [
        str(BIN / "ansible-test"),
        "sanity",
        "--color",
        "no",
        "--controller",
        f"origin:python={own}@{sys.executable}",
    ]
    for version, path in pythons.items():
        command += ["--target-python", f"{version}@{path}"]
    environment = {
        **os.environ,
        "HOME": str(HOME),
        # A version manager's shims would come first, and do not run.
        "PATH": os.pathsep.join([str(BIN), *folders, os.environ["PATH"]]),
    }
    return subprocess.run(
        [*command, *passed], cwd=tree, env=environment, check=False, text=True, stdout=output, stderr=subprocess.STDOUT
    )


if __name__ == "__main__":
    sys.exit(main())
