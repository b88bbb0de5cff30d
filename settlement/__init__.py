"""What happens to a trade after the match: the ledger, the end of day, the registry, compliance.

Everything here runs outside the engine, on the database, and follows the engine's events. The way
of the data is `intake` (events to tables), `clearing` (the end-of-day run, which uses `ledger`,
`custody` and `statements`), `reconciliation` (engine = ledger = custody). Changes go through the
one writer of `database.Database`; the engine is reached through `ports.EnginePort` alone.
"""
