/** @module Sessions and credentials for tests of what stands before the cache. */
import { TemporaryCredentials } from "../../src/credentials/types.ts";
import type { RoleSession } from "../../src/credentials/types.ts";

export const ordersReader: RoleSession = {
  kind: "role",
  source: { kind: "base", name: "default", provider: { kind: "default" }, region: "eu-west-1" },
  roleArn: "arn:aws:iam::222222222222:role/orders-reader",
  sessionName: "crossrole-host",
  durationSeconds: 3_600,
  region: "eu-west-1",
  sessionTags: {},
  transitiveTagKeys: [],
  policyArns: [],
};

export function temporaryCredentials(
  init: Partial<ConstructorParameters<typeof TemporaryCredentials>[0]> = {},
): TemporaryCredentials {
  return new TemporaryCredentials({
    accessKeyId: "ASIATARGETEXAMPLE",
    secretAccessKey: "CANARY/secret",
    sessionToken: "CANARY/token+padding==",
    issuedAt: new Date("2026-08-22T09:58:00.123Z"),
    expiration: new Date("2026-08-22T10:58:00.987Z"),
    ...init,
  });
}
