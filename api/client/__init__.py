"""The client of the exchange, as market makers and enterprises use it.

`calls` has one function for each route, `rest` sends them (blocking or for asyncio, again where
that is safe), `stream` keeps books and private channels over lost connections, `binary` quotes in
NumPy arrays. What the exchange refuses is one exception, `Problem`. Nothing here imports the
server: of the engine it uses the record layouts, codes, packed texts and times alone.
"""

from api.client import calls
from api.client.binary import BinaryStream
from api.client.book import Book
from api.client.credentials import Credentials, SigningKey, Token
from api.client.problems import Problem
from api.client.rest import AsyncExchange, Exchange, Retries
from api.client.stream import Stream

__all__ = [
    "AsyncExchange",
    "BinaryStream",
    "Book",
    "Credentials",
    "Exchange",
    "Problem",
    "Retries",
    "SigningKey",
    "Stream",
    "Token",
    "calls",
]
