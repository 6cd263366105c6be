import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ORDERS_READER, configOf } from "../support/daemon.ts";
import { LONGEST_STEP, RENEWAL, attempts } from "./schedule.ts";
import { SECOND, Simulation } from "./simulation.ts";

const WORKLOAD = "arn:aws:iam::111111111111:role/workload";

let directory: string;
let tokenFile: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "crossrole-token-"));
  tokenFile = join(directory, "token");
  await writeFile(tokenFile, "CANARY.web-identity.1");
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** A role that is assumed with the identity in {@link tokenFile}. */
async function withWebIdentity(): Promise<Simulation> {
  return await Simulation.start(ORDERS_READER, (sts) => {
    sts.addRole({ arn: WORKLOAD, webIdentity: (token) => token.startsWith("CANARY") });
    sts.addRole({ arn: ORDERS_READER, trusts: [WORKLOAD] });
    return configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { irsa: { webIdentity: { tokenFile: "${tokenFile}", roleArn: "${WORKLOAD}" } } }
roles: { orders-reader: { arn: "${ORDERS_READER}", base: irsa } }
listeners: [{ address: "127.0.0.1:0", role: orders-reader }]
`);
  });
}

const GONE: readonly [string, () => Promise<void>][] = [
  ["is gone", () => rm(tokenFile)],
  ["is empty", () => writeFile(tokenFile, "")],
  ["holds a token that STS refuses", () => writeFile(tokenFile, "expired")],
];

describe("the token file of a web identity", () => {
  const until = RENEWAL + 30 * 60;

  it.each(GONE)("%s for 30 minutes, and no client sees it", async (what, lose) => {
    await using simulation = await withWebIdentity();
    const { load } = simulation;
    await simulation.warm();
    await simulation.passUntil(RENEWAL - 1);
    const isRefused = what.includes("refuses");

    await lose();
    await simulation.passUntil(until);
    await writeFile(`${tokenFile}.new`, "CANARY.web-identity.2");
    await rename(`${tokenFile}.new`, tokenFile);
    await simulation.pass((isRefused ? 300 : LONGEST_STEP) * SECOND);

    const tried = attempts({ from: RENEWAL, until, longest: isRefused ? 300 : LONGEST_STEP });
    expect(load.errors).toEqual([]);
    // Without a token STS is not even asked.
    expect(simulation.calls(WORKLOAD)).toEqual([0, ...(isRefused ? tried : tried.slice(-1))]);
    expect(simulation.calls(ORDERS_READER).slice(0, 2)).toEqual([0, RENEWAL]);
    const last = simulation.sts.calls.findLast(({ parameters }) => parameters["WebIdentityToken"]);
    expect(last?.parameters["WebIdentityToken"]).toBe("CANARY.web-identity.2");
  });

  it("is replaced again and again: each renewal sends what is in it then", async () => {
    await using simulation = await withWebIdentity();
    await simulation.warm();
    for (let turn = 2; turn <= 4; turn++) {
      await writeFile(`${tokenFile}.new`, `CANARY.web-identity.${turn}`);
      await rename(`${tokenFile}.new`, tokenFile);
      await simulation.passUntil((turn - 1) * RENEWAL);
    }

    const sent = simulation.sts.calls.flatMap(
      ({ parameters }) => parameters["WebIdentityToken"] ?? [],
    );
    expect(simulation.load.errors).toEqual([]);
    expect(sent).toEqual([1, 2, 3, 4].map((turn) => `CANARY.web-identity.${turn}`));
  });
});
