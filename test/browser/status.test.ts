/** @module The status page in a real browser: what is seen, by an eye, a keyboard and a screen reader. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { sendRaw } from "../support/http.ts";
import { eventually } from "../support/program.ts";
import { contrasts, overflowing } from "./contrast.ts";
import { hostilePage } from "./page.ts";
import type { Attempt } from "./page.ts";
import { MARKUP, startStatusScene } from "./status-scene.ts";
import type { StatusScene } from "./status-scene.ts";

/** Where to leave the pictures for whoever wants to look at them. */
const PICTURES = process.env["CROSSROLE_WRITE_SCREENSHOTS"];

/** The name of a hostile page, which has become one of this machine's. */
const REBOUND = "rebind.example";

const WIDE = { width: 1_180, height: 900 };
const PHONE = { width: 320, height: 700 };
/** WCAG 2.2, 1.4.3, level AA. */
const LEAST_CONTRAST = 4.5;

let scene: StatusScene;
let browser: Browser;
let page: Page | undefined;
/** Whatever the page complained of, or loaded from elsewhere. */
let complaints: string[] = [];

beforeAll(async () => {
  scene = await startStatusScene();
  browser = await chromium.launch({
    executablePath: inject("chromium"),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`,
      // A hostile page is not even held back by what browsers have of their own against it.
      "--disable-features=BlockInsecurePrivateNetworkRequests,LocalNetworkAccessChecks",
    ],
  });
  await eventually(async () => {
    if ((await scene.ask()) !== 200) throw new Error("no credentials yet");
  }, 30_000);
  const port = Number(new URL(scene.daemon.served[0]?.url ?? "").port);
  await sendRaw(
    { port },
    `GET /${MARKUP.replaceAll(" ", "/")} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${MARKUP}\r\nConnection: close\r\n\r\n`,
  );
});

afterEach(async () => {
  await page?.close();
  page = undefined;
});

afterAll(async () => {
  await browser?.close();
  await scene?.[Symbol.asyncDispose]();
});

async function open(viewport = WIDE, colorScheme: "light" | "dark" = "light"): Promise<Page> {
  page = await browser.newPage({ viewport, colorScheme });
  complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${scene.url}/`) && !url.startsWith("data:")) complaints.push(url);
  });
  await page.goto(scene.url);
  await page.getByText("Live: changes are shown as they happen.").waitFor();
  return page;
}

