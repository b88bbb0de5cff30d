"""The names behind an order's numbers: its scheme, and the event that it is for.

Both are in the database before the order is sent, so that whoever shows an order that another
gateway took finds them there. They never change, and are asked for once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from engine.codes import Purpose
from settlement.tables.compliance import SchemeYear
from settlement.tables.events import EventOrder

if TYPE_CHECKING:
    from api.order_views import OrderView
    from settlement.database import Database

logger = structlog.get_logger(__name__)


class OrderNames:
    """What is known, and the database for what is not."""

    def __init__(self, database: Database) -> None:
        self.schemes: dict[int, str] = {}
        # By account and client id; None: the order is for no event of the exchange's.
        self.events: dict[tuple[int, int, int], str | None] = {}
        self._database = database

    def load(self, session: Session) -> None:
        """All that there are."""
        for row in session.scalars(select(SchemeYear)):
            self.schemes[row.number] = row.scheme
        for link in session.scalars(select(EventOrder)):
            key = (link.account, link.client_id_high, link.client_id_low)
            self.events[key] = link.event_id

    def of(self, view: OrderView) -> tuple[str | None, str | None]:
        """The order's scheme and event, if it has them."""
        key = (view.account, view.client_id_high, view.client_id_low)
        is_new_scheme = view.scheme != 0 and view.scheme not in self.schemes
        if is_new_scheme or (view.purpose == Purpose.EVENT and key not in self.events):
            # Seldom, and short: another gateway took the first order of a scheme, or one for an
            # event. So it may be done where nothing can be awaited.
            try:
                self._read(view.scheme, key)
            except OperationalError as error:
                logger.warning("database_unavailable", why=str(error))
        return self.schemes.get(view.scheme), self.events.get(key)

    def _read(self, scheme: int, key: tuple[int, int, int]) -> None:
        with self._database.read() as session:
            if (row := session.get(SchemeYear, scheme)) is not None:
                self.schemes[scheme] = row.scheme
            link = session.get(EventOrder, key)
            self.events[key] = None if link is None else link.event_id
