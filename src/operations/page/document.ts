/** @module The status page: one document, nothing from outside, and a policy that lets nothing else in. */
import { createHash } from "node:crypto";
import { raw } from "hono/html";
import type { JSXNode } from "hono/jsx";
import type { Answer } from "../../http/answer.ts";
import type { StatusReport } from "../status.ts";
import { announcement, content, toneOf } from "./content.ts";
import { h, textOf } from "./elements.ts";
import { SCRIPT } from "./script.ts";
import { STYLE } from "./style.ts";

/**
 * No script and no style but the two of this page, by their digests; nothing is loaded from anywhere,
 * nobody may put the page into a frame.
 *
 * @see https://www.w3.org/TR/CSP3/
 */
const POLICY = [
  "default-src 'none'",
  `script-src '${digest(SCRIPT)}'`,
  `style-src '${digest(STYLE)}'`,
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

export function documentAnswer(report: StatusReport): Answer {
  return { status: 200, headers: HEADERS, body: `<!doctype html>${textOf(pageOf(report))}` };
}

/** What a tab is called: how things are comes first. */
export function titleOf(report: StatusReport): string {
  const marks = { good: "✓", warning: "!", bad: "✗", quiet: "" };
  return `${marks[toneOf(report)]} crossrole on ${report.host}`;
}

function pageOf(report: StatusReport): JSXNode {
  return h(
    "html",
    { lang: "en" },
    h(
      "head",
      {},
      h("meta", { charset: "utf-8" }),
      h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
      h("meta", { name: "color-scheme", content: "light dark" }),
      h("title", {}, titleOf(report)),
      h("link", { rel: "icon", href: ICON }),
      h("style", {}, raw(STYLE)),
    ),
    h(
      "body",
      { "data-version": report.version },
      h("a", { class: "skip", href: "#main" }, "Skip to the status"),
      content(report),
      h(
        "footer",
        { class: "foot" },
        h("p", { id: "connection" }, "This page shows how things were when it was loaded."),
        h(
          "p",
          {},
          "For programs: ",
          h("code", {}, "/status.json"),
          ", ",
          h("code", {}, "/metrics"),
        ),
      ),
      h(
        "p",
        { id: "announcement", class: "unseen", role: "status", "aria-live": "polite" },
        announcement(report),
      ),
      h("script", {}, raw(SCRIPT)),
    ),
  );
}

/** Without one a browser asks for /favicon.ico, which is not there. */
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' fill='none' stroke='%231f5fd6' stroke-width='3' stroke-linecap='round' stroke-linejoin='round'%3E%3Cpath d='M6 16h19m-7-7 7 7-7 7'/%3E%3C/svg%3E";

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
