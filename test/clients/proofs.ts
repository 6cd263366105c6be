/** @module The proof that a client used what STS issued for the role, and nothing else. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { READER } from "./crossrole.ts";
import type { Issued } from "./recorder.ts";
import type { Scene } from "./scene.ts";
import { isSignedWith } from "./signature.ts";

/** The sessions that a client has used so far, in order, each once. @throws AssertionError without proof. */
export type Prove = (scene: Scene) => Promise<readonly Issued[]>;

/**
 * Each request to S3 was signed with what STS issued for {@link READER}, carried the session token byte
 * for byte, came before the expiration, and was answered.
 */
export const byRequests: Prove = ({ recorder: { issued, toS3 } }) => {
  const proven = new Set<Issued>();
  assert.notEqual(toS3.length, 0, "S3 was asked nothing");
  for (const request of toS3) {
    const session = issued.find(({ accessKeyId }) => accessKeyId === request.accessKeyId);
    assert.ok(session, `STS never issued ${JSON.stringify(request.accessKeyId)}`);
    assert.equal(session.roleArn, READER);
    assert.equal(request.headers["x-amz-security-token"], session.sessionToken);
    assert.ok(isSignedWith(request, session.secretAccessKey), "signed with another secret");
    assert.ok(request.atMs < session.expirationMs, "signed with what had expired");
    assert.equal(request.status, 200, `S3 to ${request.method} ${request.target}`);
    proven.add(session);
  }
  return Promise.resolve([...proven]);
};

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Each document is, byte for byte, what STS issued for {@link READER} in EC2's words, and had not expired. */
export const byDocuments: Prove = async (scene) => {
  const folder = scene.file("documents");
  const names = (await readdir(folder)).toSorted();
  assert.notEqual(names.length, 0, "there is no document");
  const proven = new Set<Issued>();
  for (const name of names) {
    const text = await readFile(path.join(folder, name), "utf8");
    const { AccessKeyId, LastUpdated } = JSON.parse(text) as Record<string, string>;
    const session = scene.recorder.issued.find(({ accessKeyId }) => accessKeyId === AccessKeyId);
    assert.ok(session, `STS never issued ${JSON.stringify(AccessKeyId)}`);
    assert.equal(session.roleArn, READER);
    assert.match(LastUpdated ?? "", DATE);
    // Its name is the nanosecond at which it was there.
    const atMs = Number(BigInt(path.parse(name).name) / 1_000_000n);
    assert.ok(Date.parse(LastUpdated ?? "") <= atMs, "last updated in the future");
    assert.ok(atMs < session.expirationMs, "served after it had expired");
    assert.equal(text, documentOf(session, LastUpdated ?? ""));
    proven.add(session);
  }
  return [...proven];
};

/** @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html */
function documentOf(session: Issued, lastUpdated: string): string {
  return JSON.stringify({
    Code: "Success",
    LastUpdated: lastUpdated,
    Type: "AWS-HMAC",
    AccessKeyId: session.accessKeyId,
    SecretAccessKey: session.secretAccessKey,
    Token: session.sessionToken,
    Expiration: `${new Date(session.expirationMs).toISOString().slice(0, 19)}Z`,
  });
}
