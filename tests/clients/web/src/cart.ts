// The session's cart. Every change answers with the whole cart, and so does the watch.

import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { type Cart, CartService } from "./gen/omnimesh/carts/v1/cart_service_pb";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export class Carts {
  readonly #client;
  readonly #currencyCode: string;

  constructor(transport: Transport, currencyCode: string) {
    this.#client = createClient(CartService, transport);
    this.#currencyCode = currencyCode;
  }

  /** With a request id of its own, a call that is sent again adds once. */
  async add(sku: string, quantity: bigint): Promise<Cart | undefined> {
    const requestId = crypto.randomUUID();
    const { cart } = await this.#client.addLine({ sku, quantity, currencyCode: this.#currencyCode, requestId });
    return cart;
  }

  /** The cart now and after each change, whoever makes it. Goes on after the mesh or the network was away. */
  async *watch(): AsyncGenerator<Cart> {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      try {
        for await (const { cart } of this.#client.watchCart({}, { timeoutMs: 0 })) {
          wait = FIRST_WAIT_MS;
          if (cart) yield cart;
        }
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** Whether trying again may help. A browser reports a broken connection as unknown. */
function isPassing(error: unknown): boolean {
  return [Code.Unavailable, Code.Unknown, Code.ResourceExhausted].includes(ConnectError.from(error).code);
}
