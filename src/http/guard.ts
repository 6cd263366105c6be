/** @module What is refused before any route: cheap, without a look at path, token or caller. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { CrossroleError } from "../errors.ts";
import { foreignHeader, isForPage } from "./pages.ts";
import type { Pages } from "./pages.ts";

/**
 * Names under which a metadata client reaches this machine. An application that was rebound to
 * loopback by DNS (a web page) still sends the name it was made with, and that one is not here.
 */
const KNOWN_HOSTS: ReadonlySet<string> = new Set([
  "169.254.169.254",
  "[fd00:ec2::254]",
  "169.254.170.2",
  "169.254.170.23",
  "[fd00:ec2::23]",
  "localhost",
  "[::1]",
]);

const LOOPBACK_V4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/** Only a browser sends these, and no browser is a client of ours: it has a page of the operations at most. */
const BROWSER_HEADERS: ReadonlySet<string> = new Set(["origin", "referer", "cookie"]);

/** Only what passes somebody else's request on sends these. */
const FORWARDING_HEADERS: ReadonlySet<string> = new Set(["forwarded", "via", "x-real-ip"]);

const MAX_HEADERS = 64;

const MAX_PORT = 65_535;

/** Why `request` is refused whatever it asks for, or undefined. Every refusal closes the connection. */
export function refusalOf(
  request: IncomingMessage,
  isOwn: IsOwnHost,
  pages?: Pages,
): CrossroleError | undefined {
  return refusedHeader(request, isOwn, pages) ?? refusedFraming(request) ?? refusedTarget(request);
}

/** A listener's own names: its address, the one that was reached, and what the configuration adds. */
export function ownHosts(host: string, added: () => readonly string[]): IsOwnHost {
  return (name, { localAddress = "" }) =>
    name === bracketed(host) ||
    // Of a listener on every address. A literal cannot be rebound to another.
    name === bracketed(localAddress.replace(/^::ffff:(?=\d+\.)/i, "")) ||
    added().includes(name);
}

type IsOwnHost = (name: string, socket: Socket) => boolean;

/** An IP literal as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The host of a `Host` header, without its port and in lower case. What is no port stays, and makes no name. */
function hostOf(header: string): string {
  const port = /:\d{1,5}$/.exec(header)?.[0] ?? "";
  const isPort = Number(port.slice(1)) <= MAX_PORT;
  return (isPort ? header.slice(0, header.length - port.length) : header).toLowerCase();
}

function refusedHeader(
  request: IncomingMessage,
  isOwn: IsOwnHost,
  pages: Pages | undefined,
): CrossroleError | undefined {
  const { rawHeaders, socket } = request;
  const isPage = isForPage(request, pages);
  if (rawHeaders.length > MAX_HEADERS * 2) return invalid(`more than ${MAX_HEADERS} headers`);
  let host: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? "";
    if (name === "host") {
      if (host !== undefined) return invalid("more than one Host");
      host = hostOf(rawHeaders[index + 1] ?? "");
    } else if (!isPage && (BROWSER_HEADERS.has(name) || name.startsWith("sec-fetch-"))) {
      return forwarded(`the header ${name}, which only browsers send`);
    } else if (FORWARDING_HEADERS.has(name) || name.startsWith("x-forwarded-")) {
      return forwarded(`the header ${name}: it was passed on by a proxy`);
    }
  }
  if (host === undefined) return invalid("no Host");
  const foreign = isPage ? foreignHeader(request) : undefined;
  if (foreign !== undefined) return forwarded(`a header ${foreign} of another site`);
  if (KNOWN_HOSTS.has(host) || LOOPBACK_V4.test(host) || isOwn(host, socket)) return undefined;
  const message = `the request is for the host ${JSON.stringify(host)}, which is not one of this listener's`;
  return new CrossroleError("ERR_HOST_REFUSED", message);
}

/** @see https://www.rfc-editor.org/rfc/rfc9112#name-message-body-length */
function refusedFraming({ headers }: IncomingMessage): CrossroleError | undefined {
  const coding = headers["transfer-encoding"];
  const length = headers["content-length"];
  // Node hands a request to its handler before it refuses a coding that it does not know.
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return invalid("a transfer coding other than chunked");
  }
  if (coding !== undefined && length !== undefined) return invalid("two lengths");
  if (length !== undefined && !/^0+$/.test(length)) return invalid("a body");
  return headers.upgrade === undefined ? undefined : invalid("an Upgrade");
}

function refusedTarget({ method, url }: IncomingMessage): CrossroleError | undefined {
  if (method === "TRACE" || method === "CONNECT") return invalid(`the method ${method}`);
  if (url?.startsWith("/") !== true) return invalid("a target that is not a path");
  // No URI has one: it is there for whoever takes it for a slash.
  return url.includes("\\") ? invalid("a backslash in its target") : undefined;
}

function invalid(what: string): CrossroleError {
  return new CrossroleError("ERR_REQUEST_INVALID", `the request has ${what}`);
}

function forwarded(what: string): CrossroleError {
  return new CrossroleError("ERR_FORWARDED_REQUEST", `the request has ${what}`);
}
