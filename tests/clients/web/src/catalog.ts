// What there is to buy.

import { createClient, type Transport } from "@connectrpc/connect";
import { CatalogService, type Product } from "./gen/omnimesh/catalog/v1/catalog_service_pb";
import { Channel } from "./gen/omnimesh/common/v1/channel_pb";
import type { Money } from "./gen/omnimesh/common/v1/money_pb";

export class Catalog {
  readonly #client;

  constructor(transport: Transport) {
    this.#client = createClient(CatalogService, transport);
  }

  async list(): Promise<Product[]> {
    const { products } = await this.#client.listProducts({ pageSize: 50 });
    return products;
  }

  async describe(sku: string): Promise<string> {
    const { product } = await this.#client.getProduct({ sku });
    return product?.description ?? "";
  }
}

/** A price to show on the shelf: the web's own, or else the general one. The cart's is the one that counts. */
export function shelfPrice(product: Product, currency: string): Money | undefined {
  const prices = product.prices.filter(({ amount }) => amount?.currencyCode === currency);
  const of = (wanted: Channel) => prices.find(({ channel }) => channel === wanted)?.amount;
  return of(Channel.WEB) ?? of(Channel.UNSPECIFIED);
}
