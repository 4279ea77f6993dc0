"""What `run` tells the tests about the mesh that it started."""

import os

GATEWAY = os.environ["MESH_GATEWAY"]
ADDRESS = GATEWAY.removeprefix("http://")
KEY = os.environ["MESH_KEY"]
ORIGIN = os.environ["PAGE_ORIGIN"]

SKU = "TEA-RIZE-500"
SESSIONS = "omnimesh.sessions.v1.SessionService"
CATALOG = "omnimesh.catalog.v1.CatalogService"
CARTS = "omnimesh.carts.v1.CartService"
