"""Models of a Tryton server as a system: CRM, sales and points of sale, over JSON-RPC."""
