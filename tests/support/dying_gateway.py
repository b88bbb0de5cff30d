"""A gateway's process to be killed: `python dying_gateway.py DATA` enters two orders and waits.

The second one is to go with the connection.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from core_driver import BUYER, connected, order

from engine.codes import OrderFlag, Side


async def main(data_dir: Path) -> None:
    """Enter the orders, say so, and wait for the end."""
    async with connected(data_dir) as client:
        await client.submit(order(BUYER, Side.BUY, 9_500, 1))
        await client.submit(order(BUYER, Side.BUY, 9_500, 2, flags=OrderFlag.CANCEL_ON_DISCONNECT))
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
