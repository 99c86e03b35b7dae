"""Options that several subcommands have."""

from typing import Annotated

import typer

VenuesOption = Annotated[str, typer.Option(metavar="VENUE,…", help="Simulate binance, coinbase, kraken or some.")]
PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="TCP port on 127.0.0.1; 0: any free one.")]


def named(venues: str) -> tuple[str, ...]:
    """The names in a list of *venues*, each once."""
    return tuple(dict.fromkeys(name.strip() for name in venues.split(",") if name.strip()))
