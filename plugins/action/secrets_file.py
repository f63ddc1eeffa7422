# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import VaultLib, is_encrypted, match_encrypt_secret
from ansible.plugins.action import ActionBase

from ansible_collections.mlops.tracking.plugins.module_utils._secrets import (
    DEFAULT_LENGTH,
    Change,
    Entry,
    SecretsError,
    apply,
    plan,
)

FILE_MODE = 0o600
LOCK_WAIT_SECONDS = 60.0
LOCK_POLL_SECONDS = 0.1

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "entries": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "kind": {
                "type": "str",
                "choices": ["password", "base64", "base64url", "hex", "literal"],
                "default": "password",
            },
            "length": {"type": "int", "default": DEFAULT_LENGTH},
            "value": {"type": "str", "no_log": True, "default": ""},
            "comment": {"type": "str", "default": ""},
        },
    },
    "rotate": {"type": "list", "elements": "str", "default": []},
    "encrypt": {"type": "bool"},
    "vault_id": {"type": "str"},
    "state": {"type": "str", "choices": ["present"], "default": "present"},
}


@dataclass(frozen=True)
class Stored:
    """The file as it stands."""

    text: str = ""
    exists: bool = False
    vault_id: str | None = None
    encrypted: bool = False
    mode: int = FILE_MODE


class ActionModule(ActionBase):
    """Create what is missing in a file of secrets, on the controller."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        dummy, args = self.validate_argument_spec(ARGUMENT_SPEC)
        path = os.path.realpath(os.path.join(self._loader.get_basedir(), str(args["path"])))
        try:
            entries = [_entry(raw) for raw in args["entries"]]
            rotate = [str(name) for name in args["rotate"]]
            if self._task.check_mode:
                result.update(self._converge(path, entries, rotate, args))
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with _locked(path):
                    result.update(self._converge(path, entries, rotate, args))
        except SecretsError as exc:
            raise AnsibleActionFail(f"{path}: {exc}") from None
        except OSError as exc:
            raise AnsibleActionFail(f"{path}: {exc.strerror or exc}") from None
        return result

    def _converge(self, path: str, entries: list[Entry], rotate: list[str], args: dict[str, t.Any]) -> dict[str, t.Any]:
        stored = self._read(path)
        changes = plan(stored.text, entries, rotate)
        encrypted = self._wants_encryption(stored, args["encrypt"])
        labels = _labels(stored, changes, encrypted)
        if labels and not self._task.check_mode:
            text = apply(stored.text, changes)
            vault_id = args["vault_id"] or stored.vault_id
            _write(path, self._encrypt(text, vault_id) if encrypted else text.encode("utf-8"))
        return {
            "changed": bool(labels),
            "created": [change.entry.name for change in changes if not change.rotated],
            "rotated": [change.entry.name for change in changes if change.rotated],
            "path": path,
            "encrypted": encrypted,
            "diff": {"prepared": "".join(f"{label}\n" for label in labels)},
        }

    @property
    def _vault(self) -> VaultLib:
        return VaultLib(self._loader._vault.secrets)

    def _read(self, path: str) -> Stored:
        try:
            with open(path, "rb") as handle:
                content = handle.read()
                mode = stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
        except FileNotFoundError:
            return Stored()
        encrypted, vault_id = is_encrypted(content), None
        if encrypted:
            content, vault_id = self._decrypt(content)
        try:
            text = bytes(content).decode("utf-8")
        except UnicodeDecodeError:
            raise SecretsError("is not UTF-8 text; store it as UTF-8") from None
        return Stored(text=text, exists=True, vault_id=vault_id, encrypted=encrypted, mode=mode)

    def _decrypt(self, content: bytes) -> tuple[bytes, str]:
        try:
            plain, vault_id, dummy = self._vault.decrypt_and_get_vault_id(content)
        except AnsibleError:
            given = "the given vault passwords do not open it" if self._vault.secrets else "no vault password is given"
            raise SecretsError(
                f"is encrypted and {given}; give its password with --vault-password-file or --vault-id"
                " (or ask for it with --ask-vault-pass)"
            ) from None
        return plain, str(vault_id)

    def _wants_encryption(self, stored: Stored, encrypt: bool | None) -> bool:
        """Encrypted stays encrypted; otherwise as told, and by default whenever a vault password is at hand."""
        if stored.encrypted:
            return True
        if encrypt and not self._vault.secrets:
            raise SecretsError(
                "encrypt is true and no vault password is given; use --vault-password-file or --vault-id"
            )
        return bool(self._vault.secrets) if encrypt is None else encrypt

    def _encrypt(self, text: str, vault_id: str | None) -> bytes:
        try:
            used, secret = match_encrypt_secret(
                self._vault.secrets, vault_id or C.config.get_config_value("DEFAULT_VAULT_ENCRYPT_IDENTITY")
            )
        except AnsibleError:
            known = ", ".join(str(name) for name, dummy in self._vault.secrets)
            raise SecretsError(f"vault_id {vault_id} has no password in this run; known are: {known}") from None
        # The name `default` is left out of the header, as ansible-vault does.
        label = None if used == "default" else used
        encrypted: bytes = self._vault.encrypt(text, secret, vault_id=label)
        return encrypted


def _entry(raw: dict[str, t.Any]) -> Entry:
    # Plain strings: Ansible's tagged ones are not known to the YAML dumper.
    return Entry(
        name=str(raw["name"]),
        kind=str(raw["kind"]),
        length=int(raw["length"]),
        value=str(raw["value"]),
        comment=str(raw["comment"]),
    )


def _labels(stored: Stored, changes: list[Change], encrypted: bool) -> list[str]:
    """One line for each thing that changes; never a value."""
    labels = [change.label for change in changes]
    if stored.exists and encrypted and not stored.encrypted:
        labels.append("~ (the file becomes encrypted)")
    if stored.mode != FILE_MODE:
        labels.append(f"~ (mode: {stored.mode:04o} -> {FILE_MODE:04o})")
    return labels


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Exclude other runs by a lock file beside `path`, removed at the end."""
    folder, name = os.path.split(path)
    lock_path = os.path.join(folder, f".{name}.lock")
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        handle = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_same_file(handle, lock_path):
                break
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                raise SecretsError(f"is locked by another run through {lock_path}; wait for it to end") from None
            time.sleep(LOCK_POLL_SECONDS)
        os.close(handle)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock_path)
        os.close(handle)


def _is_same_file(handle: int, path: str) -> bool:
    """Whether the lock that was taken is still the one that others see."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _write(path: str, content: bytes) -> None:
    """Replace the file in one step, so that an interrupted run leaves the old or the new one."""
    folder, name = os.path.split(path)
    # One name under the lock: what a killed run left behind is overwritten by the next.
    temporary = os.path.join(folder, f".{name}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), FILE_MODE)
            _keep_owner(path, stream.fileno())
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    folder_handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder_handle)
    finally:
        os.close(folder_handle)


def _keep_owner(path: str, handle: int) -> None:
    """A run as root must not take a user's file away."""
    with contextlib.suppress(FileNotFoundError):
        old, new = os.stat(path), os.fstat(handle)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(handle, old.st_uid, old.st_gid)
