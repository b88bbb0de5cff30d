"""Where orders rest: one pool, one ladder for each side of each instrument, queues by time.

Begin with `arrays` (the memory), then `queues`, `ladder` (which price is best), `account_lists` (an
account's orders), `expiries` (what expires first), `client_ids` (an order by its owner's name for
it). `depth` and `invariants` look at a book from outside.
"""
