"""What the ``fillstream`` command line takes: a module for each family of subcommands, and how each is run."""