describe.each(["light", "dark"] as const)("the page, %s", (scheme) => {
  it("can be read by everybody: each text has a contrast of 4.5 to 1 at least", async () => {
    const shown = await (await open(WIDE, scheme)).evaluate(contrasts);

    expect(shown.length).toBeGreaterThan(100);
    expect(shown.filter(({ ratio }) => ratio < LEAST_CONTRAST)).toEqual([]);
  });

  it.each([
    ["wide", WIDE],
    ["on a phone", PHONE],
  ] as const)("fits its window, %s, and complains of nothing", async (name, viewport) => {
    const opened = await open(viewport, scheme);
    await picture(opened, `${scheme} ${name}`);
    const width = await opened.evaluate<number>("document.documentElement.scrollWidth");

    expect(width).toBe(viewport.width);
    expect(await opened.evaluate(overflowing)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it("is of the scheme that the user has chosen", async () => {
    const opened = await open(WIDE, scheme);
    const background = await opened.evaluate<string>(
      "getComputedStyle(document.body).backgroundColor",
    );
    const [red = 0] = (background.match(/\d+/g) ?? []).map(Number);

    expect(red > 128).toBe(scheme === "light");
  });
});

async function picture(opened: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  await mkdir(PICTURES, { recursive: true });
  const file = path.join(PICTURES, `${name.replaceAll(" ", "-")}.png`);
  await opened.screenshot({ path: file, fullPage: true });
}

describe("the page", () => {
  it("shows each role's chain across accounts, its life left, and who holds what", async () => {
    const opened = await open();
    const card = opened.getByRole("article", { name: "invoices" });
    const lanes = card.getByRole("group", { name: "How invoices is reached" });
    const names = await lanes.locator(".lane-name").allTextContents();
    const reader = opened.getByRole("article", { name: "orders-reader" });

    expect(names).toEqual([
      "Base credentials",
      "Account 111111111111",
      "Account 333333333333",
      "Account 444444444444",
    ]);
    expect(await card.getByText(/external id/).count()).toBe(2);
    const held = reader.getByRole("table", { name: "Who holds credentials of orders-reader" });
    expect(await held.getByRole("row").nth(1).textContent()).toMatch(/^user \d+ASIA\d+EXAMPLE/);
  });

  it("says in words why a role is not served", async () => {
    const opened = await open();
    const card = opened.getByRole("article", { name: "payroll", exact: true });

    expect(await card.locator(".badge").textContent()).toBe("no credentials");
    expect(await card.locator(".failure").textContent()).toContain(
      "the trust policy of arn:aws:iam::555555555555:role/payroll in account 555555555555 must allow",
    );
    expect(await card.locator(".step.bad .step-name").textContent()).toBe("payroll");
  });

  it("shows the pods with their roles, those with a problem first", async () => {
    const table = (await open()).getByRole("table", { name: "Pods and their roles" });
    const heads = await table.getByRole("rowheader").allTextContents();

    expect(heads[0]).toBe("orders/payroll-0");
    expect(heads).toContain("orders/orders-web-7c9f4b6d8-x2vqk");
    expect(
      await table.getByRole("meter", { name: /x2vqk$/ }).getAttribute("aria-valuetext"),
    ).toMatch(/^\d+ min left$/);
  });

  it("shows what a stranger wrote as text", async () => {
    const opened = await open();
    const lines = opened.getByRole("region", { name: "Recent log lines, the newest first" });

    await lines.getByText(MARKUP, { exact: true }).waitFor();
    expect(await opened.locator("img").count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it("holds no secret", async () => {
    const opened = await open();
    const text = await opened.content();
    const secrets = scene.secrets();

    expect(secrets.length).toBeGreaterThan(5);
    for (const secret of secrets) expect(text).not.toContain(secret);
  });
});

describe("to a screen reader", () => {
  it("the page has its landmarks, one title, and headings that skip no level", async () => {
    const opened = await open();
    const levels = await opened.evaluate<number[]>(
      "[...document.querySelectorAll('h1,h2,h3,h4')].map((one) => Number(one.tagName[1]))",
    );

    for (const role of ["banner", "main", "contentinfo"] as const) {
      expect(await opened.getByRole(role).count()).toBe(1);
    }
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    expect(levels.every((level, index) => level <= (levels[index - 1] ?? 0) + 1)).toBe(true);
    expect(await opened.evaluate("document.documentElement.lang")).toBe("en");
  });

  it("each bar says what it is of and what it means, and each table what it shows", async () => {
    const opened = await open();
    const meters = await opened.getByRole("meter").all();
    const tables = await opened.getByRole("table").all();
    const said = await Promise.all(
      meters.map(async (one) => [
        await one.getAttribute("aria-label"),
        await one.getAttribute("aria-valuetext"),
      ]),
    );

    expect(said.length).toBeGreaterThanOrEqual(3);
    for (const [label, text] of said) {
      expect(label).toMatch(/^Life left of \S+$/);
      expect(text).toMatch(/left$/);
    }
    expect(tables.length).toBeGreaterThanOrEqual(2);
    for (const table of tables) expect(await table.locator("caption").count()).toBe(1);
  });

  it("a change is said once, politely", async () => {
    const opened = await open();
    const live = opened.getByRole("status");
    expect(await live.getAttribute("aria-live")).toBe("polite");
    expect(await live.textContent()).toMatch(/^not ready, 2 of 3 roles served/);

    scene.daemon.refusedReload(new Error("a bad file"));

    await expect.poll(() => live.textContent()).toContain("a changed configuration was refused");
    await scene.daemon.reload(scene.config);
    await expect.poll(() => live.textContent()).not.toContain("a changed configuration");
  });

  it("the tables stay tables on a phone", async () => {
    const table = (await open(PHONE)).getByRole("table", { name: "Pods and their roles" });

    expect(await table.getByRole("columnheader").count()).toBe(6);
    expect(await table.getByRole("rowheader").count()).toBeGreaterThanOrEqual(3);
  });
});

describe("by keyboard", () => {
  it("the first stop leads past the header, and what scrolls can be scrolled", async () => {
    const opened = await open();
    await opened.keyboard.press("Tab");
    const skip = opened.getByRole("link", { name: "Skip to the status" });
    expect(await focused(opened)).toBe("Skip to the status");
    await expect.poll(async () => (await skip.boundingBox())?.y ?? -1).toBeGreaterThanOrEqual(0);

    await opened.keyboard.press("Enter");
    expect(await opened.evaluate("document.activeElement.id")).toBe("main");
    await opened.keyboard.press("Tab");
    expect(await opened.evaluate("document.activeElement.getAttribute('role')")).toBe("region");
    expect(await opened.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe(
      "solid",
    );
  });
});

async function focused(opened: Page): Promise<string> {
  return await opened.evaluate<string>("document.activeElement.textContent");
}

describe("live", () => {
  it("a change is shown without a reload, and takes the focus from nobody", async () => {
    const opened = await open();
    await opened.evaluate("globalThis.mark = 'still here'");
    await opened.evaluate("document.querySelector('.scroll').focus()");

    scene.daemon.refusedReload(new Error("crossrole.yaml has 1 problem"));
    await opened.getByText("crossrole.yaml has 1 problem").waitFor();

    expect(await opened.evaluate("globalThis.mark")).toBe("still here");
    expect(await opened.evaluate("document.activeElement.className")).toContain("scroll");
    await scene.daemon.reload(scene.config);
    await opened.getByText("crossrole.yaml has 1 problem").waitFor({ state: "detached" });
    expect(complaints).toEqual([]);
  });

  it("a new caller shows up by itself", async () => {
    const opened = await open();
    const lines = opened.getByRole("region", { name: "Recent log lines, the newest first" });
    const port = Number(new URL(scene.daemon.served[0]?.url ?? "").port);
    await sendRaw(
      { port },
      "GET /latest HTTP/1.1\r\nHost: localhost\r\nUser-Agent: seen-live\r\nConnection: close\r\n\r\n",
    );

    await expect.poll(() => lines.textContent()).toContain("seen-live");
  });
});

describe("a hostile page", () => {
  it("learns nothing, of another port, of another name, or rebound to the daemon's own", async () => {
    const port = new URL(scene.url).port;
    const origins = ["127.0.0.1", "localhost", REBOUND].map((name) => `http://${name}:${port}`);
    const hostile = await browser.newPage();
    page = hostile;
    // Served under the daemon's own port, too: what a rebinding page arrives at.
    await hostile.route(/\/hostile$/, (route) =>
      route.fulfill({ contentType: "text/html", body: hostilePage(origins) }),
    );
    for (const from of ["http://127.0.0.1:1", `http://${REBOUND}:${port}`]) {
      await hostile.goto(`${from}/hostile`);
      const handle = await hostile.waitForFunction("globalThis.result", undefined, {
        timeout: 100_000,
      });
      const attempts = (await handle.jsonValue()) as readonly Attempt[];
      const seen = JSON.stringify(attempts.map(({ saw }) => saw));

      expect(attempts.length).toBeGreaterThan(50);
      expect(attempts.filter(({ worked }) => worked)).toEqual([]);
      for (const word of ["orders-reader", "ASIA", "111111111111"])
        expect(seen).not.toContain(word);
    }
  });

  it("cannot even be linked from: a click elsewhere does not open it", async () => {
    page = await browser.newPage();
    await page.route("http://elsewhere.example/", (route) =>
      route.fulfill({ contentType: "text/html", body: `<a href="${scene.url}/">status</a>` }),
    );
    await page.goto("http://elsewhere.example/");
    const [response] = await Promise.all([
      page.waitForResponse((one) => one.url() === `${scene.url}/`),
      page.getByRole("link").click(),
    ]);

    expect(response.status()).toBe(403);
  });
});

describe("when the daemon goes away", () => {
  it("the page says so, keeps what it shows, and lives again when the daemon is back", async () => {
    const opened = await open();
    await scene.daemon.close();
    await opened.getByText("The connection is lost").waitFor();
    expect(await opened.getByRole("article", { name: "invoices" }).count()).toBe(1);

    await scene.restart();

    await opened.getByText("Live: changes are shown as they happen.").waitFor({ timeout: 60_000 });
  });
});
