"""A partner's own program: orders go in, are acknowledged and shipped, and a watch that was cut goes on where it stopped."""

import unittest
import uuid

import grpc

from environment import ADDRESS, ADMIN_KEY, FULFILLMENT, KEYS, LOCATIONS, ORDERS, SKU, STOCK
from mesh import Mesh, error_detail

PARTNER_KEY, PARTNER_CHANNEL = 3, 12
SALE, LIVE, CREATED, UNCHANGED = 1, 2, 1, 3
OPEN, ACCEPTED, PACKED, SHIPPED = 1, 2, 4, 5
SCOPES = ["orders.import", "orders.read", "fulfillment.write", "stock.write"]


class Watch:
    """Follows the account's orders; after a cut it goes on from the last message that was handled."""

    def __init__(self, mesh, token=""):
        self._changes = mesh.call(f"{ORDERS}/WatchOrders", resume_token=token, timeout=60)
        self.token, self.seen = token, []

    def until(self, state):
        """Handles changes until a group of an order stands there; that order."""
        for message in self._changes:
            self.token = message.resume_token
            if not message.HasField("event"):
                continue
            self.seen.append((message.order.order_id, message.event.sequence))
            if any(group.state == state for group in message.order.groups):
                return message.order
        raise AssertionError("the watch ended")

    def first(self):
        """The message that gives a token before anything happened."""
        self.token = next(self._changes).resume_token

    def cut(self):
        self._changes.cancel()


class Partner(unittest.TestCase):
    def setUp(self):
        self.retailer = self.enterContext(Mesh(ADDRESS, ADMIN_KEY))
        self.account, self.credential, self.partner = self.new_partner()

    def new_partner(self):
        account = f"partner-{uuid.uuid4().hex[:12]}"
        self.retailer.call(
            f"{LOCATIONS}/UpsertLocation",
            location={
                "location_id": account,
                "account_id": account,
                "name": "Depo",
                "address": {"city": "Bursa", "country_code": "TR"},
                "time_zone": "Europe/Istanbul",
            },
        )
        created = self.retailer.call(
            f"{KEYS}/CreateApiKey",
            kind=PARTNER_KEY,
            display_name=account,
            scopes=SCOPES,
            channels=[PARTNER_CHANNEL],
            account_id=account,
            request_id=str(uuid.uuid4()),
        )
        return account, created.secret, self.enterContext(Mesh(ADDRESS, created.secret))

    def import_order(self, partner, number="A-1"):
        document = {
            "channel_order_id": number,
            "kind": SALE,
            "mode": LIVE,
            "currency_code": "TRY",
            "place_time": {"seconds": 1_790_000_000},
            "lines": [{"sku": SKU, "quantity": 1, "unit_price": {"currency_code": "TRY", "units": 150}}],
        }
        (answer,) = partner.stream(f"{ORDERS}/ImportOrders", [{"document": document}])
        self.assertEqual(answer.refusal, "")
        return answer

    def step(self, partner, step, order_id, **fields):
        group = {"order_id": order_id, "request_id": str(uuid.uuid4())}
        return partner.call(f"{FULFILLMENT}/{step}", group=group, **fields).order

    def refused(self, call):
        with self.assertRaises(grpc.RpcError) as raised:
            call()
        return raised.exception.code(), error_detail(raised.exception, "ErrorInfo").reason

    def test_an_order_is_imported_watched_acknowledged_and_shipped_over_a_cut(self):
        watch = Watch(self.partner)
        watch.first()
        imported = self.import_order(self.partner)
        self.assertEqual(imported.outcome, CREATED)
        self.assertEqual(self.import_order(self.partner).outcome, UNCHANGED)
        order = watch.until(OPEN)
        self.assertEqual((order.order_id, order.source.account_id), (imported.order_id, self.account))
        self.step(self.partner, "Accept", order.order_id)
        watch.until(ACCEPTED)
        watch.cut()
        # Nobody watches meanwhile.
        self.step(self.partner, "Pack", order.order_id)
        self.step(self.partner, "Ship", order.order_id, carrier="Yurtiçi", tracking_number="TR-1")
        again = Watch(self.enterContext(Mesh(ADDRESS, self.credential)), watch.token)
        again.until(SHIPPED)
        again.cut()
        seen = watch.seen + again.seen
        listed = self.partner.call(f"{ORDERS}/ListOrderEvents", order_id=order.order_id).events
        expected = [(order.order_id, event.sequence) for event in listed]
        # The order as it is now comes with each change, so that the last change may be shown ahead of its message.
        self.assertEqual(seen, expected[: len(seen)])
        self.assertGreaterEqual(len(seen), 4)

    def test_stock_is_counted_at_the_partners_own_location(self):
        request = {"sku": SKU, "delta": 7, "reason": "delivery", "request_id": str(uuid.uuid4())}
        for _ in range(2):
            level = self.partner.call(f"{STOCK}/AdjustStock", location_id=self.account, **request).level
            self.assertEqual((level.on_hand, level.available), (7, 7))
        other = self.new_partner()[0]
        call = lambda: self.partner.call(f"{STOCK}/AdjustStock", location_id=other, **request)
        request["request_id"] = str(uuid.uuid4())
        self.assertEqual(self.refused(call), (grpc.StatusCode.NOT_FOUND, "NOT_FOUND"))

    def test_another_partners_orders_and_tokens_are_worth_nothing(self):
        _, _, rival = self.new_partner()
        watch = Watch(self.partner)
        watch.first()
        mine, theirs = self.import_order(self.partner), self.import_order(rival)
        self.assertEqual((mine.outcome, theirs.outcome), (CREATED, CREATED))
        self.assertNotEqual(mine.order_id, theirs.order_id)
        listed = rival.call(f"{ORDERS}/ListOrders").orders
        self.assertEqual([order.order_id for order in listed], [theirs.order_id])
        accept = lambda: self.step(rival, "Accept", mine.order_id)
        self.assertEqual(self.refused(accept), (grpc.StatusCode.NOT_FOUND, "NOT_FOUND"))
        resume = lambda: next(rival.call(f"{ORDERS}/WatchOrders", resume_token=watch.token))
        self.assertEqual(self.refused(resume), (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN"))
        watch.cut()
