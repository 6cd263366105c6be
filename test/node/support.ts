import type { Output, Programs, Run } from "../../src/node/programs.ts";
import type { Interception } from "../../src/node/types.ts";

/** What `crossrole node install` wants without options. */
export const DEFAULT: Interception = {
  listener: { address: "169.254.171.254", port: 51679 },
  listener6: { address: "fd00:ec2:fa11::254", port: 51679 },
  device: "crossrole0",
  guardOnly: false,
  direct: false,
  podIdentity: false,
  antiSpoof: false,
};

const DONE: Output = { code: 0, stdout: "", stderr: "" };

export function failing(stderr: string, code = 1): Output {
  return { code, stdout: "", stderr };
}

export interface FakePrograms extends Programs {
  /** Every command line, without the options that only make an answer readable. */
  readonly calls: string[];
}

/** Programs whose answers are made by `answer`; without one they succeed and say nothing. */
export function fakePrograms(answer: (call: string) => Output | undefined): FakePrograms {
  const calls: string[] = [];
  const program =
    (name: string): Run =>
    (...args) => {
      const call = [name, ...args.filter((arg) => !arg.startsWith("--"))].join(" ");
      calls.push(call);
      return Promise.resolve(answer(call) ?? DONE);
    };
  return { calls, nft: program("nft"), ip: program("ip") };
}

/** What `ip` answers of a device that is up. */
export function device(kind: string | undefined, ...cidrs: readonly string[]): Output {
  const addresses = cidrs.map((cidr) => {
    const [local, prefix] = cidr.split("/");
    const kind4 = { scope: "link" };
    const kind6 = { scope: "global", deprecated: true };
    return { local, prefixlen: Number(prefix), ...(prefix === "128" ? kind6 : kind4) };
  });
  const linkinfo = kind === undefined ? {} : { linkinfo: { info_kind: kind } };
  const stdout = JSON.stringify([{ flags: ["UP"], ...linkinfo, addr_info: addresses }]);
  return { ...DONE, stdout };
}

/** A node in memory: tables as they were loaded, and a device that gets addresses. */
export interface FakeNode {
  readonly tables: Map<string, string>;
  readonly addresses: Set<string>;
  readonly answer: (call: string) => Output | undefined;
}

export function fakeNode(): FakeNode {
  const tables = new Map<string, string>();
  const addresses = new Set<string>();
  const answer = (call: string): Output | undefined => {
    const [, command, , , name = ""] = call.split(" ");
    if (command === "table") return load(tables, call);
    if (command === "list" && call.includes("table inet")) {
      const text = tables.get(name);
      return text === undefined
        ? failing("Error: No such file or directory")
        : { ...DONE, stdout: text };
    }
    if (command === "delete" && !tables.delete(name))
      return failing("Error: No such file or directory");
    if (call.startsWith("ip -json")) {
      return call.endsWith("dev lo") ? device(undefined) : device("dummy", ...addresses);
    }
    const added = /address replace (\S+)/.exec(call)?.[1];
    if (added !== undefined) addresses.add(added);
    return undefined;
  };
  return { tables, addresses, answer };
}

/** Lists as it was loaded, with the indentation of nft. */
function load(tables: Map<string, string>, call: string): undefined {
  const [, , name = ""] = / table inet (\w+)/.exec(call) ? call.split(/\s+/).slice(1) : [];
  const body = call.slice(call.indexOf(`table inet ${name} {`));
  tables.set(
    name,
    body.replaceAll(/^( +)/gm, (spaces) => "\t".repeat(spaces.length / 2)),
  );
}
