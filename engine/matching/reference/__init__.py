"""The reference engine: docs/protocol.md written as plainly as Python allows.

Read it to learn the market's rules: `orders.py` (entry, matching, amendment), `phases.py`,
`auctions.py`, `quotes.py`, `administration.py`, with `risk.py` for what is held and `book.py` for
who comes first. It shares no code with the compiled engine but the records, so that it can be that
engine's oracle: the same commands must give the same events, byte for byte, and the same state
hash.
"""

from engine.matching.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
