/** @module Where an application is told to look for its credentials. Pure. */

type Environment = Readonly<Record<string, string | undefined>>;

/** Where credentials are asked for, when nothing comes before. */
export interface Place {
  readonly way: "container" | "metadata";
  /** The variable that says it; undefined for the address that every SDK knows. */
  readonly variable: string | undefined;
  /** Undefined for a value that is no URL. */
  readonly url: URL | undefined;
  /** As it is written; empty where nobody wrote it. */
  readonly written: string;
}

const METADATA = new URL("http://169.254.169.254");
const METADATA_V6 = new URL("http://[fd00:ec2::254]");

/** Where a relative URI of container credentials is. */
const CONTAINER_HOST = "http://169.254.170.2";

export const ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
export const MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
export const RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
export const FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/** Container credentials come before metadata in every chain, and most SDKs take the relative URI first. */
export function placeOf(environment: Environment): Place {
  const relative = environment[RELATIVE];
  if (relative) {
    const url = parse(`${CONTAINER_HOST}${relative}`);
    return { way: "container", variable: RELATIVE, url, written: relative };
  }
  const full = environment[FULL];
  if (full) return { way: "container", variable: FULL, url: parse(full), written: full };
  const endpoint = environment[ENDPOINT];
  if (endpoint) {
    return { way: "metadata", variable: ENDPOINT, url: parse(endpoint), written: endpoint };
  }
  const isV6 = environment[MODE]?.toLowerCase() === "ipv6";
  const url = isV6 ? METADATA_V6 : METADATA;
  return { way: "metadata", variable: undefined, url, written: "" };
}

/** What may be shown of a place: the path of container credentials may be as good as a password. */
export function shownUrl({ way, url }: Place): string {
  if (url === undefined) return "no URL";
  const path = url.pathname.replace(/\/+$/, "");
  return way === "metadata" || path.startsWith("/container/") ? `${url.origin}${path}` : url.origin;
}

/** Loopback: a request to it does not leave the machine, and no SDK sends a secret anywhere else in the clear. */
export function isLoopback({ hostname }: URL): boolean {
  return /^127\.|^\[::1\]$|^localhost$/.test(hostname);
}

function parse(text: string): URL | undefined {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) ? url : undefined;
}
