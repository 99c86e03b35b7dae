"""``fillstream venue``: what would be sent to a venue, and a kill switch."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.commands import running

commands = typer.Typer(help="See what would be sent to a venue; cancel all that is open there.", no_args_is_help=True)

VenueArgument = Annotated[str, typer.Argument(help="Its name; `venue list` has them.")]
CredentialsOption = Annotated[
    Path | None, typer.Option(help="TOML file or keystore with the key; the setting's unless given.")
]
TimeOption = Annotated[
    str | None, typer.Option(help="Of the request: ISO 8601, or since the epoch in s, ms or us; now unless given.")
]


@commands.command("list")
def venue_list(as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False) -> None:
    """Show the venues, where they are, and what is particular about each."""
    running.run("venue list", as_json=as_json)


@commands.command("sign")
def venue_sign(
    name: VenueArgument,
    path: Annotated[str, typer.Option(help="Of the request, such as /api/v3/order.")],
    method: Annotated[str, typer.Option(help="GET, POST, …")] = "GET",
    query: Annotated[str, typer.Option(help="As it is sent, without the question mark.")] = "",
    body: Annotated[str, typer.Option(help="As it is sent.")] = "",
    time: TimeOption = None,
    nonce: Annotated[str | None, typer.Option(help="For venues that want one; a new one unless given.")] = None,
    credentials: CredentialsOption = None,
) -> None:
    """Print what signing adds to a request: a line each, where to and the text."""
    request = {"method": method, "path": path, "query": query, "body": body, "time": time, "nonce": nonce}
    running.run("venue sign", venue=name, credentials=credentials, **request)


@commands.command("request")
def venue_request(
    name: VenueArgument,
    order: Annotated[
        Path, typer.Option(help='JSON file: {"symbol": "BTC-USD", "side": "BUY", "order_type": "LIMIT", …}')
    ],
    symbol: Annotated[str | None, typer.Option(help="The venue's name for the symbol; guessed unless given.")] = None,
    venue_order_id: Annotated[str | None, typer.Option(help="For cancels at venues that want it.")] = None,
    time: TimeOption = None,
    credentials: CredentialsOption = None,
) -> None:
    """Print the HTTP request that a gateway would send to place an order, cancel it or ask for it.

    The file is a request as `venue-requests` topics have it; of what only fillstream needs, all may be left out.
    "operation" is PLACE, CANCEL or QUERY.
    """
    chosen = {"symbol": symbol, "venue_order_id": venue_order_id, "time": time, "credentials": credentials}
    running.run("venue request", venue=name, order=order, **chosen)


@commands.command("seal")
def venue_seal(
    credentials: Annotated[Path, typer.Argument(help="TOML file, mode 0400 or 0600.")],
    keystore: Annotated[Path, typer.Argument(help="File to make.")],
    passphrase: Annotated[Path, typer.Option(help="File with the passphrase, mode 0400 or 0600.")],
) -> None:
    """Encrypt a file of credentials into a keystore, which the setting credentials may name in its place."""
    running.run("venue seal", credentials=credentials, passphrase=passphrase, keystore_file=keystore)


@commands.command("cancel-all")
def venue_cancel_all(
    name: VenueArgument,
    symbol: Annotated[str | None, typer.Option(help="Only this one's, such as BTC-USD; all unless given.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Cancel them; without it, nothing but a list.")] = False,
    credentials: CredentialsOption = None,
) -> None:
    """List the open orders of a venue's account, whoever placed them, and with --apply cancel them all.

    It asks the venue itself, with the account's credentials, and needs neither Kafka nor a gateway. New orders are not
    held up: stop whoever sends commands first. The orders end in the books as the gateways hear of it, each with its
    evidence. Exits with 1 if some are still open after a minute.
    """
    running.run("venue cancel-all", venue=name, symbol=symbol, apply=apply, credentials=credentials)
