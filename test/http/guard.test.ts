import type { Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CrossroleError } from "../../src/errors.ts";
import { ownHosts } from "../../src/http/guard.ts";
import { listen } from "../../src/http/listener.ts";
import type { RunningListener } from "../../src/http/listener.ts";
import { sendRaw } from "../support/http.ts";

/** What reached the handler, and what was refused before it. */
const handled: string[] = [];
const refused: CrossroleError[] = [];
let server: RunningListener;

beforeAll(async () => {
  server = await listen({
    host: "127.0.0.1",
    port: 0,
    hosts: () => ["crossrole.internal"],
    onRefused: (reason) => refused.push(reason as CrossroleError),
    handle: (request, response) => {
      handled.push(`${request.method} ${request.url}`);
      response.writeHead(200, { "Content-Length": 2 }).end("ok");
    },
  });
});

beforeEach(() => {
  handled.length = refused.length = 0;
});

afterAll(() => server.close());

const CRLF = "\r\n";
const HOST = "Host: 127.0.0.1";

function bytes(...lines: readonly string[]): string {
  return `${lines.join(CRLF)}${CRLF}${CRLF}`;
}

async function exchange(raw: string) {
  const { text, closed } = await sendRaw(server, raw, 300);
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  return { statuses, closed, text };
}

describe("what clients send is answered", () => {
  it.each([
    ["curl's GET", bytes("GET / HTTP/1.1", HOST)],
    ["a Host with a port", bytes("GET / HTTP/1.1", "Host: 127.0.0.1:9911")],
    ["fog's Host", bytes("GET / HTTP/1.1", "Host: 169.254.169.254:80")],
    ["the Host of IPv6 metadata", bytes("GET / HTTP/1.1", "Host: [fd00:ec2::254]")],
    ["the Hosts of container credentials", bytes("GET / HTTP/1.1", "Host: 169.254.170.23")],
    ["the Host of EKS over IPv6", bytes("GET / HTTP/1.1", "Host: [fd00:ec2::23]:80")],
    ["localhost in capitals", bytes("GET / HTTP/1.1", "Host: LOCALHOST:1")],
    ["another address of loopback", bytes("GET / HTTP/1.1", "Host: 127.8.8.8")],
    ["loopback of IPv6", bytes("GET / HTTP/1.1", "Host: [::1]:9911")],
    [
      "a name that the configuration adds",
      bytes("GET / HTTP/1.1", "Host: crossrole.internal:9911"),
    ],
    ["pgBackRest's headers", bytes("GET / HTTP/1.1", "host:127.0.0.1", "content-length:0")],
    ["GDAL's PUT with no length", bytes("PUT / HTTP/1.1", HOST)],
    ["a PUT of length 0", bytes("PUT / HTTP/1.1", HOST, "Content-Length: 0")],
    [
      "s3fs's PUT, chunked and empty",
      `${bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: chunked")}0${CRLF}${CRLF}`,
    ],
    ["Connection: close", bytes("GET / HTTP/1.1", HOST, "Connection: close")],
    ["HTTP/1.0 with a Host", bytes("GET / HTTP/1.0", HOST)],
  ])("%s", async (_, raw) => {
    const { statuses } = await exchange(raw);
    expect(statuses).toEqual(["200"]);
    expect(handled).toHaveLength(1);
  });

  it("Expect: 100-continue is answered at once, then the request (s3fs)", async () => {
    const head = bytes(
      "PUT / HTTP/1.1",
      HOST,
      "Transfer-Encoding: chunked",
      "Expect: 100-continue",
    );
    const { statuses } = await exchange(`${head}0${CRLF}${CRLF}`);
    expect(statuses).toEqual(["100", "200"]);
  });

  it("a connection without a request is nothing to speak of (ec2metadata's probe)", async () => {
    await exchange("");
    expect(refused).toEqual([]);
  });
});

const long = "x".repeat(9_000);
const many = Array.from({ length: 70 }, (_, index) => `X-${index}: x`);

