# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the generated part of each role's README from its argument spec.

The part between the markers is generated; the text around them is written by hand and kept.
`--check` writes nothing, prints the difference and exits 1 if there is one.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
COLLECTION = "mlops.tracking"
BEGIN = "<!-- BEGIN variables -->"
END = "<!-- END variables -->"
LONGEST_DEFAULT = 60


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say what would change")
    parser.add_argument("roles", nargs="*", help="names of roles; all of them by default")
    options = parser.parse_args(arguments)
    changed = False
    for role in options.roles or role_names():
        path = ROOT / "roles" / role / "README.md"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = readme(ROOT / "roles" / role, before)
        changed |= before != after
        if options.check:
            sys.stdout.writelines(difference(path, before, after))
        elif before != after:
            path.write_text(after, encoding="utf-8")
    return 1 if options.check and changed else 0


def role_names() -> list[str]:
    """Roles that have an argument spec."""
    return sorted(path.parents[1].name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def difference(path: Path, before: str, after: str) -> Iterator[str]:
    name = str(path.relative_to(ROOT))
    lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return difflib.unified_diff(*lines, fromfile=name, tofile=f"{name} (generated)")


def readme(role: Path, before: str) -> str:
    """The README with its generated part brought up to date."""
    specs = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    meta = load(role / "meta" / "main.yml")["galaxy_info"]
    text = before or skeleton(role.name, specs["main"])
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    head, _marker, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n{generated(specs, meta)}\n{END}{tail}"


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def skeleton(name: str, spec: Mapping[str, t.Any]) -> str:
    """A first README: purpose and the smallest play."""
    purpose = " ".join(markdown(line) for line in lines(spec.get("description")))
    return f"""# {COLLECTION}.{name}

{spec["short_description"]}.

{purpose}

```yaml
- name: Apply the role {name}
  hosts: {name if name in ("postgres", "minio", "mlflow", "nginx_tls") else "all"}
  become: true
  roles:
    - role: {COLLECTION}.{name}
```

{BEGIN}
{END}
"""


def generated(specs: Mapping[str, t.Any], meta: Mapping[str, t.Any]) -> str:
    """Support and one table for each entry point that has variables."""
    releases = ", ".join(
        f"{platform['name']} ({', '.join(map(str, platform.get('versions', ['all'])))})"
        for platform in meta.get("platforms", [])
    )
    parts = [f"Runs on {releases}, with ansible-core {meta['min_ansible_version']} or newer."]
    for name, spec in specs.items():
        heading = "## Variables" if name == "main" else f"## Entry point `{name}`"
        parts.append(heading)
        if name != "main":
            parts.append(f"{markdown(spec['short_description'])}.")
        if spec.get("options"):
            parts.append(table(spec["options"]))
    return "\n\n".join(parts)


def table(options: Mapping[str, t.Any]) -> str:
    rows = ["| variable | type | default | what it is |", "| --- | --- | --- | --- |"]
    return "\n".join([*rows, *rows_of(options, "")])


def rows_of(options: Mapping[str, t.Any], parent: str) -> Iterator[str]:
    """One row for each option, the sub-options right after their parent."""
    for name, option in options.items():
        path = f"{parent}{name}"
        cells = [f"`{path}`", kind(option), default(option), description(option)]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        if option.get("options"):
            brackets = "[]" if option.get("type") == "list" else ""
            yield from rows_of(option["options"], f"{path}{brackets}.")


def kind(option: Mapping[str, t.Any]) -> str:
    name = option.get("type", "str")
    return f"list of {option['elements']}" if "elements" in option else str(name)


def default(option: Mapping[str, t.Any]) -> str:
    if option.get("required"):
        return "required"
    if "default" not in option:
        return ""
    value = option["default"]
    if value == "":
        return "empty"
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    text = text.removesuffix("\n").removesuffix("\n...").strip()
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see `defaults/main.yml`"


def description(option: Mapping[str, t.Any]) -> str:
    text = " ".join(markdown(line) for line in lines(option.get("description")))
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", []))
    return f"{text} One of {choices}." if choices else text


def lines(text: str | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or [])


def markdown(text: str) -> str:
    """Ansible's own markup in Markdown."""
    text = re.sub(r"\b[BI]\(([^)]*)\)", r"*\1*", text)
    text = re.sub(r"\b[CVOEMP]\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bU\(([^)]*)\)", r"<\1>", text)
    return re.sub(r"\bL\(([^,)]*),\s*([^)]*)\)", r"[\1](\2)", text)


if __name__ == "__main__":
    sys.exit(main())
