/** @module What the other tests rely on: that the fake is as strict as AWS. */
import { describe, expect, it } from "vitest";
import { GATEWAY, READER, failureOf, signerOf, startEdge } from "./support.ts";

describe("the fake STS", () => {
  it("issues key ids of 20 characters that end in EXAMPLE and are never the same", async () => {
    await using edge = await startEdge();
    for (let call = 0; call < 3; call++) await edge.assume();
    const ids = edge.sts.issued.map(({ accessKeyId }) => accessKeyId);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^ASIA\d{9}EXAMPLE$/);
  });

  it("refuses a session token that is another session's", async () => {
    await using edge = await startEdge();
    const one = await edge.assume();
    const { sessionToken } = await edge.assume();
    const { accessKeyId, secretAccessKey } = one;
    const mixed = signerOf({ accessKeyId, secretAccessKey, sessionToken });
    expect((await failureOf(edge.assume({}, mixed))).message).toContain("InvalidClientTokenId");
  });

  it("refuses a session that has expired", async () => {
    await using edge = await startEdge();
    const session = await edge.assume();
    edge.sts.expire(session.accessKeyId);
    const { message } = await failureOf(edge.assume({}, session));
    expect(message).toContain(
      "ExpiredToken: The security token included in the request is expired",
    );
  });

  it("refuses more than one hour to a session of a role, however it gets there", async () => {
    await using edge = await startEdge({ maxSessionSeconds: 43_200 });
    const { sessionToken: _, ...key } = edge.sts.addKey({
      arn: "arn:aws:sts::111111111111:assumed-role/gateway/s",
    });
    const { message } = await failureOf(edge.assume({ durationSeconds: 7_200 }, signerOf(key)));
    expect(message).toContain("1 hour session limit for roles assumed by role chaining");
  });

  it("trusts a root for its whole account, and a role for its sessions", async () => {
    await using edge = await startEdge({ trusts: [GATEWAY] });
    edge.sts.addRole({ arn: GATEWAY, trusts: ["arn:aws:iam::111111111111:root"] });
    const gateway = await edge.assume({ roleArn: GATEWAY });
    await edge.assume({ roleArn: READER }, gateway);
    expect(edge.sts.issued.at(-1)?.arn).toBe(
      "arn:aws:sts::222222222222:assumed-role/orders-reader/orders-laptop",
    );
  });

  it("gives a session another life than was asked for when it is told to", async () => {
    await using edge = await startEdge();
    edge.sts.lifeSeconds = 4;
    const { expiration } = await edge.assume();
    expect(expiration.getTime() - Date.now()).toBeLessThanOrEqual(4_000);
    expect(edge.skews).toEqual([]);
  });

  it("applies a fault to the calls it is for, as often as it is told, until it heals", async () => {
    await using edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY });
    edge.sts.fault({ kind: "throttle", times: 1, roleArn: READER });
    await edge.assume({ roleArn: GATEWAY });
    await failureOf(edge.assume());
    await edge.assume();
    edge.sts.fault({ kind: "unavailable" });
    await failureOf(edge.assume());
    await failureOf(edge.assume());
    edge.sts.heal();
    await edge.assume();
    expect(edge.sts.calls.map(({ failedWith }) => failedWith)).toEqual([
      undefined,
      "throttle",
      undefined,
      "unavailable",
      "unavailable",
      undefined,
    ]);
  });

  it("tells who a key is", async () => {
    await using edge = await startEdge();
    const { STSClient, GetCallerIdentityCommand } = await import("@aws-sdk/client-sts");
    const client = new STSClient({
      endpoint: edge.sts.url,
      region: "eu-west-1",
      credentials: edge.key,
    });
    const identity = await client.send(new GetCallerIdentityCommand({}));
    expect(identity).toMatchObject({ Arn: edge.key.arn, Account: "111111111111" });
    client.destroy();
  });
});
