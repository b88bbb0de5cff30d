"""Matching: what each command does. docs/protocol.md is the law; two engines follow it.

`engine` is the compiled one's shell and `batch` its one compiled entry. `orders`, `quotes`,
`mass_cancel`, `instruments` and `administration` hold a family of commands each, `continuous` the
matching itself, `lifecycle` how an order rests and leaves, `events` how all of it is told.
`reference` is the oracle that the compiled engine is compared with.
"""
