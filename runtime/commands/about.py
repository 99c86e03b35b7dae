"""Subcommands that say what this installation is: its settings and its version."""

import json
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from runtime import settings as settings_module
from runtime.commands.running import exit_codes
from runtime.settings import Settings

commands = typer.Typer()


@commands.command("settings")
def show_settings(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Show the settings in effect, secrets masked."""
    with exit_codes():
        settings = settings_module.load()
        if as_json:
            typer.echo(json.dumps(settings.model_dump(mode="json"), indent=2))
        else:
            Console().print(_settings_table(settings))


@commands.command()
def version() -> None:
    """Show the version."""
    typer.echo(_version())


def _settings_table(settings: Settings) -> Table:
    table = Table(title="Settings in effect (bold: set, not defaults)", title_justify="left")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("meaning")
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = "" if value is None else str(value)
        style = "bold" if name in settings.model_fields_set else ""
        table.add_row(settings_module.variable(name), shown, field.description or "", style=style)
    return table


def _version() -> str:
    """The installed distribution's version, or in a checkout the one that pyproject.toml names."""
    try:
        return metadata.version("fillstream")
    except metadata.PackageNotFoundError:
        project = Path(__file__).parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text())["project"]["version"])
