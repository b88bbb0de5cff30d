"""Workloads from outside, run through the production engine and measured.

`challenge` runs a public benchmark's messages, `orderflow` an hour of real NASDAQ orders. Both
begin with `market`, which opens one instrument and two accounts rich enough for anything.
"""
