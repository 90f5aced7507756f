"""The other side of examples/grpc_peer.rs, written with grpcio.

peer.py call ADDRESS   calls a slow method with a timeout of 0.3 s and prints the status
peer.py serve          prints its address, and answers one call with the milliseconds that it had left
"""

import sys
import time
from concurrent import futures

import grpc

METHOD = "/grpc.health.v1.Health/Check"


def call(address):
    with grpc.insecure_channel(address) as channel:
        # A message with the field `service` of the value "60000".
        check = channel.unary_unary(METHOD)
        began = time.monotonic()
        try:
            check(b"\x0a\x0560000", timeout=0.3)
        except grpc.RpcError as error:
            took = time.monotonic() - began
            print(error.code().name, "-", error.details(), flush=True)
            assert took < 0.3, f"the answer came after {took:.3f} s"


class Remaining(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(self.answer)

    @staticmethod
    def answer(_request, context):
        millis = int(context.time_remaining() * 1000)
        # The field `status`, as a variable-length integer of two bytes.
        return bytes([0x08, 0x80 | (millis & 0x7F), millis >> 7])


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    server.add_generic_rpc_handlers((Remaining(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(grace=None)


if sys.argv[1] == "call":
    call(sys.argv[2])
else:
    serve()
