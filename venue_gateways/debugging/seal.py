"""``fillstream venue seal``: a keystore made of a file of credentials."""

import os
from pathlib import Path

import typer

from runtime.exits import Exit
from runtime.settings import Settings, SettingsError
from venue_gateways import credentials as module
from venue_gateways import keystore


def main(settings: Settings, credentials: Path, passphrase: Path, keystore_file: Path) -> int:  # noqa: ARG001  # needs none
    """Encrypt *credentials* into a new *keystore_file*. Raises SettingsError."""
    sealed = keystore.seal(module.read_private(credentials), module.read_private(passphrase))
    try:
        with os.fdopen(os.open(keystore_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
            file.write(sealed)
    except OSError as error:
        raise SettingsError(f"{keystore_file} can't be written: {error.strerror}") from error
    typer.echo(f"{keystore_file} is sealed: set credentials to it, and credentials_passphrase to {passphrase}")
    return Exit.OK
