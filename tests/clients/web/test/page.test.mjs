// The page in headless Chromium, from an origin of its own, over both of the browser's protocols.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { context } from "esbuild";
import { chromium } from "playwright-core";

const { MESH_GATEWAY, MESH_KEY, PAGE_ORIGIN } = process.env;
const SKU = "TEA-RIZE-500";
const PATIENCE_MS = 15_000;
const UNARY_TYPE = { connect: "application/json", "grpc-web": "application/grpc-web+proto" };

let bundler;
let browser;

before(async () => {
  bundler = await context({
    entryPoints: ["src/main.ts"],
    bundle: true,
    format: "esm",
    outfile: "public/page.js",
    // Served from memory.
    write: false,
    logLevel: "warning",
  });
  await bundler.serve({ servedir: "public", host: "127.0.0.1", port: Number(new URL(PAGE_ORIGIN).port) });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Chromium's own sandbox does not work for root.
    chromiumSandbox: process.getuid() !== 0,
    args: ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"],
  });
});

after(async () => {
  await browser?.close();
  await bundler?.dispose();
});

for (const [protocol, other] of [["connect", "grpc-web"], ["grpc-web", "connect"]]) {
  test(`${protocol}: a cart, live on two devices`, async () => {
    const visitor = await browser.newContext({ locale: "en-US" });
    visitor.setDefaultTimeout(PATIENCE_MS);
    const faults = [];
    visitor.on("weberror", (error) => faults.push(error.error().message));
    const types = new Set();
    visitor.on("request", (request) => {
      const isCall = request.url().startsWith(MESH_GATEWAY) && request.method() === "POST";
      if (isCall) types.add(request.headers()["content-type"]);
    });

    const first = await open(visitor, protocol);
    const product = first.locator(`#${SKU}`);
    await product.getByRole("button", { name: "Rize Çayı 500 g" }).click();
    await shows(product.locator(".description"), "Black tea from Rize, loose leaf");

    await add(product, 2);
    await shows(first.locator("#cart tbody td").nth(1), "2");
    await shows(first.locator("#total"), "TRY 379.80");
    assert.ok(types.has(UNARY_TYPE[protocol]) && !types.has(UNARY_TYPE[other]), `called with ${[...types]}`);

    // Another device of the same visitor finds the cart and changes it over the other protocol.
    const second = await open(visitor, other);
    assert.equal(await session(second), await session(first));
    await shows(second.locator("#cart tbody td").nth(1), "2");
    await add(second.locator(`#${SKU}`), 3);
    await shows(first.locator("#cart tbody td").nth(1), "5");
    await shows(first.locator("#total"), "TRY 949.50");
    assert.ok(types.has(UNARY_TYPE[other]), `called with ${[...types]}`);

    await add(product, -1);
    const problem = first.getByRole("alert");
    await shows(problem, "quantity must be from 1 to 10000 (InvalidArgument, INVALID_REQUEST)");
    assert.equal(await problem.getAttribute("data-reason"), "INVALID_REQUEST");
    await add(product, 1);
    await problem.waitFor({ state: "hidden" });
    await shows(second.locator("#cart tbody td").nth(1), "6");

    assert.deepEqual(faults, []);
    await visitor.close();
  });
}

test("a wrong key is refused with its reason", async () => {
  const page = await browser.newPage();
  await page.goto(address("connect", "omk_wrong"));
  const problem = page.getByRole("alert");
  await problem.waitFor({ timeout: PATIENCE_MS });
  assert.equal(await problem.getAttribute("data-reason"), "CREDENTIAL_INVALID");
  await page.close();
});

function address(protocol, key) {
  return `${PAGE_ORIGIN}/?${new URLSearchParams({ gateway: MESH_GATEWAY, key, protocol })}`;
}

async function open(visitor, protocol) {
  const page = await visitor.newPage();
  await page.goto(address(protocol, MESH_KEY));
  await page.locator(`#${SKU}`).waitFor();
  return page;
}

async function session(page) {
  const [id] = (await page.locator("#session").textContent()).split(" ");
  assert.match(id, /^session_[0-9a-z]{26}$/);
  return id;
}

async function add(product, quantity) {
  await product.getByLabel("Quantity").fill(`${quantity}`);
  await product.getByRole("button", { name: "Add" }).click();
}

/** Waits until the element says that, and fails with what it says instead. */
async function shows(element, expected) {
  const until = Date.now() + PATIENCE_MS;
  let text;
  do {
    // Amounts hold no-break spaces.
    text = (await element.textContent()).replaceAll(/\s/g, " ");
    if (text === expected) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  } while (Date.now() < until);
  assert.equal(text, expected);
}
