"""Matching: what each command does. docs/protocol.md is the law; two engines follow it.

`engine` is the compiled one's shell and `batch` its one compiled entry. `orders`, `amendments`,
`quotes`, `mass_cancel`, `instruments` and `administration` hold a family of commands each,
`identity` what commands name, `continuous` the matching itself, `auction` its end at one price,
`lifecycle` how an order rests and leaves, `events` how all of it is told; `invariants` says what is
true after each command. `reference` is the oracle that the compiled engine is compared with.
"""
