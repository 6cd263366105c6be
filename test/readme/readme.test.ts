/**
 * Every command of crossrole that is in the README is run here. One of another program is run by the suite that is
 * named for it, and some only by their like: what Docker, Compose, kubectl and helm would do, done without them
 * (elsewhere.ts says how). Every link and file of the page is there.
 */
import { access, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { configOf } from "../support/daemon.ts";
import { crossrole } from "../support/program.ts";
import { ELSEWHERE, OTHERS, uncovered } from "./elsewhere.ts";
import { blocks, fencesIn, inlineIn, README } from "./page.ts";
import { Scene } from "./scene.ts";

const atRoot = (name: string) => new URL(`../../${name}`, import.meta.url);
const ISSUED = "issued";

/** A first line, for the name of a test. */
const titled = (language: string) =>
  blocks(language).map((text) => [text.split("\n").find((line) => !line.startsWith("#")), text]);

describe.concurrent("a command of the README", () => {
  it.each(titled("sh"))("does what it should: %s", async (_, script) => {
    await using scene = await Scene.open();
    if (/status|--client/.test(script ?? "")) await scene.serve();
    const { code, stderr, others, keys } = await scene.run(script ?? "");

    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(uncovered(others)).toEqual([]);
    expect(keys).toEqual((script?.match(/-- (?:python|aws) /g) ?? []).map(() => ISSUED));
  });

  it("that a file of AWS's names gives credentials", async () => {
    const [file = "", ...more] = blocks("ini");
    const [, command = ""] = /^credential_process = (.*)$/m.exec(file) ?? [];
    await using scene = await Scene.open();
    const { code, stdout } = await scene.run(command);

    expect(more).toEqual([]);
    expect(code).toBe(0);
    const issued = scene.machine.sts.issued.at(-1)?.accessKeyId;
    expect(JSON.parse(stdout)).toMatchObject({ Version: 1, AccessKeyId: issued });
  });

  it("is not hidden in a block that nobody runs", () => {
    const known = new Set(["sh", "yaml", "ts", "ini", "text"]);
    const commands = new RegExp(`^\\s*(?:\\$ |(?:crossrole|${OTHERS.join("|")}|aws) )`, "m");

    expect(fencesIn(README).filter(({ language }) => !known.has(language))).toEqual([]);
    expect(blocks("text").filter((text) => commands.test(text))).toEqual([]);
  });

  it("would be missed if no test ran it", async () => {
    await using scene = await Scene.open();
    const { others } = await scene.run("docker build -t crossrole . && docker push crossrole");
    expect(uncovered(others)).toEqual(["docker push crossrole"]);
    expect((await scene.run("terraform apply")).code).toBe(127);
    expect((await scene.run("crossrole serve --confg crossrole.yaml")).code).toBe(2);
  });
});

describe("what another suite runs", () => {
  it.each(Object.entries(ELSEWHERE))(
    "is on the page, and in the suite: %s",
    async (command, by) => {
      expect(README).toContain(command);
      expect(await readFile(atRoot(by.file), "utf8")).toContain(by.has);
    },
  );
});

describe.concurrent("a command that is said in passing", () => {
  const said = [...new Set(inlineIn(README))];

  it.each(said.filter((text) => /^crossrole [a-z]/.test(text)))("is one: %s", async (text) => {
    const [, command = "", ...words] = text.split(" ");
    const { code, stdout } = await crossrole([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: crossrole ${command} `);
    for (const flag of words.filter((word) => word.startsWith("--")))
      expect(stdout).toContain(` ${flag}`);
  });

  it("is a script of the project, or one that a suite runs", () => {
    const others = said.filter((text) => new RegExp(`^(?:${OTHERS.join("|")}) [a-z]`).test(text));
    const scripts = Object.keys(manifest.scripts).map((name) => `npm run ${name}`);
    const known = [...scripts, ...Object.keys(ELSEWHERE)];
    expect(others.filter((text) => !known.some((one) => `${one} `.startsWith(`${text} `)))).toEqual(
      [],
    );
  });

  it("tells of every script there is", () => {
    const scripts = Object.keys(manifest.scripts).filter((name) => name !== "test");
    expect(scripts.filter((name) => !README.includes(`\`npm run ${name}\``))).toEqual(["demo"]);
  });
});

it.each(titled("yaml"))("a configuration of the README loads: %s", (_, text) => {
  expect(configOf(text ?? "").roles.size).toBeGreaterThan(0);
});

it.each(titled("ts"))("an example of the library runs: %s", async (_, code) => {
  await using scene = await Scene.open();
  const ended = await scene.runModule(code ?? "");
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: "" });
  expect(ended.keys).toEqual([ISSUED]);
});

describe("what the README points at", () => {
  it("is there: every link and every file of a test", async () => {
    const links = [...README.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = ""]) => target);
    const files = inlineIn(README).filter((text) => /^(?:test|deploy|src)\/\S+$/.test(text));
    expect(files.length).toBeGreaterThan(10);
    for (const name of [...links, ...files]) await access(atRoot(name));
  });

  it("is a heading of the page, where it is on the page", () => {
    const headings = [...README.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      anchorOf(heading),
    );
    const anchors = [...README.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = ""]) => anchor);
    expect(headings).toEqual(expect.arrayContaining(anchors));
  });
});

/** As GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .replaceAll(" ", "-");
}
