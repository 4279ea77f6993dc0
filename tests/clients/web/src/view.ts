// The page's elements. It shows what it is given and reports what the visitor does; it calls nobody.

import { shelfPrice } from "./catalog";
import type { Problem } from "./errors";
import type { Cart } from "./gen/omnimesh/carts/v1/cart_service_pb";
import type { Product } from "./gen/omnimesh/catalog/v1/catalog_service_pb";
import type { Session } from "./gen/omnimesh/sessions/v1/session_service_pb";
import { format } from "./money";

export interface Actions {
  add(sku: string, quantity: bigint): void;
  describe(sku: string): Promise<string>;
}

const LOCALE = navigator.language;

export function showSession(session: Session, protocol: string): void {
  find("#session").textContent = `${session.sessionId} over ${protocol}`;
}

export function showProblem(problem: Problem | undefined): void {
  const box = find("#problem");
  box.hidden = !problem;
  box.textContent = problem?.text ?? "";
  box.dataset["reason"] = problem?.reason ?? "";
}

export function showProducts(products: Product[], currency: string, actions: Actions): void {
  find("#products").replaceChildren(...products.map((product) => productItem(product, currency, actions)));
}

export function showCart(cart: Cart): void {
  const rows = cart.lines.map((line) =>
    element("tr", { id: line.lineId }, [
      element("td", {}, [line.name]),
      element("td", {}, [`${line.quantity}`]),
      element("td", {}, [format(line.subtotal, LOCALE)]),
    ]),
  );
  find("#cart tbody").replaceChildren(...rows);
  find("#total").textContent = format(cart.totals?.total, LOCALE);
}

function productItem(product: Product, currency: string, actions: Actions): HTMLElement {
  const description = element("p", { className: "description", hidden: true });
  const name = element("button", { type: "button", className: "name" }, [product.name]);
  name.addEventListener("click", async () => {
    description.textContent = await actions.describe(product.sku);
    description.hidden = !description.textContent;
  });
  const quantity = element("input", { type: "number", value: "1", step: "1", ariaLabel: "Quantity" });
  const form = element("form", { noValidate: true }, [
    name,
    element("span", {}, [format(shelfPrice(product, currency), LOCALE)]),
    quantity,
    element("button", { type: "submit" }, ["Add"]),
  ]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Empty counts as 0: what a quantity may be, the mesh says.
    actions.add(product.sku, BigInt(Math.trunc(quantity.valueAsNumber || 0)));
  });
  return element("li", { id: product.sku }, [form, description]);
}

function find(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  children: (Node | string)[] = [],
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
