/** @module Signature Version 4, from the side that checks it. */
import { createHash, createHmac } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** What the `Authorization` header of a signed request says. */
export interface Signature {
  readonly accessKeyId: string;
  /** `YYYYMMDD` of the credential scope. */
  readonly day: string;
  /** The region of the credential scope. */
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly hex: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

export function parseSignature(authorization: string | undefined): Signature | undefined {
  const match = AUTHORIZATION.exec(authorization ?? "");
  if (match === null) return undefined;
  const [, accessKeyId = "", day = "", region = "", service = "", names = "", hex = ""] = match;
  return { accessKeyId, day, region, service, signedHeaders: names.split(";"), hex };
}

interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * The signature that `request` should carry when it was signed with `secretAccessKey`.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function expectedSignature(
  request: SignedRequest,
  { day, region, service, signedHeaders }: Signature,
  secretAccessKey: string,
): string {
  const valueOf = (name: string) => String(request.headers[name] ?? "").trim();
  const canonical = [
    request.method,
    request.path,
    "",
    ...signedHeaders.map((name) => `${name}:${valueOf(name).replaceAll(/ +/g, " ")}`),
    "",
    signedHeaders.join(";"),
    sha256(request.body),
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", valueOf("x-amz-date"), scope, sha256(canonical)].join("\n");
  const parts = [day, region, service, "aws4_request"];
  const key = parts.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  return hmac(key, text).toString("hex");
}

/** Milliseconds since the epoch of an `X-Amz-Date` (`20260102T030405Z`); NaN of anything else. */
export function amzDateMs(text: string | undefined): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? "");
  if (match === null) return NaN;
  const [, year, month, day, hours, minutes, seconds] = match;
  return Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`);
}

/** The `X-Amz-Date` of an instant, which STS also writes in its messages. */
export function amzDate(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
