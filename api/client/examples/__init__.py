"""Programs to begin with: a market maker, and an enterprise that offsets what it emits.

    python -m api.client.examples.market_maker
    python -m api.client.examples.buy_and_retire

Both run against the demo market and say what else they take with `--help`.
"""
