/** @module An S3 that lists one bucket for whoever signs with credentials that the fake STS has issued. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { accessKeyIdIn, isSignedWith } from "../clients/signature.ts";
import type { FakeSts } from "../support/fake-sts.ts";

export interface S3 extends AsyncDisposable {
  readonly url: string;
  /** The roles whose credentials have signed a listing, in order. */
  readonly listedBy: readonly string[];
}

/** Lists `objects` for every bucket. Who did not sign with an issued secret is refused, as by AWS. */
export async function startS3(sts: FakeSts, objects: readonly string[]): Promise<S3> {
  const listedBy: string[] = [];
  const server = createServer((request, response) => {
    const role = signerOf(request, sts);
    if (role === undefined) {
      answer(response, 403, "<Error><Code>AccessDenied</Code></Error>");
      return;
    }
    listedBy.push(role);
    const contents = objects.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("");
    answer(response, 200, `<ListBucketResult>${contents}</ListBucketResult>`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    listedBy,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function signerOf(request: IncomingMessage, { issued }: FakeSts): string | undefined {
  const { method = "", url: target = "", headers } = request;
  const accessKeyId = accessKeyIdIn(headers);
  const session = issued.find((one) => one.accessKeyId === accessKeyId);
  const isOfSession = session?.sessionToken === headers["x-amz-security-token"];
  if (session === undefined || !isOfSession) return undefined;
  return isSignedWith({ method, target, headers }, session.secretAccessKey)
    ? session.roleArn
    : undefined;
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?>${body}`);
}
