"""Commands without a screen: results to stdout, everything else to stderr, one document with ``--json``.

One file per noun. A command is a click function that hands an async body to ``Run``; it knows the
services and nothing behind them. Exit codes are the errors' own (``core.errors``); 2 is wrong usage.
"""
