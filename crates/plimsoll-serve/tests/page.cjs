// Looks at the page as a reader does, at several sizes, in dark and light, with the keyboard: ADDRESS KEY.
"use strict";

const assert = require("node:assert");
const { chromium } = require("playwright-core");

const [address, key] = process.argv.slice(2);
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

async function look(browser, width, colorScheme) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(String(error)));
  // Refusals for want of a key are what the form is for.
  page.on("console", (said) => { if (said.type() === "error" && !/401/.test(said.text())) trouble.push(said.text()); });
  page.on("request", (request) => { if (!request.url().startsWith(address) && !request.url().startsWith("data:")) trouble.push(`asks ${request.url()}`); });
  await page.goto(address);
  await page.locator("#key").waitFor({ state: "visible" });
  await page.locator("#key-field").fill(key);
  await page.keyboard.press("Enter");
  await page.locator("html[data-drawn=true]").waitFor();
  for (const id of ["places", "requests", "accounts", "models", "history", "health", "alerts", "documents"]) {
    const text = await page.locator(`#${id}`).innerText();
    assert.ok(text.split("\n").filter((line) => line.trim()).length > 1, `${id} is empty at ${width}: ${text}`);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `it is ${wide} wide at ${width}`);
  assert.match(await page.locator("#models").innerText(), /tiny/);
  await page.locator("#find-field").fill("who may take the reserve");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /Nobody may take it/.test(document.getElementById("found").textContent));
  // The way with the keyboard: the first stop leads on, and cells can be chosen.
  await page.locator("#treemap button").first().focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /limit|below the line/.test(document.getElementById("account-facts").textContent));
  const chosen = await page.locator("#treemap button[aria-pressed=true]").count();
  assert.strictEqual(chosen, 1);
  // It stays chosen, and keeps the focus, when the figures are drawn anew.
  const said = await page.evaluate(() => new Promise((done) => setTimeout(() => done(document.activeElement.getAttribute("aria-pressed")), 1500)));
  assert.strictEqual(said, "true");
  const contrast = await page.evaluate(() => {
    const light = (color) => color.match(/\d+/g).slice(0, 3).map(Number).map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    const sum = (color) => { const [r, g, b] = light(color); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const card = getComputedStyle(document.querySelector("section"));
    const note = getComputedStyle(document.querySelector(".note, dt"));
    const [one, other] = [sum(card.backgroundColor), sum(note.color)].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
  });
  assert.ok(contrast >= 4.5, `the smallest text has a contrast of ${contrast} in ${colorScheme}`);
  assert.deepStrictEqual(trouble, []);
  await page.close();
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.PLIMSOLL_CHROMIUM || "/usr/bin/chromium", args: QUIET });
  try {
    for (const width of [360, 768, 1280, 2560]) {
      for (const scheme of ["light", "dark"]) await look(browser, width, scheme);
    }
  } finally {
    await browser.close();
  }
})().catch((error) => { console.error(error); process.exit(1); });
