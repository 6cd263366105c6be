/** @module The services that hand out base credentials on AWS: instance metadata, a container's endpoint, SSO. */
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { FakeKey } from "./fake-sts.ts";

/** A fake over real HTTP; `answer` may be replaced at any time. */
export interface FakeService extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Method, path and authorization of every request so far. */
  readonly requests: readonly { readonly line: string; readonly authorization?: string }[];
  answer: Answerer;
}

type Answerer = (request: IncomingMessage) => { readonly status?: number; readonly body: string };

export async function startFakeService(answer: Answerer): Promise<FakeService> {
  const requests: { line: string; authorization?: string }[] = [];
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    const line = `${request.method} ${request.url}`;
    requests.push({ line, ...(authorization === undefined ? {} : { authorization }) });
    const { status = 200, body } = service.answer(request);
    response.writeHead(status, { "content-type": "application/json" }).end(body);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const service: FakeService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
  return service;
}

/** IMDSv2 of an instance whose role is `key`'s: the list and the document ask for the metadata token. */
export function instanceMetadata(key: FakeKey, expiration: Date): Answerer {
  const path = "/latest/meta-data/iam/security-credentials/";
  return ({ method, url = "", headers }) => {
    if (method === "PUT" && url === "/latest/api/token") return { body: "metadata-token" };
    if (headers["x-aws-ec2-metadata-token"] !== "metadata-token") return { status: 401, body: "" };
    if (url === path) return { body: "instance-role" };
    if (url !== `${path}instance-role`) return { status: 404, body: "" };
    return { body: JSON.stringify({ Code: "Success", ...documentOf(key, expiration) }) };
  };
}

/** A container's endpoint, which asks for `token`. */
export function containerCredentials(key: FakeKey, expiration: Date, token: string): Answerer {
  return ({ headers }) =>
    headers.authorization === token
      ? { body: JSON.stringify(documentOf(key, expiration)) }
      : { status: 403, body: '{"Code":"AccessDenied","Message":"no"}' };
}

/** The portal of IAM Identity Center. */
export function ssoPortal(key: FakeKey, expiration: Date): Answerer {
  return ({ url = "" }) =>
    url.startsWith("/federation/credentials?")
      ? { body: JSON.stringify({ roleCredentials: { ...key, expiration: expiration.getTime() } }) }
      : { status: 404, body: "{}" };
}

function documentOf({ accessKeyId, secretAccessKey, sessionToken }: FakeKey, expiration: Date) {
  return {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration: `${expiration.toISOString().slice(0, 19)}Z`,
  };
}
