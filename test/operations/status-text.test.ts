import { describe, expect, it } from "vitest";
import { statusLines } from "../../src/operations/status-text.ts";
import type { RoleStatus, StatusReport } from "../../src/operations/status.ts";
import { ago, duration } from "../../src/operations/words.ts";

const role: RoleStatus = {
  name: "orders-reader",
  arn: "arn:aws:iam::222222222222:role/orders-reader",
  state: "ok",
  ready: true,
  servedAt: ["http://127.0.0.1:9911"],
  chain: [
    { kind: "base", name: "hub", detail: "profile hub", hasExternalId: false },
    {
      kind: "role",
      name: "orders-reader",
      detail: "arn:aws:iam::222222222222:role/orders-reader",
      account: "222222222222",
      hasExternalId: false,
      held: {
        accessKeyId: "ASIAONEEXAMPLE",
        obtainedAt: "2026-08-22T09:52:00.000Z",
        remainingSeconds: 1_800,
        lifeSeconds: 3_600,
        renewsInSeconds: 10,
      },
    },
  ],
  callers: [],
};

const report: StatusReport = {
  version: "1.0.0",
  node: "v24.0.0",
  host: "host",
  time: "2026-08-22T10:00:00.000Z",
  startedAt: "2026-08-20T10:00:00.000Z",
  ready: true,
  problems: [],
  configuration: { takenOverAt: "2026-08-22T09:00:00.000Z" },
  clockSkewSeconds: 0,
  sts: { calls: 3, failedCalls: 0, savedCalls: 40 },
  listeners: [],
  roles: [role],
  recent: [],
};

const textOf = (...changes: Partial<StatusReport>[]) =>
  statusLines(Object.assign({}, report, ...changes)).map(({ text }) => text);

describe("the status for a terminal", () => {
  it("has a line of figures, and three for each role", () => {
    expect(textOf({ roles: [{ ...role, callers: CALLERS }] })).toEqual([
      "crossrole 1.0.0 on host: all is well, 1 of 1 role served",
      "up 2 d; configuration in force since 60 min ago; 3 calls to STS, 0 failed, 40",
      "saved",
      "",
      "ROLE                      STATE            LIFE LEFT                RENEWED",
      "orders-reader             served           [#####.....] 30 min      8 min ago",
      "  hub > 222222222222:orders-reader",
      "  ASIAONEEXAMPLE, handed to uid:1, team-a/web-1, uid:3 and 1 more",
    ]);
  });

  it("never is wider than 80 columns, whatever the names", () => {
    const long = "x".repeat(200);
    const lines = textOf({
      host: long,
      problems: [long],
      roles: [{ ...role, name: long, failure: { ...FAILURE, message: `${long} ${long}` } }],
      pods: {
        known: true,
        pods: [
          { namespace: long, name: long, uid: "u", serviceAccount: "s", state: "none", role: long },
        ],
      },
    });

    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("lets no error message steer the terminal", () => {
    const message = `\u001B[2Jgone\u202E`;
    const lines = textOf({ roles: [{ ...role, failure: { ...FAILURE, message } }] });

    expect(lines.join("")).toContain("! ?[2Jgone?");
    expect(lines.join("")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

const CALLERS = ["uid:1", "pod:u-2", "uid:3", "uid:4"].map((caller) => ({
  caller,
  pod: caller === "pod:u-2" ? "team-a/web-1" : undefined,
  accessKeyId: "ASIAONEEXAMPLE",
  since: report.time,
}));

const FAILURE = { code: "ERR_ROLE_DENIED", message: "no", at: report.time, retryInSeconds: 1 };

describe("times in words", () => {
  it.each([
    [-5, "0 s"],
    [0.9, "0 s"],
    [99, "99 s"],
    [100, "1 min"],
    [3_599, "59 min"],
    [5_999, "99 min"],
    [6_000, "1 h 40 min"],
    [7_200, "2 h"],
    [172_800, "2 d"],
    [180_000, "2 d 2 h"],
  ])("%j seconds are %s", (seconds, words) => {
    expect(duration(seconds)).toBe(words);
  });

  it("what is a moment ago has just been", () => {
    expect(ago("2026-08-22T09:59:58.000Z", report.time)).toBe("just now");
    expect(ago("2026-08-22T09:59:50.000Z", report.time)).toBe("10 s ago");
  });
});
