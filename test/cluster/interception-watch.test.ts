import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Program } from "../clients/program.ts";
import { until } from "../clients/until.ts";
import { METADATA_URL, METADATA_URL_6, REAL, answerOf, nodeNetwork } from "./namespaces.ts";
import type { NodeNetwork } from "./namespaces.ts";
import { crossroleIn, startCrossroleIn } from "./namespaces-program.ts";

const DAEMON = "the daemon";

let network: NodeNetwork;
let watching: Program | undefined;
beforeEach(async () => {
  network = await nodeNetwork();
});
afterEach(async () => {
  await watching?.stop();
  watching = undefined;
  await network[Symbol.asyncDispose]();
});

/** Starts `crossrole node install --watch` and waits until it has installed. */
async function watch(...args: readonly string[]): Promise<Program> {
  watching = startCrossroleIn(network.node, ["node", "install", "--watch", ...args]);
  await watching.said("stderr", /"msg":"interception in place"/);
  await network.node.listen(DAEMON, ["169.254.171.254", "fd00:ec2:fa11::254"], 51679);
  return watching;
}

async function isInPlace(): Promise<boolean> {
  return (await crossroleIn(network.node, ["node", "verify"])).code === 0;
}

function linesOf({ stderr }: Program): { level: string; msg: string; lost?: string }[] {
  return stderr
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

async function serverOf(url = METADATA_URL): Promise<string | undefined> {
  return answerOf(await network.routedPod.namespace.ask(url)).server;
}

describe("crossrole node install --watch", () => {
  it("installs, and says what it has changed", async () => {
    const program = await watch();

    expect(await isInPlace()).toBe(true);
    expect(linesOf(program)).toEqual([
      expect.objectContaining({
        level: "info",
        msg: "interception in place",
        device: "lo",
        changed: expect.stringContaining(
          "guard: table inet crossrole_guard is not loaded; address: ",
        ),
      }),
    ]);
  });

  it.each<[string, string[], RegExp]>([
    [
      "every table is flushed away",
      ["nft", "flush", "ruleset"],
      /^guard: table inet crossrole_guard is not loaded; redirect: table inet crossrole_nat is not/,
    ],
    [
      "the guard is emptied",
      ["nft", "flush", "table", "inet", "crossrole_guard"],
      /^guard: chain forward lacks: ip daddr 169\.254\.169\.254 /,
    ],
  ])(
    "restores the guard within seconds when %s, long before the next look",
    async (_, command, lost) => {
      const program = await watch("--interval-seconds", "3600");
      await network.node.run(command);
      await program.said("stderr", /"msg":"interception restored"/);

      expect(linesOf(program).at(-1)).toMatchObject({
        level: "warn",
        lost: expect.stringMatching(lost),
      });
      expect(await isInPlace()).toBe(true);
      expect(await serverOf()).toBe(DAEMON);
    },
  );

  it.each<[string, string[], RegExp]>([
    [
      "a rule is deleted",
      ["nft", "flush", "chain", "inet", "crossrole_nat", "prerouting"],
      /^redirect: chain prerouting lacks: iif "lo" return; /,
    ],
    [
      "a rule is added",
      ["nft", "insert", "rule", "inet", "crossrole_guard", "forward", "accept"],
      /^guard: chain forward has what is not ours: accept$/,
    ],
    [
      "a table is put to sleep",
      ["nft", "add table inet crossrole_nat { flags dormant; }"],
      /^redirect: the table has what is not ours: flags dormant$/,
    ],
    [
      "an address is removed",
      ["ip", "address", "delete", "169.254.171.254/32", "dev", "lo"],
      /^address: 169\.254\.171\.254\/32 is not on lo$/,
    ],
    [
      "the IPv6 address is removed",
      ["ip", "address", "delete", "fd00:ec2:fa11::254/128", "dev", "lo"],
      /^address: fd00:ec2:fa11::254\/128 is not on lo$/,
    ],
  ])(
    "restores what is lost at the next look when %s, and says so once",
    async (_, command, lost) => {
      const program = await watch("--interval-seconds", "1");
      await network.node.run(command);
      await program.said("stderr", /"msg":"interception restored"/);

      expect(await isInPlace()).toBe(true);
      expect(await serverOf()).toBe(DAEMON);
      expect(await serverOf(METADATA_URL_6)).toBe(DAEMON);
      const [first, restored, ...others] = linesOf(program);
      expect(first).toMatchObject({ msg: "interception in place" });
      expect(restored?.lost).toMatch(lost);
      expect(others).toEqual([]);
    },
  );

  it("ends with 0 at SIGTERM and removes nothing", async () => {
    const program = await watch();
    await program.stop();

    expect(program.ending).toEqual({ code: 0, signal: null });
    expect(linesOf(program).at(-1)).toMatchObject({ msg: "stopping, interception stays" });
    expect(await isInPlace()).toBe(true);
    await network.node.closeServers();
    expect(await network.routedPod.namespace.ask(METADATA_URL)).toMatchObject({
      error: "ECONNREFUSED",
    });
  });

  it("changes nothing when it starts anew, and counts on", async () => {
    await (await watch()).stop();
    await serverOf();
    const ruleset = () => network.node.run(["nft", "list", "ruleset"]);
    const before = await ruleset();
    await network.node.closeServers();
    const program = await watch();

    expect(await ruleset()).toBe(before);
    expect(linesOf(program)[0]).not.toHaveProperty("changed");
  });

  it("restores as often as somebody flushes", async () => {
    const program = await watch("--interval-seconds", "3600");
    const restored = () => linesOf(program).filter(({ msg }) => msg === "interception restored");
    for (const times of [1, 2, 3]) {
      await network.node.run(["nft", "flush", "ruleset"]);
      await until(`restored ${times} times`, () => restored().length >= times);
    }

    expect(await isInPlace()).toBe(true);
    expect(restored()).toHaveLength(3);
  });

  it("fails at its start when it may not, and with one line", async () => {
    const behind = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--"];
    const args = ["node", "install", "--watch"];
    const { code, errors } = await crossroleIn(network.node, args, { behind });

    expect(code).toBe(1);
    expect(errors).toEqual([expect.stringMatching(/CAP_NET_ADMIN/)]);
    expect(await serverOf()).toBe(REAL);
  });
});
