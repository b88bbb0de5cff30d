"""What must be true of the books' memory after every command, whatever the commands were."""

from __future__ import annotations

import numpy as np

from engine.codes import OrderFlag, Resting, Side, TimeInForce
from engine.orderbook.arrays import MIDDLE_WORDS, NO_LEVEL, WORD_BITS, BookArrays
from engine.units import ORDER_SLOT_BITS


class InvariantError(Exception):
    """The engine's state contradicts itself: a defect, never the fault of a command."""


def require(holds: object, claim: str) -> None:
    """Raise InvariantError, saying what should have been true, unless it is."""
    if not holds:
        raise InvariantError(claim)


def check_book(book: BookArrays, last_instrument: int) -> None:
    """Check slots, queues, levels and bitmaps of all instruments. Raises InvariantError."""
    open_slots = _check_slots(book)
    queued: list[int] = []
    for instrument in range(1, last_instrument + 1):
        for number in (instrument, instrument + _stop_books(book)):
            for side in (Side.BUY, Side.SELL):
                if book.sides[2 * number + side]["levels"]:
                    queued += _check_side(book, number, side)
        queued += _check_off_book(book, instrument)
    require(sorted(queued) == open_slots, "each open order is in one queue, and no other is")
    _check_account_lists(book, open_slots)
    _check_expiries(book, open_slots)
    _check_conditions(book, open_slots)


def _stop_books(book: BookArrays) -> int:
    """What an instrument's number is raised by to give the number of the book of its stops."""
    return len(book.sides) // 4


