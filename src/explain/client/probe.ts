/** @module Asks whether crossrole answers at a place, as an SDK would ask; what it gives is looked at and let go. */
import { request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { messageOf } from "../../errors.ts";
import type { EndpointAnswer } from "./client-report.ts";

/** Longer than any SDK waits, so that who is slow is not taken for who is not there. */
const PATIENCE_MS = 5_000;

/** What no image on EC2 is called; crossrole's identity document is of this one. */
const CROSSROLE_IMAGE = "ami-00000000000000000";

const DOCUMENT = "/latest/dynamic/instance-identity/document";
const TOKEN = "x-aws-ec2-metadata-token";
const TTL = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };

/** A metadata endpoint: a token first, then who answers, then whether it has credentials. */
export async function probeMetadata(endpoint: URL): Promise<EndpointAnswer> {
  const at = (path: string) => new URL(`${endpoint.origin}${pathIn(endpoint)}${path}`);
  try {
    const token = await ask(at("/latest/api/token"), "PUT", TTL);
    if (token.status === 500)
      return { kind: "nothing", why: whyNotKnown(await ask(at(DOCUMENT), "GET", {})) };
    if (token.status !== 200) return refusedToken(token.status);
    const headers = { [TOKEN]: token.body };
    const document = await ask(at(DOCUMENT), "GET", headers);
    if (!document.body.includes(CROSSROLE_IMAGE)) {
      const why = "another metadata service answers there: an instance's own, or another tool's";
      return { kind: "other", why };
    }
    const list = await ask(at("/latest/meta-data/iam/security-credentials/"), "GET", headers);
    if (list.status === 200) return { kind: "crossrole", role: list.body };
    const why = `crossrole answers there, but has no credentials now (${list.status}): its log says why`;
    return { kind: "nothing", why };
  } catch (error) {
    return { kind: "silent", why: messageOf(error) };
  }
}

/** Container credentials: who answers is told by how a request without the token is refused. */
export async function probeContainer(uri: URL, token: string | undefined): Promise<EndpointAnswer> {
  try {
    const bare = await ask(uri, "GET", {});
    if (!isRefusalOfCrossrole(bare.body)) {
      const why = `something else answers there (${bare.status}): ECS, EKS Pod Identity, or another tool`;
      return { kind: "other", why };
    }
    const answer = await ask(uri, "GET", token === undefined ? {} : { authorization: token });
    if (answer.status === 200) {
      return { kind: "crossrole", role: fieldOf(answer.body, "RoleArn") ?? "a role" };
    }
    const said = fieldOf(answer.body, "message") ?? "";
    return { kind: "nothing", why: `crossrole answers there with ${answer.status}: ${said}` };
  } catch (error) {
    return { kind: "silent", why: messageOf(error) };
  }
}

function refusedToken(status: number): EndpointAnswer {
  const why: Readonly<Record<number, string>> = {
    403:
      "it refuses the way it is asked (403): by a host name that is not the listener's " +
      "(add it to hosts), or through a proxy",
    404: "no role answers at this path (404): a listener with several roles has each below /roles/NAME",
  };
  return { kind: "nothing", why: why[status] ?? `it gives no metadata token (${status})` };
}

/** Who may have nothing is answered 500 where it asks for a token, and elsewhere what is the matter. */
function whyNotKnown({ status }: { readonly status: number }): string {
  const why: Readonly<Record<number, string>> = {
    403:
      "it refuses this process (403): crossrole answers its own user, those in allowUsers, " +
      "and pods it knows",
    404: "it has no role for this pod (404): crossrole check --pod tells why",
  };
  return why[status] ?? "it gives no metadata token now (500): its log says why";
}

/** Both spellings of both fields are crossrole's: every other service has one. */
function isRefusalOfCrossrole(body: string): boolean {
  return fieldOf(body, "code")?.startsWith("ERR_") === true && fieldOf(body, "Code") !== undefined;
}

function fieldOf(body: string, name: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const value: unknown = Reflect.get(parsed, name);
    return typeof value === "string" ? value : undefined;
  } catch {
    // No JSON, and so none of crossrole's.
    return undefined;
  }
}

function pathIn({ pathname }: URL): string {
  return pathname.replace(/\/+$/, "");
}

/** node:http, because fetch adds headers of a browser, which crossrole refuses. */
async function ask(
  url: URL,
  method: string,
  headers: IncomingHttpHeaders,
): Promise<{ readonly status: number; readonly body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const asked = request(url, { method, headers, signal, agent: false }, (response) => {
    text(response).then(
      (body) => resolve({ status: response.statusCode ?? 0, body }),
      (error: unknown) => reject(error),
    );
  });
  asked.on("error", (error) => {
    reject(signal.aborted ? new Error(`it did not answer within ${PATIENCE_MS / 1_000} s`) : error);
  });
  asked.end();
  return await promise;
}
