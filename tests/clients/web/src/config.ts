// Where the mesh is and how to reach it. A real shop builds these in; here they come from the page's address.

export type Protocol = "connect" | "grpc-web";

export interface Config {
  /** The gateway's address, such as http://127.0.0.1:8080. */
  gateway: string;
  /** A publishable key: it starts sessions and is no secret. */
  key: string;
  protocol: Protocol;
  /** ISO 4217: what the shop sells in. */
  currency: string;
}

export function readConfig(address: URL): Config {
  const query = address.searchParams;
  const key = query.get("key");
  if (!key) throw new Error("add ?key=… to the address: the publishable key that the mesh printed at its start");
  return {
    gateway: query.get("gateway") ?? "http://127.0.0.1:8080",
    key,
    protocol: query.get("protocol") === "grpc-web" ? "grpc-web" : "connect",
    currency: query.get("currency") ?? "TRY",
  };
}