def _check_conditions(book: BookArrays, open_slots: list[int]) -> None:
    """What icebergs hide, and the counts of pending stops and hidden slices."""
    orders, conditions = book.orders[open_slots], book.conditions[open_slots]
    is_pending = orders["resting"] == Resting.STOPS
    require((orders["flags"][is_pending] & OrderFlag.STOP != 0).all(), "a pending stop is marked")
    require(is_pending.sum() == book.pool[0]["pending_stops"], "pending stops are counted")
    is_iceberg = orders["flags"] & OrderFlag.ICEBERG != 0
    shown, icebergs = orders["remaining_lots"][is_iceberg], conditions[is_iceberg]
    display = icebergs["display_quantity_lots"]
    require((shown <= display).all(), "an iceberg shows no more than its display quantity")
    slices = -(-icebergs["hidden_lots"] // display)
    require(slices.sum() == book.pool[0]["hidden_slices"], "hidden slices are counted")


def _check_slots(book: BookArrays) -> list[int]:
    """The slots of open orders, ascending."""
    pool = book.pool[0]
    used = int(pool["slots_used"])
    free = book.free_slots[: pool["free_slots"]]
    order_ids = book.orders["order_id"][: used + 1]
    open_slots = np.flatnonzero(order_ids)
    require(len(np.unique(free)) == len(free), "no slot is given back twice")
    require(((free >= 1) & (free <= used)).all(), "only used slots are given back")
    require((order_ids[free] == 0).all(), "a slot given back has no order")
    require(len(open_slots) + len(free) == used, "a slot is open or given back")
    require(len(open_slots) == pool["open_orders"], "open orders are counted")
    slot_bits = order_ids[open_slots] & ((1 << ORDER_SLOT_BITS) - 1)
    require((slot_bits == open_slots).all(), "an order id names its slot")
    # All but the links, which are written to where an order has no neighbour.
    nobody = book.orders[:1].copy()
    nobody["next"] = nobody["previous"] = 0
    require(not nobody.tobytes().strip(b"\0"), "slot 0 stays empty")
    return [int(slot) for slot in open_slots]


def _check_side(book: BookArrays, instrument: int, side: Side) -> list[int]:
    """The slots of all orders queued on one side."""
    row = 2 * instrument + side
    book_side = book.sides[row]
    first = int(book_side["first_level"])
    levels = book.levels[first : first + int(book_side["levels"])]
    queued: list[int] = []
    marked = np.flatnonzero(levels["head"])
    for index in marked:
        origin_ticks = int(book_side["origin_ticks"])
        price_ticks = origin_ticks + int(index) if side else origin_ticks - int(index)
        queued += _check_queue(book, levels[index], (instrument, int(side), price_ticks))
    empty = levels[levels["head"] == 0]
    require(not empty.tobytes().strip(b"\0"), "a level without orders is all zero")

    leaf_words = book.leaf_words[first // WORD_BITS : (first + len(levels)) // WORD_BITS]
    middle_words = book.middle_words[row * MIDDLE_WORDS : (row + 1) * MIDDLE_WORDS]
    top_words = np.array([book_side["top_word"]])
    require(_bits(leaf_words) == list(marked), "a leaf bit is set where a level has orders")
    require(_bits(middle_words) == list(np.flatnonzero(leaf_words)), "a middle bit for each leaf")
    require(_bits(top_words) == list(np.flatnonzero(middle_words)), "a top bit for each middle")
    best = int(marked[0]) if len(marked) else NO_LEVEL
    require(book_side["best"] == best, "the best level is the lowest that has orders")
    return queued


def _bits(words: np.ndarray) -> list[int]:
    """Numbers of all bits that are set."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    return [int(bit) for bit in np.flatnonzero(np.unpackbits(octets, bitorder="little"))]


def _check_queue(book: BookArrays, level: np.void, place: tuple[int, int, int]) -> list[int]:
    """The slots of one level's queue, whose orders all belong to this book, side and price."""
    slots: list[int] = []
    previous, slot = 0, int(level["head"])
    lots = 0
    while slot:
        order = book.orders[slot]
        require(len(slots) < level["orders"], "a queue is as long as its level says")
        require(order["previous"] == previous, "links back are links forward, reversed")
        here = (int(order["instrument"]), int(order["side"]), int(order["price_ticks"]))
        if order["resting"] == Resting.STOPS:
            stop_ticks = int(book.conditions[slot]["stop_price_ticks"])
            here = (here[0] + _stop_books(book), 1 - here[1], stop_ticks)
        require(here == place, "an order stands at its own price")
        require(order["resting"] != Resting.OFF_BOOK, "an order in a price queue says so")
        require(order["remaining_lots"] > 0, "an order without a remainder is closed")
        lots += int(order["remaining_lots"])
        slots.append(slot)
        previous, slot = slot, int(order["next"])
    require(len(slots) == level["orders"], "a queue is as long as its level says")
    require(level["tail"] == previous, "a queue ends at its tail")
    require(level["quantity_lots"] == lots, "a level's quantity is that of its orders")
    return slots


def _check_off_book(book: BookArrays, instrument: int) -> list[int]:
    """The slots of an instrument's orders off the book."""
    slots: list[int] = []
    order_ids = [0]
    previous, slot = 0, int(book.off_book[instrument]["head"])
    while slot:
        order = book.orders[slot]
        require(order["resting"] == Resting.OFF_BOOK, "an order off the book says so")
        require(order["instrument"] == instrument, "an order is among its instrument's")
        require(order["previous"] == previous, "links back are links forward, reversed")
        require(order["order_id"] > order_ids[-1], "orders off the book ascend by order id")
        require(order["remaining_lots"] > 0, "an order without a remainder is closed")
        order_ids.append(int(order["order_id"]))
        slots.append(slot)
        previous, slot = slot, int(order["next"])
    require(book.off_book[instrument]["tail"] == previous, "a queue ends at its tail")
    return slots


def _check_account_lists(book: BookArrays, open_slots: list[int]) -> None:
    """Each open order is in its account's list, in ascending order of order id."""
    listed: list[int] = []
    for account in np.flatnonzero(book.account_ends["head"] | book.account_ends["tail"]):
        previous, slot = 0, int(book.account_ends[account]["head"])
        while slot:
            require(len(listed) < len(open_slots), "account lists hold open orders only")
            order = book.orders[slot]
            require(order["account"] == account, "an order is in its own account's list")
            require(book.account_links[slot]["previous"] == previous, "account lists go both ways")
            is_later = order["order_id"] > book.orders[previous]["order_id"]
            require(is_later, "an account's orders are listed as they came")
            listed.append(slot)
            previous, slot = slot, int(book.account_links[slot]["next"])
        require(
            book.account_ends[account]["tail"] == previous, "an account's list ends at its last"
        )
    require(sorted(listed) == open_slots, "each open order is in one account list")


def _check_expiries(book: BookArrays, open_slots: list[int]) -> None:
    """The heap holds the gtd orders, none below one that expires later."""
    count = int(book.pool[0]["expiring"])
    heap = [int(slot) for slot in book.expiry_heap[1 : count + 1]]
    expiring = [
        slot for slot in open_slots if book.orders[slot]["time_in_force"] == TimeInForce.GTD
    ]
    require(sorted(heap) == expiring, "the gtd orders are in the heap, and no other is")
    rest = book.expiry_heap[count + 1 : count + 2]
    require(book.expiry_heap[0] == 0 and not rest.any(), "the heap is empty behind its last order")
    keys = [(book.expiries[slot]["expires_at_ns"], book.orders[slot]["order_id"]) for slot in heap]
    for place, slot in enumerate(heap, start=1):
        require(book.expiries[slot]["place"] == place, "an order knows its place in the heap")
        require(keys[place // 2 - 1] <= keys[place - 1] or place == 1, "what lies above is sooner")


def require_uncrossed(book: BookArrays, instrument: int) -> None:
    """Outside auctions the best bid is below the best ask. Raises InvariantError."""
    buy_side = book.sides[2 * instrument + Side.BUY]
    sell_side = book.sides[2 * instrument + Side.SELL]
    if buy_side["best"] != NO_LEVEL and sell_side["best"] != NO_LEVEL:
        bid_ticks = buy_side["origin_ticks"] - buy_side["best"]
        ask_ticks = sell_side["origin_ticks"] + sell_side["best"]
        require(bid_ticks < ask_ticks, "the best bid is below the best ask")
