import { describe, expect, it } from "vitest";
import { CrossroleError } from "../../src/errors.ts";
import { auditCredentials, auditRefusals, auditSkew } from "../../src/operations/audit.ts";
import { createMetrics } from "../../src/operations/metrics.ts";
import { ordersReader, temporaryCredentials } from "../support/credentials.ts";
import { memoryLog } from "../support/daemon.ts";
import { CANARY } from "../support/fake-sts.ts";

const DENIED = new CrossroleError("ERR_ROLE_DENIED", "STS said no");
const asked = { peer: "127.0.0.1", method: "GET", target: "/x" };

describe("the log of refusals", () => {
  it("has a line for each, with who asked for what and why it was refused", () => {
    const log = memoryLog();
    auditRefusals(log, "127.0.0.1:9911", () => 0)(DENIED, asked);

    expect(log.lines).toEqual([
      {
        level: "warn",
        event: "request refused",
        fields: {
          listener: "127.0.0.1:9911",
          ...asked,
          code: "ERR_ROLE_DENIED",
          reason: "STS said no",
        },
      },
    ]);
  });

  it("has the stack of an error that nobody foresaw, and no cause of one that was", () => {
    const log = memoryLog();
    const refuse = auditRefusals(log, "one", () => 0);
    refuse(new TypeError("oops"), asked);
    refuse(new CrossroleError("ERR_STS_MALFORMED", "m", { cause: new Error(CANARY) }), asked);
    refuse("thrown text", asked);

    expect(log.lines[0]?.fields["stack"]).toContain("audit.test");
    expect(log.lines[2]?.fields["reason"]).toBe("thrown text");
    expect(JSON.stringify(log.lines)).not.toContain(CANARY);
  });

  it("has twenty lines a second in a flood, and then the number of the others", () => {
    const log = memoryLog();
    let now = 5_000;
    const refuse = auditRefusals(log, "one", () => now);
    for (let index = 0; index < 1_000; index++) refuse(DENIED, asked);
    now = 6_000;
    refuse(DENIED, asked);

    expect(log.lines).toHaveLength(22);
    expect(log.lines[20]).toMatchObject({
      event: "more requests were refused",
      fields: { listener: "one", count: 980 },
    });
  });
});

describe("the log of credentials", () => {
  it("says the access key id and the end of what was obtained, and no secret", () => {
    const log = memoryLog();
    const audit = auditCredentials(log);
    const credentials = temporaryCredentials();
    const event = { type: "obtained", source: ordersReader, credentials, elapsedMs: 12.3 } as const;
    audit({ ...event, renewal: false });
    audit({ ...event, renewal: true });

    expect(log.lines.map(({ event: name }) => name)).toEqual([
      "credentials obtained",
      "credentials renewed",
    ]);
    expect(log.lines[0]?.fields).toMatchObject({
      roleArn: ordersReader.roleArn,
      accessKeyId: "ASIATARGETEXAMPLE",
      expiration: "2026-08-22T10:58:00.987Z",
      elapsedMs: 12,
    });
    expect(JSON.stringify(log.lines)).not.toContain(CANARY);
  });

  it("is louder of a failure when nothing is held any more", () => {
    const log = memoryLog();
    const audit = auditCredentials(log);
    const event = {
      type: "failed",
      source: ordersReader,
      error: DENIED,
      retryInMs: 1_500,
    } as const;
    audit({ ...event, remainingMs: 60_000 });
    audit({ ...event, remainingMs: 0 });

    expect(log.lines).toMatchObject([
      { level: "warn", event: "renewal failed, still serving", fields: { remainingSeconds: 60 } },
      { level: "error", event: "credentials not obtained", fields: { retryInSeconds: 2 } },
    ]);
  });

  it("warns of a clock that is off by more than 30 seconds, either way", () => {
    const log = memoryLog();
    for (const skewMs of [1_000, 30_000, 31_000, -31_000]) auditSkew(log)(skewMs);

    expect(log.lines.map(({ level }) => level)).toEqual(["info", "info", "warn", "warn"]);
  });
});

describe("the metrics of credentials", () => {
  it.each(["lapsed", "dropped"] as const)(
    "forget the expiration of a session that is %s, and keep its attempts",
    async (type) => {
      const metrics = await createMetrics();
      const credentials = temporaryCredentials();
      metrics.credentials({
        type: "obtained",
        source: ordersReader,
        credentials,
        elapsedMs: 1,
        renewal: false,
      });
      const held = (await metrics.exposition()).body;
      metrics.credentials({ type, source: ordersReader });
      const lapsed = (await metrics.exposition()).body;

      const gauge = `expiration_timestamp_seconds{source="${ordersReader.roleArn}"} ${credentials.expiration.getTime() / 1000}`;
      expect(held).toContain(gauge);
      expect(lapsed).not.toContain("expiration_timestamp_seconds{");
      expect(lapsed).toContain(`attempts_total{source="${ordersReader.roleArn}",outcome="ok"} 1`);
    },
  );
});
