"""Where orders rest: one pool, one ladder for each side of each instrument, queues by time.

Begin with `arrays` (the memory), then `queues`, `ladder` (which price is best), `client_ids` (an
order by its owner's name for it). `depth` and `invariants` look at a book from outside.
"""
