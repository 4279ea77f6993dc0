"""A client that knows nothing of the mesh but its address: the contract comes by reflection."""

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status


class Mesh:
    """Calls RPCs by their full names, as the holder of one credential."""

    def __init__(self, address, credential=None):
        self._channel = grpc.insecure_channel(address)
        # Reflection shows each caller what it may call, so that it needs the credential too.
        caller = grpc.intercept_channel(self._channel, Bearer(credential)) if credential else self._channel
        self._caller = caller
        self._contract = ProtoReflectionDescriptorDatabase(caller)
        self._pool = DescriptorPool(self._contract)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._channel.close()

    def services(self):
        """The names of the services that this caller may see."""
        return set(self._contract.get_services())

    def call(self, rpc, timeout=10, **fields):
        """Calls `package.Service/Method`; the answer is a message, or an iterator of them if the RPC streams.

        Raises grpc.RpcError if the mesh refuses the call, or shows this caller no such RPC (NOT_FOUND).
        """
        method = self._pool.FindMethodByName(rpc.replace("/", "."))
        start = self._caller.unary_stream if method.server_streaming else self._caller.unary_unary
        return self._invoke(start, rpc, method)(GetMessageClass(method.input_type)(**fields), timeout=timeout)

    def stream(self, rpc, requests, timeout=10):
        """Calls an RPC that streams both ways with requests, a dict of fields each; the answers are an iterator."""
        method = self._pool.FindMethodByName(rpc.replace("/", "."))
        message = GetMessageClass(method.input_type)
        invoke = self._invoke(self._caller.stream_stream, rpc, method)
        return invoke((message(**fields) for fields in requests), timeout=timeout)

    def _invoke(self, start, rpc, method):
        return start(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )


class Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Sends a credential with each call."""

    def __init__(self, credential):
        self._header = ("authorization", f"Bearer {credential}")

    def _send(self, proceed, details, request):
        return proceed(details._replace(metadata=[*(details.metadata or ()), self._header]), request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_stream = _send


def error_detail(error, kind):
    """The detail of that kind, such as "ErrorInfo", that a failed call carries in its trailers; None without one."""
    status = rpc_status.from_call(error)
    message = getattr(error_details_pb2, kind)()
    return next((message for detail in status.details if detail.Unpack(message)), None) if status else None
