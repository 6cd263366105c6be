/** @module The document of temporary credentials that both faces serve. */
import type { TemporaryCredentials } from "./types.ts";

/**
 * The seven fields of EC2 in EC2's order.
 *
 * @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
export function documentOf(credentials: TemporaryCredentials) {
  return {
    Code: "Success",
    LastUpdated: toSeconds(credentials.issuedAt),
    Type: "AWS-HMAC",
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    Token: credentials.sessionToken,
    Expiration: toSeconds(credentials.expiration),
  };
}

/** `YYYY-MM-DDTHH:MM:SSZ`: boto 2 and Swift do not read milliseconds. */
export function toSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
