// A connection to the mesh as the holder of one credential. Nothing else in the page knows the protocol.

import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import type { Config } from "./config";

export function connect(config: Config, credential: string): Transport {
  const options = {
    baseUrl: config.gateway,
    // The mesh stops working on a call that nobody waits for any more. Streams say 0: no limit.
    defaultTimeoutMs: 10_000,
    interceptors: [bearer(credential)],
  };
  return config.protocol === "grpc-web" ? createGrpcWebTransport(options) : createConnectTransport(options);
}

function bearer(credential: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${credential}`);
    return next(request);
  };
}
