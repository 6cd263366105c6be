import { describe, expect, it } from "vitest";
import { GATEWAY, ORDERS_READER } from "../support/daemon.ts";
import type { FaultKind } from "../support/fake-sts.ts";
import { LONGEST_STEP, RENEWAL, attempts } from "./schedule.ts";
import { MINUTE, SECOND, Simulation, behindGateway, withoutHop } from "./simulation.ts";

const GIVEN_UP = 10;
const DENIED = 300;
const OUTAGE = 25 * 60;
const LIFE = 3_600;

describe("while STS is gone for 25 minutes, from just before a renewal", () => {
  const from = RENEWAL - 1;
  const until = from + OUTAGE;

  it.each<FaultKind & { takes?: number; longest?: number }>([
    { kind: "reset" },
    { kind: "blackHole", takes: GIVEN_UP },
    { kind: "unavailable", status: 503 },
    { kind: "throttle" },
    { kind: "accessDenied", longest: DENIED },
  ])(
    "every client is served, and renewed within one step of its end: $kind",
    async ({ takes = 0, longest = LONGEST_STEP, ...fault }) => {
      await using simulation = await Simulation.start(ORDERS_READER, behindGateway);
      const { sts, load } = simulation;
      await simulation.warm();
      await simulation.passUntil(from);
      const first = simulation.newest(ORDERS_READER);

      sts.fault(fault);
      await simulation.passUntil(until);
      const last = await load.round();
      sts.heal();
      await simulation.pass((longest + takes) * SECOND);

      const expected = [0, ...attempts({ from: RENEWAL, until, takes, longest })];
      expect(load.errors).toEqual([]);
      expect(new Set(last)).toEqual(new Set([first]));
      expect(simulation.calls(GATEWAY)).toEqual(expected);
      expect(simulation.calls(ORDERS_READER)).toEqual(expected);
      expect(new Set(await load.round())).toEqual(new Set([simulation.newest(ORDERS_READER)]));
      expect(simulation.newest(ORDERS_READER)).not.toBe(first);
    },
  );

  it("its port refuses: the same, and one call when it is back", async () => {
    await using simulation = await Simulation.start(ORDERS_READER, withoutHop);
    await simulation.warm();
    await simulation.passUntil(from);

    await simulation.stopSts();
    await simulation.passUntil(until);
    const back = await simulation.restartSts();
    back.addRole({ arn: ORDERS_READER });
    await simulation.pass(LONGEST_STEP * SECOND);

    const recovery = attempts({ from: RENEWAL, until }).at(-1);
    expect(simulation.load.errors).toEqual([]);
    expect(simulation.calls(ORDERS_READER)).toEqual([0, recovery]);
    expect(new Set(await simulation.load.round())).toEqual(
      new Set([simulation.newest(ORDERS_READER)]),
    );
  });

  it("and of another role it is well: only the one that fails is asked for again", async () => {
    await using simulation = await Simulation.start(ORDERS_READER, behindGateway);
    const { sts, load } = simulation;
    await simulation.warm();
    await simulation.passUntil(from);

    sts.fault({ kind: "unavailable", roleArn: GATEWAY });
    await simulation.passUntil(until);
    sts.heal();
    await simulation.pass(LONGEST_STEP * SECOND);

    expect(load.errors).toEqual([]);
    expect(simulation.calls(GATEWAY)).toEqual([0, ...attempts({ from: RENEWAL, until })]);
    expect(simulation.calls(ORDERS_READER)).toEqual([0, RENEWAL]);
  });

  it("and the configuration is reloaded each minute: it is asked no more often", async () => {
    await using simulation = await Simulation.start(ORDERS_READER, behindGateway);
    const { sts, load, daemon } = simulation;
    await simulation.warm();
    await simulation.passUntil(from);

    sts.fault({ kind: "reset" });
    for (let minute = 0; minute < OUTAGE / 60; minute++) {
      await daemon.reload(simulation.config);
      await simulation.pass(MINUTE);
    }
    sts.heal();
    await simulation.pass(LONGEST_STEP * SECOND);

    const expected = [0, ...attempts({ from: RENEWAL, until })];
    expect(load.errors).toEqual([]);
    expect(simulation.calls(GATEWAY)).toEqual(expected);
    expect(simulation.calls(ORDERS_READER)).toEqual(expected);
  });
});

describe("while STS is gone for longer than a life", () => {
  it("clients are served to its last second, then get 500, then are healed within one step", async () => {
    await using simulation = await Simulation.start(ORDERS_READER, behindGateway);
    const { sts, load } = simulation;
    await simulation.warm();
    await simulation.passUntil(RENEWAL - 1);

    sts.fault({ kind: "reset" });
    await simulation.passUntil(LIFE - 1);
    const errorsHeld = [...load.errors];
    const last = await load.round();
    await simulation.idle(SECOND);
    const none = await load.round();
    const errorsExpired = [...load.errors];
    sts.heal();
    await simulation.idle(2 * LONGEST_STEP * SECOND);
    const healed = await load.round();

    expect(errorsHeld).toEqual([]);
    expect(last).toHaveLength(4);
    expect(none).toEqual([]);
    expect(errorsExpired).toEqual(
      Array.from({ length: 4 }, () => expect.stringMatching(/: 500 $/)),
    );
    expect(new Set(healed)).toEqual(new Set([simulation.newest(ORDERS_READER)]));
    expect(load.errors).toEqual(errorsExpired);
  });
});

describe("while STS is well", () => {
  it("no answer of six hours has less than 25 minutes to live, at two calls in 28.5 minutes", async () => {
    await using simulation = await Simulation.start(ORDERS_READER, behindGateway);
    await simulation.warm();

    await simulation.passUntil(6 * LIFE);

    const renewals = Array.from(
      { length: 1 + Math.floor((6 * LIFE) / RENEWAL) },
      (_, n) => n * RENEWAL,
    );
    expect(simulation.load.errors).toEqual([]);
    expect(simulation.load.leastLifeMs).toBeGreaterThanOrEqual(25 * MINUTE);
    expect(simulation.calls(GATEWAY)).toEqual(renewals);
    expect(simulation.calls(ORDERS_READER)).toEqual(renewals);
  });
});
