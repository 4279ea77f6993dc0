"""gRPC as Python's own library speaks it, without generated code."""

import unittest
import uuid

import grpc

from environment import ADDRESS, CARTS, CATALOG, KEY, SESSIONS, SKU
from mesh import Mesh, error_detail


def decimal(money):
    """An amount as text with two decimals, and its currency."""
    return f"{money.units}.{money.nanos // 10_000_000:02}", money.currency_code


class Grpcio(unittest.TestCase):
    def setUp(self):
        guest = self.enterContext(Mesh(ADDRESS, KEY))
        # Enums are numbers or names, as everywhere in protobuf: 1 is CHANNEL_WEB, DEVICE_CLASS_DESKTOP.
        started = guest.call(f"{SESSIONS}/StartSession", channel=1, device_class=1, locale="tr-TR")
        self.session, self.token = started.session, started.token
        self.customer = self.connect(self.token)

    def connect(self, credential=None):
        return self.enterContext(Mesh(ADDRESS, credential))

    def add_line(self, mesh, quantity):
        added = mesh.call(f"{CARTS}/AddLine", sku=SKU, quantity=quantity, request_id=str(uuid.uuid4()))
        return added.cart

    def test_a_session_is_who_its_token_says(self):
        self.assertRegex(self.session.session_id, "^session_[0-9a-z]{26}$")
        self.assertEqual(self.customer.call(f"{SESSIONS}/GetSession").session.session_id, self.session.session_id)

    def test_products_are_listed_page_by_page(self):
        skus, token = [], ""
        while token or not skus:
            page = self.customer.call(f"{CATALOG}/ListProducts", page_size=5, page_token=token)
            self.assertLessEqual(len(page.products), 5)
            skus += [product.sku for product in page.products]
            token = page.next_page_token
        self.assertGreater(len(skus), 5)
        self.assertEqual(skus, sorted(set(skus)))
        self.assertIn(SKU, skus)

    def test_a_line_has_name_price_and_total(self):
        cart = self.add_line(self.customer, quantity=2)
        (line,) = cart.lines
        self.assertEqual((line.sku, line.quantity, line.name), (SKU, 2, "Rize Çayı 500 g"))
        self.assertEqual(decimal(line.unit_price), ("189.90", "TRY"))
        self.assertEqual(decimal(cart.totals.total), ("379.80", "TRY"))

    def test_an_error_says_which_field_and_why(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.add_line(self.customer, quantity=-1)
        error = raised.exception
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        info = error_detail(error, "ErrorInfo")
        self.assertEqual((info.domain, info.reason), ("omnimesh", "INVALID_REQUEST"))
        (violation,) = error_detail(error, "BadRequest").field_violations
        self.assertEqual((violation.field, violation.description), ("quantity", "must be from 1 to 10000"))

    def test_a_watcher_sees_what_another_channel_changes(self):
        self.add_line(self.customer, quantity=1)
        carts = self.customer.call(f"{CARTS}/WatchCart")
        self.assertEqual(next(carts).cart.lines[0].quantity, 1)
        changed = self.add_line(self.connect(self.token), quantity=3)
        seen = next(carts).cart
        self.assertEqual((seen.version, seen.lines[0].quantity), (changed.version, 4))
        carts.cancel()

    def test_a_stream_ends_at_its_deadline(self):
        with self.assertRaises(grpc.RpcError) as raised:
            list(self.customer.call(f"{CARTS}/WatchCart", timeout=0.5))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_a_cart_of_someone_else_does_not_exist(self):
        cart = self.add_line(self.customer, quantity=1)
        stranger = self.connect(self.connect(KEY).call(f"{SESSIONS}/StartSession", channel=1, device_class=1).token)
        with self.assertRaises(grpc.RpcError) as raised:
            stranger.call(f"{CARTS}/GetCart", cart_id=cart.cart_id)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(error_detail(raised.exception, "ErrorInfo").reason, "NOT_FOUND")

    def test_reflection_shows_each_what_it_may_call(self):
        anonymous = self.connect()
        self.assertIn(SESSIONS, anonymous.services())
        self.assertNotIn(CARTS, anonymous.services())
        self.assertIn(CARTS, self.customer.services())
        for mesh in (anonymous, self.customer):
            with self.assertRaises(grpc.RpcError, msg="an internal RPC is shown") as raised:
                mesh.call(f"{SESSIONS}/LoadSession")
            self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
