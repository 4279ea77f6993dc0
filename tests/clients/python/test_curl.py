"""Connect, as curl and everything else that only knows HTTP and JSON speaks it."""

import gzip
import json
import subprocess
import unittest
import uuid
from email import message_from_string

from environment import CARTS, CATALOG, GATEWAY, KEY, ORIGIN, SESSIONS, SKU

JSON = "content-type: application/json"


class Answer:
    """Status, headers and body of `curl -i`."""

    def __init__(self, output):
        head, _, self.body = output.partition(b"\r\n\r\n")
        first, _, headers = head.decode().partition("\r\n")
        self.version, self.status = first.split()[0], int(first.split()[1])
        self.headers = message_from_string(headers)

    @property
    def json(self):
        return json.loads(self.body)

    def debug(self, kind):
        """What the error's detail of that kind says to people; programs decode `value`."""
        return next(detail["debug"] for detail in self.json["details"] if detail["type"] == f"google.rpc.{kind}")


def curl(path, *headers, data=None, options=(), credential=None):
    if credential:
        headers = (f"authorization: Bearer {credential}", *headers)
    command = ["curl", "-sS", "-i", "--max-time", "20", *options, f"{GATEWAY}/{path}"]
    for header in headers:
        command += ["-H", header]
    if data is not None:
        command += ["--data-binary", "@-"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return Answer(done.stdout)


def call(rpc, body, *headers, credential=None, options=()):
    return curl(rpc, JSON, *headers, data=json.dumps(body).encode(), credential=credential, options=options)


class Curl(unittest.TestCase):
    def setUp(self):
        start = {"channel": "CHANNEL_WEB", "deviceClass": "DEVICE_CLASS_DESKTOP"}
        started = call(f"{SESSIONS}/StartSession", start, credential=KEY)
        self.assertEqual(started.status, 200, started.body)
        self.token = started.json["token"]

    def refuse(self, answer, status, code, reason):
        self.assertEqual((answer.status, answer.json["code"]), (status, code), answer.body)
        self.assertEqual(answer.debug("ErrorInfo")["reason"], reason)

    def test_json_in_json_out(self):
        for options, version in (("--http1.1",), "HTTP/1.1"), (("--http2-prior-knowledge",), "HTTP/2"):
            answer = call(f"{CATALOG}/GetProduct", {"sku": SKU}, credential=self.token, options=options)
            self.assertEqual((answer.version, answer.status), (version, 200), answer.body)
            self.assertEqual(answer.headers["content-type"], "application/json")
            self.assertRegex(answer.headers["omnimesh-trace-id"], "^[0-9a-f]{32}$")
            self.assertEqual(answer.json["product"]["name"], "Rize Çayı 500 g")

    def test_errors_have_status_code_and_details(self):
        answer = call(f"{CARTS}/AddLine", {"sku": SKU, "quantity": -1}, credential=self.token)
        self.refuse(answer, 400, "invalid_argument", "INVALID_REQUEST")
        violations = [{"field": "quantity", "description": "must be from 1 to 10000"}]
        self.assertEqual(answer.debug("BadRequest")["fieldViolations"], violations)

    def test_unknown_products_can_not_be_added(self):
        answer = call(f"{CARTS}/AddLine", {"sku": "NO-SUCH-SKU", "quantity": 1}, credential=self.token)
        self.refuse(answer, 400, "failed_precondition", "NOT_SELLABLE")

    def test_malformed_json_is_refused(self):
        for data in (b"{", b"[]", b'{"quantity": "many"}', b"\xff"):
            answer = curl(f"{CARTS}/AddLine", JSON, data=data, credential=self.token)
            self.refuse(answer, 400, "invalid_argument", "MALFORMED_MESSAGE")

    def test_there_is_no_other_method(self):
        # An internal RPC looks from outside as if there were none.
        for rpc in (f"{CARTS}/NoSuchMethod", f"{SESSIONS}/LoadSession"):
            self.refuse(call(rpc, {}, credential=self.token), 404, "unimplemented", "UNKNOWN_METHOD")

    def test_a_credential_is_needed_and_must_be_good(self):
        self.refuse(call(f"{CARTS}/GetCart", {}), 401, "unauthenticated", "CREDENTIAL_MISSING")
        for wrong in ("oms_nonsense", KEY[:-4] + "AAAA"):
            self.refuse(call(f"{CARTS}/GetCart", {}, credential=wrong), 401, "unauthenticated", "CREDENTIAL_INVALID")
        self.refuse(call(f"{CARTS}/GetCart", {}, credential=KEY), 403, "permission_denied", "AUDIENCE_DENIED")

    def test_a_repeated_request_has_one_effect(self):
        line = {"sku": SKU, "quantity": 2, "requestId": str(uuid.uuid4())}
        first = call(f"{CARTS}/AddLine", line, credential=self.token)
        again = call(f"{CARTS}/AddLine", line, credential=self.token)
        self.assertEqual((first.headers["omnimesh-replayed"], again.headers["omnimesh-replayed"]), (None, "true"))
        self.assertEqual(again.json, first.json)
        other = call(f"{CARTS}/AddLine", line | {"quantity": 3}, credential=self.token)
        self.refuse(other, 400, "invalid_argument", "REQUEST_ID_REUSED")

    def test_requests_may_be_compressed(self):
        body = gzip.compress(json.dumps({"sku": SKU}).encode())
        answer = curl(f"{CATALOG}/GetProduct", JSON, "content-encoding: gzip", data=body, credential=self.token)
        self.assertEqual((answer.status, answer.json["product"]["sku"]), (200, SKU))

    def test_a_stream_is_envelopes_and_ends_at_the_callers_deadline(self):
        added = call(f"{CARTS}/AddLine", {"sku": SKU, "quantity": 1}, credential=self.token)
        # An envelope: a byte of flags, four bytes of length, the message.
        headers = ("content-type: application/connect+json", "connect-timeout-ms: 500")
        answer = curl(f"{CARTS}/WatchCart", *headers, data=b"\0\0\0\0\2{}", credential=self.token)
        envelopes, rest = [], answer.body
        while rest:
            length = int.from_bytes(rest[1:5], "big")
            envelopes.append((rest[0], json.loads(rest[5 : 5 + length])))
            rest = rest[5 + length :]
        (first, cart), (last, end) = envelopes
        self.assertEqual((answer.status, first, last), (200, 0, 2))
        self.assertEqual(cart["cart"]["cartId"], added.json["cart"]["cartId"])
        self.assertEqual(end["error"]["code"], "deadline_exceeded")

    def preflight(self, origin):
        asked = ("access-control-request-method: POST", "access-control-request-headers: authorization,content-type")
        return curl(f"{CARTS}/AddLine", f"origin: {origin}", *asked, options=("-X", "OPTIONS"))

    def test_pages_of_the_allowed_origin_may_call(self):
        answer = self.preflight(ORIGIN)
        self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (204, ORIGIN))
        allowed = answer.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
        self.assertLessEqual({"authorization", "content-type"}, set(allowed))
        called = call(f"{CARTS}/GetCart", {}, f"origin: {ORIGIN}", credential=self.token)
        self.assertEqual(called.headers["access-control-allow-origin"], ORIGIN)
        self.assertIn("omnimesh-trace-id", called.headers["access-control-expose-headers"])

    def test_pages_of_other_origins_may_not(self):
        for origin in ("https://evil.example", f"{ORIGIN}.evil.example"):
            answer = self.preflight(origin)
            self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (403, None))

    def test_ready_means_ready(self):
        answer = curl("readyz")
        self.assertEqual((answer.status, answer.body), (200, b"ready\n"))
