"""What `run` tells the tests about the mesh that it started."""

import os

GATEWAY = os.environ["MESH_GATEWAY"]
ADDRESS = GATEWAY.removeprefix("http://")
KEY = os.environ["MESH_KEY"]
ADMIN_KEY = os.environ["MESH_ADMIN_KEY"]
ORIGIN = os.environ["PAGE_ORIGIN"]

SKU = "TEA-RIZE-500"
SESSIONS = "omnimesh.sessions.v1.SessionService"
CATALOG = "omnimesh.catalog.v1.CatalogService"
CARTS = "omnimesh.carts.v1.CartService"
ORDERS = "omnimesh.orders.v1.OrderService"
FULFILLMENT = "omnimesh.orders.v1.FulfillmentService"
STOCK = "omnimesh.catalog.v1.StockService"
LOCATIONS = "omnimesh.catalog.v1.LocationService"
KEYS = "omnimesh.sessions.v1.ApiKeyService"
