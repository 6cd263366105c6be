/** @module Whether a metadata request would go through a proxy, and with it the credentials. Pure. */
import type { ClientFinding } from "./client-report.ts";
import { isLoopback } from "./place.ts";
import type { Place } from "./place.ts";
import type { Sdk } from "./sdks.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export function proxyFinding(sdk: Sdk, { url }: Place, environment: Environment): ClientFinding[] {
  const variable = ["http_proxy", "HTTP_PROXY"].find((name) => environment[name]);
  if (url === undefined || variable === undefined || sdk.proxied === "never") return [];
  if (sdk.proxied === "remote" && isLoopback(url)) return [];
  const exceptions = environment["no_proxy"] || environment["NO_PROXY"] || "";
  if (isExcepted(url, exceptions)) return [];
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const message = `this SDK asks ${host} through the proxy, which does not lead here`;
  const fix = `add ${host} to NO_PROXY and no_proxy`;
  return [{ level: "error", code: "proxy", what: variable, message, fix }];
}

/** Names and addresses, a name with all below it, with a port or without; or everything. */
function isExcepted({ hostname, port }: URL, exceptions: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return exceptions.split(/[\s,]+/).some((exception) => {
    if (exception === "*") return true;
    const name = exception.toLowerCase().replace(/^\[(.*)\]/, "$1");
    const isWithPort = port !== "" && name.endsWith(`:${port}`) && name !== host;
    const bare = (isWithPort ? name.slice(0, -port.length - 1) : name).replace(/^\*?\./, "");
    return bare !== "" && (host === bare || host.endsWith(`.${bare}`));
  });
}
