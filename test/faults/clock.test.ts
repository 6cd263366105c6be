import { describe, expect, it } from "vitest";
import { GATEWAY, ORDERS_READER } from "../support/daemon.ts";
import { RENEWAL, attempts } from "./schedule.ts";
import { HOUR, MINUTE, SECOND, Simulation, behindGateway } from "./simulation.ts";

/** How old the sessions are when it happens, in seconds. */
const AGE = 600;
const AN_HOUR = HOUR / SECOND;

/** A warm role behind a gateway. */
async function tenMinutesOld(): Promise<Simulation> {
  const simulation = await Simulation.start(ORDERS_READER, behindGateway);
  await simulation.warm();
  await simulation.pass(AGE * SECOND);
  return simulation;
}

describe("the machine's clock is set back an hour, and STS's is right", () => {
  it("every client is served, and the call is made again at once, dated by STS's clock", async () => {
    await using simulation = await tenMinutesOld();
    const { sts, load } = simulation;

    simulation.jump(-HOUR);
    sts.clockOffsetMs = HOUR;
    await load.round();
    await simulation.pass(20 * MINUTE);

    // The refusal says by how much the clock is off.
    const calls = [0, AGE - AN_HOUR, AGE - AN_HOUR];
    expect(load.errors).toEqual([]);
    expect(simulation.calls(GATEWAY)).toEqual(calls);
    expect(simulation.calls(ORDERS_READER)).toEqual(calls);
    expect(new Set(await load.round())).toEqual(new Set([simulation.newest(ORDERS_READER)]));
  });

  it("and nobody asks: a timer notices within 30 s, and recovers at once", async () => {
    await using simulation = await tenMinutesOld();
    const { sts } = simulation;

    simulation.jump(-HOUR);
    sts.clockOffsetMs = HOUR;
    await simulation.idle(20 * MINUTE);

    const noticed = AGE - AN_HOUR + 30;
    const calls = [0, noticed, noticed];
    expect(simulation.calls(GATEWAY)).toEqual(calls);
    expect(simulation.calls(ORDERS_READER)).toEqual(calls);
  });

  it("while STS is gone: what is held is served to its real end and not a second longer", async () => {
    await using simulation = await tenMinutesOld();
    const { sts, load } = simulation;
    simulation.jump(-HOUR);
    sts.fault({ kind: "reset" });

    await simulation.passUntil(AN_HOUR - 1);
    const errorsHeld = [...load.errors];
    await simulation.idle(SECOND);
    const none = await load.round();

    expect(errorsHeld).toEqual([]);
    expect(none).toEqual([]);
  });
});

describe("the machine's clock is set ahead an hour, and STS's is right", () => {
  it("nothing that is held is valid by it: whoever asks waits for the call that heals that", async () => {
    await using simulation = await tenMinutesOld();
    const { sts, load } = simulation;

    simulation.jump(HOUR);
    sts.clockOffsetMs = -HOUR;
    await load.round();
    await simulation.pass(20 * MINUTE);

    const noticed = AGE + AN_HOUR;
    expect(load.errors).toEqual([]);
    expect(simulation.calls(GATEWAY)).toEqual([0, noticed, noticed]);
    expect(simulation.calls(ORDERS_READER)).toEqual([0, noticed]);
    expect(new Set(await load.round())).toEqual(new Set([simulation.newest(ORDERS_READER)]));
  });

  it("and back again a minute later: every client is served", async () => {
    await using simulation = await tenMinutesOld();
    const { sts, load } = simulation;
    simulation.jump(HOUR);
    sts.clockOffsetMs = -HOUR;
    await load.round();
    await simulation.pass(MINUTE);
    const before = simulation.calls(ORDERS_READER).length;

    simulation.jump(-HOUR);
    sts.clockOffsetMs = 0;
    await load.round();
    await simulation.pass(20 * MINUTE);

    const noticed = AGE + 60;
    const calls = [noticed, noticed];
    expect(load.errors).toEqual([]);
    expect(simulation.calls(GATEWAY).slice(-2)).toEqual(calls);
    expect(simulation.calls(ORDERS_READER).slice(before)).toEqual(calls);
  });
});

describe("the machine sleeps eight hours", () => {
  const awake = AGE + 8 * AN_HOUR;

  it.each([
    ["a client", 0],
    ["a timer", 30],
  ])(
    "and %s is the first to notice: one call a role, and nobody sees an error",
    async (_, late) => {
      await using simulation = await tenMinutesOld();
      const { load } = simulation;

      simulation.jump(8 * HOUR);
      await simulation.idle(late * SECOND);
      const first = await load.round();
      await simulation.pass(20 * MINUTE);

      expect(load.errors).toEqual([]);
      expect(simulation.calls(GATEWAY)).toEqual([0, awake + late]);
      expect(simulation.calls(ORDERS_READER)).toEqual([0, awake + late]);
      expect(new Set(first)).toEqual(new Set([simulation.newest(ORDERS_READER)]));
    },
  );

  it("and the call that was under way is lost: it is given up, and made again one step later", async () => {
    await using simulation = await Simulation.start(ORDERS_READER, behindGateway);
    const { sts, load } = simulation;
    await simulation.warm();
    await simulation.passUntil(RENEWAL - 1);
    sts.fault({ kind: "blackHole" });
    await simulation.passUntil(RENEWAL + 1);

    simulation.jump(8 * HOUR);
    sts.heal();
    const [, again = 0] = attempts({ from: RENEWAL, until: RENEWAL + 1, takes: 10 });
    await simulation.idle((again - RENEWAL) * SECOND);
    await simulation.pass(20 * MINUTE);

    const calls = [0, RENEWAL, again + 8 * AN_HOUR];
    expect(load.errors).toEqual([]);
    expect(simulation.calls(GATEWAY)).toEqual(calls);
    expect(simulation.calls(ORDERS_READER)).toEqual(calls);
    expect(new Set(await load.round())).toEqual(new Set([simulation.newest(ORDERS_READER)]));
  });
});
