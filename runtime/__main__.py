"""The ``fillstream`` command (also ``python -m runtime``): a subcommand for each process and each look at them."""

import typer

from runtime.commands import about, analytics, dead_letters, operators, processes, trials, venues

app = typer.Typer(
    name="fillstream",
    help="Executes crypto orders on third-party exchanges as an exactly-once stream pipeline.",
    epilog="Settings come from FILLSTREAM_* variables and fillstream.toml: `fillstream settings` lists them. "
    "Exit codes: 0 done, 1 a check failed, 2 wrong usage or settings, 70 a fault of fillstream, "
    "75 something it needs is missing or doesn't answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show local variables, secrets among them
    context_settings={"help_option_names": ["-h", "--help"]},
)

for family in (trials, processes, operators):
    app.add_typer(family.commands)
app.add_typer(dead_letters.commands, name="dlq")
app.add_typer(venues.commands, name="venue")
app.add_typer(analytics.commands, name="analytics")
app.add_typer(about.commands)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
