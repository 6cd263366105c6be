import { chmod, mkdtemp, mkdtempDisposable, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crossrole, Program } from "../support/program.ts";
import type { Ended } from "../support/program.ts";

/** nft of a kernel without NAT: it keeps a record, lists no table, and loads all but the redirect. */
const NFT = `#!/bin/sh
echo "$*" | head -n 1 >> "\${0%/*}/record"
case "$*" in
  *"table inet crossrole_nat {"*) echo "Error: Could not process rule: No such device" >&2; exit 1 ;;
  *"list tables"*) ;;
  *list*) echo "Error: No such file or directory" >&2; exit 1 ;;
esac
`;
const IP = `#!/bin/sh
echo '[{"flags":["UP"],"linkinfo":{"info_kind":"dummy"},"addr_info":[]}]'
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "crossrole-node-"));
  await writePrograms(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writePrograms(into: string): Promise<void> {
  for (const [name, script] of [
    ["nft", NFT],
    ["ip", IP],
  ] as const) {
    await writeFile(path.join(into, name), script);
    await chmod(path.join(into, name), 0o755);
  }
}

async function node(...args: readonly string[]): Promise<Ended> {
  return await crossrole(["node", ...args], { env: { PATH: `${folder}:/usr/bin:/bin` } });
}

describe.concurrent("crossrole node", () => {
  it("ends with 1 and one line when the redirect cannot be loaded, and takes nothing back", async () => {
    const { code, stdout, errors } = await node("install");

    expect({ code, stdout, errors }).toEqual({
      code: 1,
      stdout: "",
      errors: [
        "crossrole: cannot load table inet crossrole_nat: nft says Could not process rule: No such device",
      ],
    });
    const record = await readFile(path.join(folder, "record"), "utf8");
    expect(record).toMatch(/^-- table inet crossrole_guard$/m);
    expect(record).not.toMatch(/^delete/m);
  });

  it("verify says what is missing and what to do, a line each, and ends with 1", async () => {
    const { code, stdout, errors } = await node("verify");
    const remedy = "run crossrole node install with the same options";

    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(errors).toEqual([
      `crossrole: guard: table inet crossrole_guard is not loaded; ${remedy}`,
      `crossrole: address: 169.254.171.254/32 is not on crossrole0; ${remedy}`,
      `crossrole: address: fd00:ec2:fa11::254/128 is not on crossrole0; ${remedy}`,
      `crossrole: redirect: table inet crossrole_nat is not loaded; ${remedy}`,
    ]);
  });

  it("verify --json has the same on stdout", async () => {
    const { code, stdout, stderr } = await node("verify", "--json", "--no-ipv6");

    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      inPlace: false,
      device: "crossrole0",
      differences: [
        { part: "guard", what: "table inet crossrole_guard is not loaded" },
        { part: "address", what: "169.254.171.254/32 is not on crossrole0" },
        { part: "redirect", what: "table inet crossrole_nat is not loaded" },
      ],
      counters: {},
    });
  });

  it("uninstall --stay says what it did, stays, and ends with 0 on SIGTERM", async () => {
    // With a record of its own.
    await using own = await mkdtempDisposable(path.join(tmpdir(), "crossrole-node-"));
    await writePrograms(own.path);
    const env = { PATH: `${own.path}:/usr/bin:/bin` };
    await using program = new Program(["node", "uninstall", "--stay"], { env });
    await program.printed("staying until SIGTERM\n");
    program.signal("SIGTERM");

    expect(await program.ended).toMatchObject({
      code: 0,
      signal: null,
      stdout: `removed table inet crossrole_nat
removed device crossrole0
removed table inet crossrole_guard
staying until SIGTERM
`,
      stderr: "",
    });
  });

  it.each<[string[], RegExp]>([
    [["install", "--listen", "127.0.0.1:80"], /^crossrole: --listen must be an address that pods/],
    [
      ["verify", "--listen", "169.254.171.254:80;x"],
      /^crossrole: --listen must be an IPv4 address/,
    ],
    [["uninstall", "--listen6", "fd00::1:80"], /^crossrole: --listen6 must be an IPv6 address/],
    [
      ["install", "--interface", "a b"],
      /^crossrole: --interface must be the name of a network dev/,
    ],
    [["install", "--interface", "sixteen-letters-"], /^crossrole: --interface must be the name/],
    [["install", "--interval-seconds", "0"], /It must be 1 to 3600\./],
    [["install", "--interval-seconds", "1e3"], /It must be 1 to 3600\./],
    [
      ["install", "--host-network-pods", "--pods-cgroup", 'a"b'],
      /^crossrole: --pods-cgroup must be/,
    ],
    [["verify", "--watch"], /unknown option '--watch'/],
    [["uninstall", "--direct"], /unknown option '--direct'/],
    [["install", "now"], /too many arguments/],
  ])("%j is a question of usage", async (args, explanation) => {
    const { code, stdout, errors } = await node(...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(errors[0]).toMatch(explanation);
  });

  it.each(["install", "verify", "uninstall"])("%s --help shows two examples", async (command) => {
    const { code, stdout } = await node(command, "--help");

    expect(code).toBe(0);
    expect(stdout.split("\nExamples:\n")[1]?.match(/^ {2}\$ crossrole node /gm)).toHaveLength(2);
  });
});
