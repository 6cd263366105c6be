/** @module What a `credential_process` prints. */
import { parseObject } from "../json-object.ts";

/** Credentials as the SDK's providers hand them out. */
export interface Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}

/**
 * Reads the output of a credential process.
 *
 * @throws Error that says what is wrong with it, and never quotes it.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
 */
export function parseProcessCredentials(stdout: string): Identity {
  const output = parseObject(stdout);
  if (output === undefined) throw new Error("its output is not a JSON object");
  if (output["Version"] !== 1) throw new Error("its output has no Version 1");
  const text = (name: string) => {
    const value = output[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const accessKeyId = text("AccessKeyId");
  const secretAccessKey = text("SecretAccessKey");
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Error("its output has no AccessKeyId and SecretAccessKey");
  }
  const sessionToken = text("SessionToken");
  const expiration = text("Expiration");
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken,
    expiration: expiration === undefined ? undefined : new Date(expiration),
  };
}
