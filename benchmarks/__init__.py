"""Workloads, run through the production engine and measured.

From outside: `challenge` runs a public benchmark's messages, `orderflow` an hour of real NASDAQ
orders. Both begin with `market`, which opens one instrument and two accounts rich enough for
anything.

Made here, for the measurements of `make bench` (`bench_*.py`): `workloads` is a seeded flow that
any book can run, `peers` runs it through other people's books, `single_commands` has each command
alone, `growing_market` a market of any size, `settled_day` a day to be settled; `latency` offers
messages at a fixed rate, `start_up` starts an engine in a process of its own. `measure` says what
is stored with a result, `summary` makes tables of it, and `results/` keeps them.
"""