describe("what is refused", () => {
  it.each([
    ["no Host", bytes("GET / HTTP/1.1"), 400],
    ["two Hosts", bytes("GET / HTTP/1.1", HOST, HOST), 400],
    ["two different Hosts", bytes("GET / HTTP/1.1", HOST, "Host: evil.example"), 400],
    ["an empty Host", bytes("GET / HTTP/1.1", "Host:"), 403],
    ["a foreign Host", bytes("GET / HTTP/1.1", "Host: evil.example"), 403],
    ["a Host rebound to loopback", bytes("GET / HTTP/1.1", "Host: evil.example:9911"), 403],
    [
      "a Host that begins like loopback",
      bytes("GET / HTTP/1.1", "Host: 127.0.0.1.evil.example"),
      403,
    ],
    ["a Host that ends like loopback", bytes("GET / HTTP/1.1", "Host: evil-127.0.0.1"), 403],
    ["a Host with a user", bytes("GET / HTTP/1.1", "Host: evil@127.0.0.1"), 403],
    ["the Host 0.0.0.0", bytes("GET / HTTP/1.1", "Host: 0.0.0.0"), 403],
    ["a Host with a port that is none", bytes("GET / HTTP/1.1", "Host: 127.0.0.1:65536"), 403],
    ["a Host with a colon and no port", bytes("GET / HTTP/1.1", "Host: 127.0.0.1:"), 403],
    ["a Host with a dot behind", bytes("GET / HTTP/1.1", "Host: localhost."), 403],
    ["HTTP/1.0 without a Host", bytes("GET / HTTP/1.0"), 400],
    ["Origin", bytes("GET / HTTP/1.1", HOST, "Origin: null"), 403],
    ["Referer", bytes("GET / HTTP/1.1", HOST, "Referer: http://127.0.0.1/"), 403],
    ["Cookie", bytes("GET / HTTP/1.1", HOST, "Cookie: a=b"), 403],
    ["Sec-Fetch-Site", bytes("GET / HTTP/1.1", HOST, "Sec-Fetch-Site: none"), 403],
    ["sec-fetch-mode", bytes("GET / HTTP/1.1", HOST, "sec-fetch-mode: cors"), 403],
    ["X-Forwarded-For", bytes("PUT / HTTP/1.1", HOST, "X-Forwarded-For: 127.0.0.1"), 403],
    ["x-forwarded-host", bytes("GET / HTTP/1.1", HOST, "x-forwarded-host: a"), 403],
    ["X-Real-IP", bytes("GET / HTTP/1.1", HOST, "X-Real-IP: 127.0.0.1"), 403],
    ["Forwarded", bytes("GET / HTTP/1.1", HOST, "Forwarded: for=1.2.3.4"), 403],
    ["Via", bytes("GET / HTTP/1.1", HOST, "Via: 1.1 proxy"), 403],
    ["an absolute target", bytes("GET http://127.0.0.1/ HTTP/1.1", HOST), 400],
    ["a backslash for a slash", bytes("GET /latest\\api\\token HTTP/1.1", HOST), 400],
    ["a backslash in a query", bytes("GET /?\\ HTTP/1.1", HOST), 400],
    ["a byte beyond ASCII in the target", bytes("GET /\u00e4 HTTP/1.1", HOST), 400],
    ["a NUL in the target", bytes("GET /\0 HTTP/1.1", HOST), 400],
    ["the target *", bytes("OPTIONS * HTTP/1.1", HOST), 400],
    ["TRACE", bytes("TRACE / HTTP/1.1", HOST), 400],
    ["a body with its length", `${bytes("PUT / HTTP/1.1", HOST, "Content-Length: 1")}x`, 400],
    [
      "a body in chunks",
      `${bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: chunked")}1${CRLF}x${CRLF}0${CRLF}${CRLF}`,
      400,
    ],
    ["a GET with a body", `${bytes("GET / HTTP/1.1", HOST, "Content-Length: 5")}hello`, 400],
    [
      "an unknown transfer coding",
      bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: xchunked"),
      400,
    ],
    ["gzip before chunked", bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: gzip, chunked"), 400],
    [
      "chunked before identity",
      bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: chunked, identity"),
      400,
    ],
    [
      "a length and a coding",
      bytes("PUT / HTTP/1.1", HOST, "Content-Length: 0", "Transfer-Encoding: chunked"),
      400,
    ],
    ["two lengths", bytes("PUT / HTTP/1.1", HOST, "Content-Length: 0", "Content-Length: 5"), 400],
    ["a length with a sign", bytes("PUT / HTTP/1.1", HOST, "Content-Length: +0"), 400],
    ["a negative length", bytes("PUT / HTTP/1.1", HOST, "Content-Length: -1"), 400],
    ["an Upgrade", bytes("GET / HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: websocket"), 400],
    [
      "h2c",
      bytes(
        "GET / HTTP/1.1",
        HOST,
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
      ),
      400,
    ],
    ["the preface of HTTP/2", `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}`, 400],
    ["bare line feeds", `GET / HTTP/1.1\nHost: 127.0.0.1\n\n`, 400],
    ["a space before the colon", bytes("GET / HTTP/1.1", "Host : 127.0.0.1"), 400],
    ["a folded header", bytes("GET / HTTP/1.1", HOST, "X: a", " b"), 400],
    ["a NUL in a header", bytes("GET / HTTP/1.1", HOST, "X: a\0b"), 400],
    ["HTTP/0.9", `GET /${CRLF}${CRLF}`, 400],
    ["HTTP/1.1 misspelt", bytes("GET / HTTQ/1.1", HOST), 400],
    ["a method in small letters", bytes("get / HTTP/1.1", HOST), 400],
    ["a space in the target", bytes("GET /a b HTTP/1.1", HOST), 400],
    ["an oversized header", bytes("GET / HTTP/1.1", HOST, `X: ${long}`), 431],
    ["an oversized target", bytes(`GET /${long} HTTP/1.1`, HOST), 431],
    ["too many headers", bytes("GET / HTTP/1.1", HOST, ...many), 400],
    [
      "a foreign Host that expects 100-continue: it is not told to go on",
      bytes("PUT / HTTP/1.1", "Host: evil.example", "Expect: 100-continue"),
      403,
    ],
    [
      "chunk extensions without end",
      `${bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: chunked")}0;${long}${long}`,
      400,
    ],
    [
      "trailers without end",
      `${bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: chunked")}0${CRLF}X: ${long}${CRLF}`,
      431,
    ],
    ["an unknown expectation", bytes("GET / HTTP/1.1", HOST, "Expect: tea"), 400],
  ])("%s", async (_, raw, status) => {
    const { statuses, closed } = await exchange(raw);
    expect(statuses).toEqual([String(status)]);
    expect(closed).toBe(true);
    expect(handled).toEqual([]);
  });

  it("CONNECT, by closing the connection", async () => {
    const { statuses, closed } = await exchange(bytes("CONNECT 169.254.169.254:80 HTTP/1.1", HOST));
    expect(closed).toBe(true);
    expect(statuses.length).toBeLessThanOrEqual(1);
    expect(handled).toEqual([]);
  });

  it("a body, together with whatever is hidden behind it", async () => {
    const hidden = bytes("GET /hidden HTTP/1.1", HOST);
    const { statuses } = await exchange(
      `${bytes("PUT / HTTP/1.1", HOST, "Content-Length: 1")}${hidden}`,
    );
    expect(statuses).toEqual(["400"]);
    expect(handled).toEqual([]);
  });

  it("with an empty body, so that no client takes it for a role name", async () => {
    for (const raw of [
      bytes("GET / HTTP/1.1", "Host: evil.example"),
      bytes("GET / HTTP/1.1", "broken"),
    ]) {
      const { text } = await exchange(raw);
      expect(text.split(`${CRLF}${CRLF}`)[1]).toBe("");
    }
  });

  it("and says why to the log", async () => {
    await exchange(bytes("GET / HTTP/1.1", "Host: evil.example"));
    await exchange(bytes("GET / HTTP/1.1", HOST, "Via: 1.1 proxy"));
    expect(refused.map(({ code }) => code)).toEqual(["ERR_HOST_REFUSED", "ERR_FORWARDED_REQUEST"]);
    expect(refused[0]?.message).toContain('"evil.example"');
  });
});

describe("pipelined requests", () => {
  it("are answered in order, each once", async () => {
    const { statuses } = await exchange(
      bytes("GET /a HTTP/1.1", HOST) + bytes("GET /b HTTP/1.1", HOST),
    );
    expect(statuses).toEqual(["200", "200"]);
    expect(handled).toEqual(["GET /a", "GET /b"]);
  });

  it("end with the first one that is refused", async () => {
    const { statuses, closed } = await exchange(
      bytes("GET /a HTTP/1.1", HOST) +
        bytes("GET /b HTTP/1.1", HOST, "Via: x") +
        bytes("GET /c HTTP/1.1", HOST),
    );
    expect(statuses).toEqual(["200", "403"]);
    expect(closed).toBe(true);
    expect(handled).toEqual(["GET /a"]);
  });
});

function reachedAt(localAddress: string): Socket {
  return { localAddress } as Socket;
}

describe("a listener's own names", () => {
  const isOwn = ownHosts("0.0.0.0", () => ["crossrole.internal"]);

  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["192.0.2.7", "::ffff:192.0.2.7"],
    ["[2001:db8::7]", "2001:db8::7"],
    ["0.0.0.0", "192.0.2.7"],
    ["crossrole.internal", "192.0.2.7"],
  ])("are the literal that it was reached at, its own and the configured: %s at %s", (host, at) => {
    expect(isOwn(host, reachedAt(at))).toBe(true);
  });

  it.each([
    ["192.0.2.8", "192.0.2.7"],
    ["192.0.2.7.example", "192.0.2.7"],
    ["evil.example", "192.0.2.7"],
    ["", "192.0.2.7"],
    ["2001:db8::7", "2001:db8::7"],
  ])("are no other: %s at %s", (host, at) => {
    expect(isOwn(host, reachedAt(at))).toBe(false);
  });
});
