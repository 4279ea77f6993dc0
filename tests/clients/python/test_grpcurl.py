"""grpcurl, as people try an API with it."""

import json
import subprocess
import unittest

from environment import ADDRESS, CARTS, KEY, SESSIONS, SKU

START = {"channel": "CHANNEL_WEB", "device_class": "DEVICE_CLASS_DESKTOP"}


def grpcurl(*arguments, credential=None, data=None):
    options = ["-H", f"authorization: Bearer {credential}"] if credential else []
    options += ["-d", json.dumps(data)] if data is not None else []
    command = ["grpcurl", "-plaintext", "-max-time", "10", *options, ADDRESS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


class Grpcurl(unittest.TestCase):
    def answer(self, *arguments, **options):
        done = grpcurl(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def token(self):
        return json.loads(self.answer(f"{SESSIONS}/StartSession", credential=KEY, data=START))["token"]

    def test_anonymous_callers_see_public_rpcs_only(self):
        for credential in (None, KEY):
            services = self.answer("list", credential=credential).split()
            self.assertIn(SESSIONS, services)
            self.assertNotIn(CARTS, services)
        methods = self.answer("list", SESSIONS).split()
        self.assertEqual(methods, [f"{SESSIONS}.StartSession"])
        self.assertNotEqual(grpcurl("describe", CARTS).returncode, 0)

    def test_customers_see_the_contract_without_its_internals(self):
        token = self.token()
        described = self.answer("describe", CARTS, credential=token)
        self.assertIn("rpc WatchCart ( .omnimesh.carts.v1.WatchCartRequest ) returns ( stream", described)
        self.assertNotIn("ClaimCart", described)

    def test_a_session_fills_a_cart(self):
        added = self.answer(f"{CARTS}/AddLine", credential=self.token(), data={"sku": SKU, "quantity": 2})
        cart = json.loads(added)["cart"]
        self.assertEqual(cart["lines"][0]["quantity"], "2")
        self.assertEqual(cart["totals"]["total"], {"currencyCode": "TRY", "units": "379", "nanos": 800000000})

    def test_errors_have_code_and_details(self):
        refused = grpcurl(f"{CARTS}/AddLine", credential=self.token(), data={"sku": SKU, "quantity": -1})
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("Code: InvalidArgument", refused.stderr)
        # Their details are readable, because reflection knows them too.
        self.assertIn('"reason":"INVALID_REQUEST"', refused.stderr)
        self.assertIn('{"field":"quantity","description":"must be from 1 to 10000"}', refused.stderr)

    def test_the_whole_mesh_is_well(self):
        for service in ("", CARTS):
            health = self.answer("grpc.health.v1.Health/Check", data={"service": service})
            self.assertEqual(json.loads(health), {"status": "SERVING"})
