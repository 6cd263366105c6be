/** @module What a browser may ask for: pages of ours, by its user's own hand or by such a page itself. */
import type { IncomingMessage } from "node:http";

/** Targets that a browser may ask for, as they stand in a request. */
export type Pages = ReadonlySet<string>;

/** Where a request may come from: `none` is the address bar, a bookmark, a reload. */
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

export function isForPage({ method, url }: IncomingMessage, pages: Pages | undefined): boolean {
  if (pages === undefined || (method !== "GET" && method !== "HEAD")) return false;
  return pages.has(url ?? "");
}

/**
 * What shows that another site is behind the request, or undefined. A cookie shows nothing: browsers
 * send those of every other port of this host along.
 *
 * @see https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
 */
export function foreignHeader({ headers }: IncomingMessage): string | undefined {
  const own = `http://${headers.host}`;
  const { origin, referer } = headers;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && !(typeof site === "string" && OWN_SITES.has(site))) {
    return "sec-fetch-site";
  }
  if (origin !== undefined && origin !== own) return "origin";
  return referer === undefined || referer.startsWith(`${own}/`) ? undefined : "referer";
}
