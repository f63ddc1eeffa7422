# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secrets_file action: files, vault, locks, check mode and messages."""

from __future__ import annotations

import multiprocessing
import os
import stat
import threading
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultHelper, VaultLib, VaultSecret

from ansible_collections.mlops.tracking.plugins.action import secrets_file

ENTRIES = [{"name": "platform_a"}, {"name": "platform_k", "kind": "base64"}]
VAULT = [("default", VaultSecret(b"first")), ("other", VaultSecret(b"second"))]


def run(
    path: Path, entries: list[dict[str, t.Any]] | None = None, check: bool = False, vault: t.Any = None, **args: t.Any
) -> dict[str, t.Any]:
    loader = DataLoader()
    loader.set_vault_secrets(vault or [])
    task = SimpleNamespace(
        args={"path": str(path), "entries": ENTRIES if entries is None else entries, **args},
        async_val=0,
        check_mode=check,
        action="mlops.tracking.secrets_file",
    )
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere"))
    action = secrets_file.ActionModule(task, connection, SimpleNamespace(), loader, None, None)
    return action.run(task_vars={})


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path) -> Path:
    return tmp_path / "group_vars" / "all" / "secrets.yml"


def test_create_then_nothing(path: Path) -> None:
    first = run(path)
    assert first["changed"] is True
    assert first["created"] == ["platform_a", "platform_k"]
    assert (first["rotated"], first["encrypted"], first["path"]) == ([], False, str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    again = run(path)
    assert (again["changed"], again["created"], again["diff"]["prepared"]) == (False, [], "")
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["secrets.yml"]


def test_check_mode_touches_nothing_and_shows_names_only(path: Path) -> None:
    result = run(path, check=True)
    assert result["changed"] is True
    assert result["diff"]["prepared"] == "+ platform_a: (generated)\n+ platform_k: (generated)\n"
    assert not path.parent.exists()


def test_no_value_is_returned(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("old: very-old-secret\n")
    result = run(path, entries=[*ENTRIES, {"name": "l", "kind": "literal", "value": "given-secret"}], rotate=["l"])
    values = yaml.safe_load(path.read_text()).values()
    assert len(values) == 4
    assert not [value for value in values if value in repr(result)]


def test_rotate(path: Path) -> None:
    run(path)
    before = yaml.safe_load(path.read_text())
    result = run(path, rotate=["platform_a"])
    after = yaml.safe_load(path.read_text())
    assert (result["changed"], result["rotated"], result["created"]) == (True, ["platform_a"], [])
    assert after["platform_a"] != before["platform_a"]
    assert after["platform_k"] == before["platform_k"]


def test_an_empty_value_is_missing(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text('platform_a: ""\n')
    assert run(path)["created"] == ["platform_a", "platform_k"]


def test_mode_is_repaired(path: Path) -> None:
    run(path)
    path.chmod(0o644)
    result = run(path)
    assert result["changed"] is True
    assert "0644 -> 0600" in result["diff"]["prepared"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symbolic_link_stays(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    target = tmp_path / "real.yml"
    path.symlink_to(target)
    assert run(path)["path"] == str(target)
    assert path.is_symlink()
    assert target.is_file()


# vault of the run, options, label in the header (None: not encrypted)
ENCRYPTION: list[tuple[t.Any, dict[str, t.Any], str | None]] = [
    (None, {}, None),
    (VAULT, {}, "$ANSIBLE_VAULT;1.1;AES256"),
    (VAULT, {"encrypt": True}, "$ANSIBLE_VAULT;1.1;AES256"),
    (VAULT, {"encrypt": False}, None),
    (VAULT, {"vault_id": "other"}, "$ANSIBLE_VAULT;1.2;AES256;other"),
]


@pytest.mark.parametrize(("vault", "options", "header"), ENCRYPTION)
def test_encryption(path: Path, vault: t.Any, options: dict[str, t.Any], header: str | None) -> None:
    result = run(path, vault=vault, **options)
    content = path.read_bytes()
    assert result["encrypted"] is (header is not None)
    if header:
        assert content.splitlines()[0].decode() == header
        content = VaultLib(vault).decrypt(content)
    assert set(yaml.safe_load(content)) == {"platform_a", "platform_k"}
    assert run(path, vault=vault, **options)["changed"] is False


def test_a_plain_file_becomes_encrypted_and_stays_so(path: Path) -> None:
    run(path)
    before = yaml.safe_load(path.read_text())
    result = run(path, vault=VAULT)
    assert result["diff"]["prepared"] == "~ (the file becomes encrypted)\n"
    run(path, vault=VAULT, encrypt=False, entries=[*ENTRIES, {"name": "more"}])
    after = yaml.safe_load(VaultLib(VAULT).decrypt(path.read_bytes()))
    assert {name: after[name] for name in before} == before
    assert len(after) == 3


def test_the_vault_id_of_the_file_is_kept(path: Path) -> None:
    run(path, vault=VAULT, vault_id="other")
    run(path, vault=VAULT, rotate=["platform_a"])
    assert path.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;other")


def write_encrypted(path: Path) -> None:
    run(path, vault=VAULT)


def write_malformed(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("---\na: 'hidden\n")


def write_latin(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a: \xff\n")


def write_nothing(path: Path) -> None:
    del path


# how the file comes about, arguments of the run, part of the message
REFUSED: list[tuple[t.Callable[[Path], None], dict[str, t.Any], str]] = [
    (write_encrypted, {}, "no vault password is given.*--vault-password-file"),
    (write_encrypted, {"vault": [("default", VaultSecret(b"wrong"))]}, "do not open it.*--vault-id"),
    (write_malformed, {}, "not valid YAML at line 3"),
    (write_latin, {}, "not UTF-8"),
    (write_nothing, {"encrypt": True}, "encrypt is true and no vault password"),
    (write_nothing, {"vault": VAULT, "vault_id": "nope"}, "vault_id nope has no password.*default, other"),
    (write_nothing, {"rotate": ["nope"]}, "rotate: not described"),
    (write_nothing, {"entries": [{"name": "a", "length": 3}]}, "length of a is 3"),
    (write_nothing, {"entries": [{"name": "a", "kind": "nope"}]}, "value of kind must be one of"),
]


@pytest.mark.parametrize(("prepare", "args", "message"), REFUSED)
def test_refused(path: Path, prepare: t.Callable[[Path], None], args: dict[str, t.Any], message: str) -> None:
    prepare(path)
    before = path.read_bytes() if path.exists() else b""
    with pytest.raises(AnsibleActionFail, match=message) as caught:
        run(path, **args)
    assert "hidden" not in str(caught.value)
    assert (path.read_bytes() if path.exists() else b"") == before
    assert not list(path.parent.glob(".*"))


def test_an_interrupted_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(path)
    before = path.read_bytes()

    def fail(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(secrets_file.os, "replace", fail)
    with pytest.raises(AnsibleActionFail, match="No space left"):
        run(path, rotate=["platform_a"])
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["secrets.yml"]


def test_what_a_killed_run_left_is_no_hindrance(path: Path) -> None:
    run(path)
    (path.parent / ".secrets.yml.tmp").write_text("half")
    (path.parent / ".secrets.yml.lock").write_text("")
    assert run(path, rotate=["platform_a"])["changed"] is True
    assert os.listdir(path.parent) == ["secrets.yml"]


def test_a_lock_that_is_held_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_file, "LOCK_WAIT_SECONDS", 0.3)
    path.parent.mkdir(parents=True)
    with secrets_file._locked(str(path)):
        with pytest.raises(AnsibleActionFail, match="locked by another run"):
            run(path)
        monkeypatch.setattr(secrets_file, "LOCK_WAIT_SECONDS", 30.0)
        waiting = threading.Thread(target=run, args=(path,))
        waiting.start()
    waiting.join(30)
    assert path.exists()


def add(path: Path, name: str) -> None:
    run(path, entries=[{"name": name}])


def test_simultaneous_runs_lose_nothing(path: Path) -> None:
    names = [f"name_{number}" for number in range(12)]
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=add, args=(path, name)) for name in names]
    for process in runs:
        process.start()
    for process in runs:
        process.join(60)
    assert sorted(yaml.safe_load(path.read_text())) == sorted(names)
    assert os.listdir(path.parent) == ["secrets.yml"]


def test_inline_vault_values_are_kept(path: Path) -> None:
    secret = VaultLib(VAULT).encrypt("inline", VAULT[0][1]).decode()
    block = "a: !vault |\n" + "".join(f"  {line}\n" for line in secret.splitlines())
    path.parent.mkdir(parents=True)
    path.write_text(block)
    run(path, vault=VAULT, encrypt=False)
    assert path.read_text().startswith(block)
    loader = DataLoader()
    ciphertext = VaultHelper.get_ciphertext(loader.load_from_file(str(path))["a"], with_tags=False)
    assert VaultLib(VAULT).decrypt(ciphertext) == b"inline"
