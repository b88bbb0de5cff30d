"""What the public may know of the market: books, trades, candles, the ticker, and the feed.

Everything here is made from the engine's events and held in memory by the gateway; no clock, no
database, no network. `market.py` is the state and its answers to questions, `feed.py` turns each
step of that state into messages for the public streams.
"""
