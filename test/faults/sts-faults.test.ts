import { describe, expect, it } from "vitest";
import { GATEWAY, ORDERS_READER } from "../support/daemon.ts";
import type { FaultKind } from "../support/fake-sts.ts";
import { RENEWAL, attempts } from "./schedule.ts";
import { MINUTE, SECOND, Simulation, behindGateway, withoutHop } from "./simulation.ts";

/** When an attempt is given up. */
const GIVEN_UP = 10;
const DENIED = 300;

/** A warm role behind a gateway, 10 s before both are renewed. */
async function justBeforeRenewal(): Promise<Simulation> {
  const simulation = await Simulation.start(ORDERS_READER, behindGateway);
  await simulation.warm();
  await simulation.passUntil(RENEWAL - 10);
  return simulation;
}

describe("while STS fails, every client is served, and it is called exactly when a pause has ended", () => {
  const until = RENEWAL + 200;

  it.each<FaultKind & { takes?: number; longest?: number }>([
    { kind: "reset" },
    { kind: "blackHole", takes: GIVEN_UP },
    { kind: "delay", ms: 12 * SECOND, takes: GIVEN_UP },
    { kind: "delay", ms: 30 * SECOND, takes: GIVEN_UP },
    { kind: "cut" },
    { kind: "throttle" },
    { kind: "accessDenied", longest: DENIED },
    { kind: "error", status: 403, code: "RegionDisabledException", message: "", longest: DENIED },
    { kind: "error", status: 403, code: "Forbidden", message: "by a proxy" },
    { kind: "unavailable", status: 500 },
    { kind: "unavailable", status: 503 },
    { kind: "truncatedXml" },
    { kind: "html" },
    { kind: "html", status: 403 },
    { kind: "html", status: 502 },
    { kind: "noCredentials" },
    { kind: "emptyFields" },
    { kind: "emptyFields", fields: ["AccessKeyId"] },
    { kind: "emptyFields", fields: ["SecretAccessKey"] },
    { kind: "emptyFields", fields: ["SessionToken"] },
    { kind: "emptyFields", fields: ["Expiration"] },
    { kind: "pastExpiration" },
    { kind: "redirect" },
  ])("$kind $ms $status $code $fields", async ({ takes, longest, ...fault }) => {
    await using simulation = await justBeforeRenewal();
    const { sts, load } = simulation;
    const first = simulation.newest(ORDERS_READER);

    sts.fault(fault);
    await simulation.passUntil(until);
    const during = await load.round();
    sts.heal();
    await simulation.pass(5 * MINUTE);

    const expected = [
      0,
      ...attempts({
        from: RENEWAL,
        until,
        ...(takes === undefined ? {} : { takes }),
        ...(longest === undefined ? {} : { longest }),
      }),
    ];
    expect(load.errors).toEqual([]);
    expect(new Set(during)).toEqual(new Set([first]));
    expect(simulation.calls(GATEWAY)).toEqual(expected);
    expect(simulation.calls(ORDERS_READER)).toEqual(expected);
    expect(new Set(await load.round())).toEqual(new Set([simulation.newest(ORDERS_READER)]));
    expect(simulation.newest(ORDERS_READER)).not.toBe(first);
  });
});

describe("what looks wrong and is not costs no call", () => {
  it.each<FaultKind>([
    { kind: "delay", ms: 100 },
    { kind: "delay", ms: 1 * SECOND },
    { kind: "delay", ms: 5 * SECOND },
    { kind: "delay", ms: 9.9 * SECOND },
    { kind: "wrongDate", offsetMs: 60 * MINUTE },
    { kind: "wrongDate", offsetMs: -60 * MINUTE },
    { kind: "wrongDate", offsetMs: 366 * 24 * 60 * MINUTE },
  ])("$kind $ms $offsetMs", async (fault) => {
    await using simulation = await justBeforeRenewal();
    const { sts, load } = simulation;

    sts.fault(fault);
    await simulation.pass(5 * MINUTE);
    sts.heal();
    await simulation.pass(20 * MINUTE);

    expect(load.errors).toEqual([]);
    expect(simulation.calls(GATEWAY)).toEqual([0, RENEWAL]);
    expect(simulation.calls(ORDERS_READER)).toEqual([0, RENEWAL]);
    expect(new Set(await load.round())).toEqual(new Set([simulation.newest(ORDERS_READER)]));
  });
});

describe("at the first use, with nothing to serve", () => {
  it.each<FaultKind & { takes?: number; longest?: number }>([
    { kind: "reset" },
    { kind: "blackHole", takes: GIVEN_UP },
    { kind: "throttle" },
    { kind: "accessDenied", longest: DENIED },
    { kind: "unavailable" },
    { kind: "truncatedXml" },
    { kind: "html" },
    { kind: "emptyFields" },
    { kind: "pastExpiration" },
  ])("$kind is healed within one back-off step", async ({ takes = 0, longest, ...fault }) => {
    await using simulation = await Simulation.start(ORDERS_READER, (sts) => {
      sts.fault(fault);
      return withoutHop(sts);
    });
    const { sts, load } = simulation;
    await sts.called(1);
    await simulation.idle(30 * SECOND);
    sts.heal();

    const steps = attempts({ from: 0, until: 30, takes, ...(longest ? { longest } : {}) });
    await simulation.idle(((steps.at(-1) ?? 0) - 30) * SECOND);
    await load.round();

    expect(load.errors).toEqual([]);
    expect(simulation.calls(ORDERS_READER)).toEqual(steps);
  });
});
