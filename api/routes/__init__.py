"""The REST routes, one module for each part of the public contract; each has its `router`."""
