"""The keys that a simulated venue's clients sign with: a TOML file, as the gateway has it, made at the first start."""

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

_ACCOUNT: Final = "main"


class CredentialsError(Exception):
    """A credentials file that can't be used; the message says which and why."""


#: What a key is at a venue, from the name of its account, its own name and its secret. Raises ValueError.
MakeCredential = Callable[[str, str, str], Any]


def read(path: Path, make: MakeCredential) -> dict[str, Any]:
    """The credentials in the file, by key: ``key`` and ``secret`` of one account, or an ``[[account]]`` for each.

    ``account`` names the account. Raises CredentialsError.
    """
    try:
        content = tomllib.loads(path.read_text())
        rows = content.get("account") if isinstance(content.get("account"), list) else [content]
        return {str(row.get("key")): _credential(row, make) for row in rows or []}
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path}: {error}") from error


def _credential(row: Mapping[str, object], make: MakeCredential) -> Any:
    key, secret, account = (str(row.get(name, "")) for name in ("key", "secret", "account"))
    if not key or not secret:
        raise ValueError("a credential needs key and secret")
    return make(account or _ACCOUNT, key, secret)


def create(path: Path, key: str, secret: str) -> None:
    """Write the credential of the account ``main`` to a new file that its owner alone can read."""
    rows = {"account": _ACCOUNT, "key": key, "secret": secret}
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.writelines(f"{name} = {_quoted(value)}\n" for name, value in rows.items())


def _quoted(text: str) -> str:
    """A string as TOML has it, in one line, which is as JSON has it."""
    return msgspec.json.encode(text).decode()
