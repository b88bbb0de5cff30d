"""Everything that a client touches: the REST routes, the websocket, the command line.

`gateway` shows the whole wiring; `app` makes the web application of it. A request passes `edge`
(bounds, strict JSON, headers), `auth` (who, and how often), its route, and for orders
`order_entry`, behind which `core_client` talks to the core. Errors are `errors.Problem`.
"""
