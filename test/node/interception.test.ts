import { describe, expect, it } from "vitest";
import { inspect, install, uninstall } from "../../src/node/interception.ts";
import { guardTable, redirectTable } from "../../src/node/rules.ts";
import { DEFAULT, failing, fakeNode, fakePrograms } from "./support.ts";

/** What changes the node, without the copies that are made to compare. */
function changes(calls: readonly string[]): string[] {
  return calls
    .filter((call) => !/ (list|-json) |crossrole_expected/.test(call))
    .map((call) => call.split("\n")[0] ?? "");
}

describe("install", () => {
  it("loads the guard before anything else, and the redirect last", async () => {
    const programs = fakePrograms(fakeNode().answer);
    await install(programs, DEFAULT);

    expect(changes(programs.calls)).toEqual([
      "nft table inet crossrole_guard",
      "ip link set dev crossrole0 up",
      "ip -4 address replace 169.254.171.254/32 dev crossrole0 scope link",
      "ip -6 address replace fd00:ec2:fa11::254/128 dev crossrole0 nodad preferred_lft 0",
      "nft table inet crossrole_nat",
    ]);
  });

  it("changes nothing that is in place, and says what was not", async () => {
    const node = fakeNode();
    const first = await install(fakePrograms(node.answer), DEFAULT);
    const again = fakePrograms(node.answer);
    const second = await install(again, DEFAULT);

    expect(first.differences.map(({ part }) => part)).toEqual([
      "guard",
      "address",
      "address",
      "redirect",
    ]);
    expect(second).toEqual({ device: "crossrole0", differences: [] });
    expect(changes(again.calls)).toEqual([]);
  });

  it("leaves the guard when the redirect cannot be loaded", async () => {
    const node = fakeNode();
    const programs = fakePrograms((call) =>
      call.includes("table inet crossrole_nat {")
        ? failing(
            "/dev/stdin:4:5-9: Error: Could not process rule: Operation not supported\n    dnat\n    ^^^^",
          )
        : node.answer(call),
    );

    await expect(install(programs, DEFAULT)).rejects.toMatchObject({
      code: "ERR_COMMAND_FAILED",
      message:
        "cannot load table inet crossrole_nat: nft says Could not process rule: Operation not supported",
    });
    expect([...node.tables.keys()]).toEqual(["crossrole_guard"]);
    expect(changes(programs.calls)).not.toContain(expect.stringContaining("delete"));
  });

  it("goes no further when the guard cannot be loaded", async () => {
    const programs = fakePrograms((call) =>
      call.includes("table inet crossrole_guard") ? failing("Error: nothing works") : undefined,
    );

    await expect(install(programs, DEFAULT)).rejects.toThrow("nothing works");
    expect(programs.calls).toHaveLength(1);
  });

  it("touches neither addresses nor the redirect with --guard-only", async () => {
    const programs = fakePrograms(fakeNode().answer);
    await install(programs, { ...DEFAULT, guardOnly: true });

    expect(changes(programs.calls)).toEqual(["nft table inet crossrole_guard"]);
  });
});

describe("inspect", () => {
  it("compares with rules that no packet meets, and takes them away again", async () => {
    const node = fakeNode();
    await install(fakePrograms(node.answer), DEFAULT);
    const programs = fakePrograms(node.answer);

    expect(await inspect(programs, DEFAULT)).toMatchObject({ differences: [] });
    expect([...node.tables.keys()].toSorted()).toEqual(["crossrole_guard", "crossrole_nat"]);
    const loaded = programs.calls.filter((call) => call.includes("crossrole_expected"));
    expect(loaded.join("\n")).not.toMatch(/hook/);
  });

  it("compares again when another process has taken its rules away", async () => {
    const node = fakeNode();
    await install(fakePrograms(node.answer), DEFAULT);
    let thefts = 2;
    const programs = fakePrograms((call) => {
      if (/list .*crossrole_expected/.test(call) && (thefts -= 1) >= 0) {
        node.tables.delete(call.split(" ").at(-1) ?? "");
      }
      return node.answer(call);
    });

    expect(await inspect(programs, DEFAULT)).toMatchObject({ differences: [] });
  });

  it("needs no rules to compare with while it remembers them", async () => {
    const node = fakeNode();
    const remembered = new Map();
    await install(fakePrograms(node.answer), DEFAULT);
    await inspect(fakePrograms(node.answer), DEFAULT, remembered);
    const programs = fakePrograms(node.answer);
    node.tables.set("crossrole_nat", "table inet crossrole_nat {\n}\n");

    const { differences } = await inspect(programs, DEFAULT, remembered);
    expect(programs.calls.join("\n")).not.toContain("crossrole_expected");
    const blocks = [...redirectTable(DEFAULT).counters, ...redirectTable(DEFAULT).chains];
    expect(differences).toHaveLength(blocks.length);
    expect(guardTable(DEFAULT).chains).not.toEqual([]);
  });
});

describe("uninstall", () => {
  it("takes the guard away last, and what killed processes have left", async () => {
    const node = fakeNode();
    await install(fakePrograms(node.answer), DEFAULT);
    const programs = fakePrograms((call) =>
      call === "nft list tables inet"
        ? {
            code: 0,
            stdout: "table inet other\ntable inet crossrole_expected_0123456789ab\n",
            stderr: "",
          }
        : node.answer(call),
    );

    expect(await uninstall(programs, DEFAULT)).toEqual([
      "table inet crossrole_nat",
      "device crossrole0",
      "table inet crossrole_guard",
    ]);
    expect(programs.calls.filter((call) => call.includes("delete"))).toEqual([
      "nft delete table inet crossrole_nat",
      "ip link delete dev crossrole0",
      "nft delete table inet crossrole_guard",
      "nft delete table inet crossrole_expected_0123456789ab",
    ]);
  });
});
