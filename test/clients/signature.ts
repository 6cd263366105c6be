/** @module Signature Version 4 as S3 checks it: proof that a request was signed with a certain secret. */
import { createHash, createHmac } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

export interface Signed {
  readonly method: string;
  /** Path and query, as on the wire. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

/** The access key id that a request names; empty when it is not signed. */
export function accessKeyIdIn({ authorization }: IncomingHttpHeaders): string {
  return AUTHORIZATION.exec(authorization ?? "")?.[1] ?? "";
}

/**
 * Whether `secretAccessKey` made the signature of a request to S3.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function isSignedWith(request: Signed, secretAccessKey: string): boolean {
  const match = AUTHORIZATION.exec(request.headers.authorization ?? "");
  if (match === null) return false;
  const [, , day = "", region = "", service = "", names = "", signature] = match;
  const text = [
    "AWS4-HMAC-SHA256",
    headerOf(request, "x-amz-date"),
    `${day}/${region}/${service}/aws4_request`,
    createHash("sha256").update(canonical(request, names)).digest("hex"),
  ].join("\n");
  const parts = [day, region, service, "aws4_request", text];
  const made = parts.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  return Buffer.from(made).toString("hex") === signature;
}

/** S3 takes the path as it is sent: unlike elsewhere it is not encoded a second time. */
function canonical(request: Signed, names: string): string {
  const [pathname = "", query = ""] = request.target.split("?", 2);
  const parameters = query
    .split("&")
    .filter((parameter) => parameter !== "")
    .map((parameter) => (parameter.includes("=") ? parameter : `${parameter}=`));
  const signed = names.split(";").map((name) => `${name}:${headerOf(request, name)}`);
  const payload = headerOf(request, "x-amz-content-sha256");
  return [
    request.method,
    pathname,
    parameters.toSorted().join("&"),
    ...signed,
    "",
    names,
    payload,
  ].join("\n");
}

function headerOf({ headers }: Signed, name: string): string {
  return String(headers[name] ?? "")
    .trim()
    .replaceAll(/ +/g, " ");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
