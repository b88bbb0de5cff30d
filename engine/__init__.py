"""The matching engine: a deterministic state machine fed by journalled commands.

Read in the order in which an order travels: `records` (what a command and an event are), `core`
(the single writer), `journal` (what makes an acknowledgement durable), `matching` (the compiled
batch), `orderbook` (where orders rest), `accounts` and `risk` (who may spend what), `link`
(how events leave). Nothing here knows of HTTP, databases or clocks.
"""
