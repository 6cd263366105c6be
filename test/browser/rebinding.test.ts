/** @module Threat S3: a page whose name has been rebound to loopback, in a real browser. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { CANARY } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";
import { DaemonProcess } from "../floods/process.ts";
import { eventually } from "../support/program.ts";
import { hostilePage } from "./page.ts";
import type { Attempt } from "./page.ts";

/** The name of the hostile page, which has become one of this machine's. */
const REBOUND = "rebind.example";
const ROLE = "orders-reader";

let daemon: DaemonProcess;
let profile: string;
let browser: BrowserContext;

beforeAll(async () => {
  daemon = await DaemonProcess.start([], "debug");
  profile = await mkdtemp(path.join(tmpdir(), "crossrole-browser-"));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: inject("chromium"),
    headless: true,
    args: [
      `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`,
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // The page is not even held back by what browsers have of their own against it.
      "--disable-features=BlockInsecurePrivateNetworkRequests,LocalNetworkAccessChecks",
    ],
  });
});

afterAll(async () => {
  await browser?.close();
  await daemon?.[Symbol.asyncDispose]();
  await rm(profile, { recursive: true, force: true });
});

/** Whatever must not reach a page. */
function secrets(): string[] {
  const ids = daemon.machine.sts.issued.map(({ accessKeyId }) => accessKeyId);
  return [CANARY, ROLE, "SecretAccessKey", ...ids];
}

describe("a page at the daemon's own port, under a name that has been rebound", () => {
  it.each([
    [REBOUND, "ERR_HOST_REFUSED"],
    ["127.0.0.1", "ERR_FORWARDED_REQUEST"],
    ["localhost", "ERR_FORWARDED_REQUEST"],
  ])("%s cannot even be loaded: %s", async (name, code) => {
    const page = await browser.newPage();
    const [response] = await Promise.all([
      page.waitForResponse((one) => one.url().endsWith("/meta-data/")),
      // A refusal has no body, and Chromium shows a page of its own in its place.
      page.goto(`http://${name}:${daemon.port}/latest/meta-data/`).catch(() => undefined),
    ]);
    const text = await eventually(() => page.content());
    await page.close();
    expect(response.status()).toBe(403);
    for (const secret of secrets()) expect(text).not.toContain(secret);
    await eventually(() => expect(daemon.refusals.at(-1)).toContain(code));
  });
});

describe("a page of another server, whose name resolves to loopback", () => {
  it("gets no token, no role and no credentials, whatever it tries and under whatever name", async () => {
    const names = [REBOUND, "127.0.0.1", "localhost", "0.0.0.0"];
    const origins = names.map((name) => `http://${name}:${daemon.port}`);
    const server = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html").end(hostilePage(origins));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port: pagePort } = server.address() as AddressInfo;
    const page = await browser.newPage();
    await page.goto(`http://${REBOUND}:${pagePort}/`);
    const handle = await page.waitForFunction("globalThis.result", undefined, { timeout: 100_000 });
    const attempts = (await handle.jsonValue()) as readonly Attempt[];
    await page.close();
    server.closeAllConnections();
    server.close();

    expect(attempts.length).toBeGreaterThan(4 * 5 * 10);
    expect(attempts.filter(({ worked }) => worked)).toEqual([]);
    for (const secret of secrets())
      expect(JSON.stringify(attempts.map(({ saw }) => saw))).not.toContain(secret);
    expect(daemon.log).toContain("ERR_FORWARDED_REQUEST");
    expect(daemon.log).not.toContain(CANARY);
  });
});

describe("a page of the daemon's own origin, rebound after it was loaded", () => {
  it("gets nothing from requests that are same-origin for the browser", async () => {
    const page = await browser.newPage();
    // Loaded under the name and port that are the daemon's now: what a rebinding page arrives at.
    const origin = `http://${REBOUND}:${daemon.port}`;
    await page.route(`${origin}/rebound`, (route) =>
      route.fulfill({ contentType: "text/html", body: hostilePage([origin]) }),
    );
    await page.goto(`${origin}/rebound`);
    const handle = await page.waitForFunction("globalThis.result", undefined, { timeout: 100_000 });
    const attempts = (await handle.jsonValue()) as readonly Attempt[];
    await page.close();

    expect(attempts.filter(({ worked }) => worked)).toEqual([]);
    const fetches = attempts.filter(({ way }) => /^(fetch|xhr)/.test(way));
    // The browser hides nothing of its own origin's answers: these are the daemon's refusals.
    expect(new Set(fetches.map(({ saw }) => saw.slice(0, 3)))).toEqual(new Set(["403"]));
    for (const secret of secrets())
      expect(JSON.stringify(attempts.map(({ saw }) => saw))).not.toContain(secret);
    expect(daemon.log).toMatch(/ERR_(HOST_REFUSED|FORWARDED_REQUEST)/);
  });
});

it("the daemon has not stopped to answer those it is for", async () => {
  const headers = { "x-aws-ec2-metadata-token": await tokenFrom(daemon.url) };
  const list = "/latest/meta-data/iam/security-credentials/";
  const { status, body } = await request(daemon.url, list, { headers });
  expect({ status, body }).toEqual({ status: 200, body: ROLE });
  await eventually(() => expect(daemon.machine.sts.calls.length).toBeGreaterThan(0));
});
