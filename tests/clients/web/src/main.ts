// Ties the parts together: session, products, cart, and what the visitor does.

import { Carts } from "./cart";
import { Catalog } from "./catalog";
import { readConfig } from "./config";
import { explain } from "./errors";
import { openSession } from "./session";
import { showCart, showProblem, showProducts, showSession } from "./view";

async function main(): Promise<void> {
  const config = readConfig(new URL(location.href));
  const { session, transport } = await openSession(config);
  const catalog = new Catalog(transport);
  const carts = new Carts(transport, config.currency);
  showSession(session, config.protocol);

  showProducts(await catalog.list(), config.currency, {
    add: (sku, quantity) => attempt(() => carts.add(sku, quantity)),
    describe: async (sku) => (await attempt(() => catalog.describe(sku))) ?? "",
  });
  // The watch shows this page's own changes as well: one way for everything that changes the cart.
  for await (const cart of carts.watch()) showCart(cart);
}

/** Does it, and shows what went wrong if it fails. */
async function attempt<Result>(action: () => Promise<Result>): Promise<Result | undefined> {
  try {
    const result = await action();
    showProblem(undefined);
    return result;
  } catch (error) {
    showProblem(explain(error));
    return undefined;
  }
}

await attempt(main);
