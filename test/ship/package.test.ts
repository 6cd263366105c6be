/** The npm package: what is in it, and that it needs no other, neither to run nor to compile against. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Program, READER, startMachine } from "../support/program.ts";
import { CLIENT, ROOT } from "./bundled.ts";
import { run } from "../support/tool.ts";
import { cached } from "./tools.ts";

/** Somebody's project, with the package installed from its tarball. */
let project: string;
let files: readonly string[];

beforeAll(async () => {
  project = await realpath(await mkdtemp(path.join(tmpdir(), "crossrole-project-")));
  // As it was bundled before this suite: the package and the image are of the same files.
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", project];
  const [packed] = JSON.parse(await npm(pack, ROOT)) as [
    { filename: string; files: { path: string }[] },
  ];
  files = packed.files.map((file) => file.path);
  await writeFile(path.join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  await npm(["install", "--offline", "--no-audit", "--no-fund", packed.filename], project);
});

afterAll(() => rm(project, { recursive: true, force: true }));

async function npm(args: readonly string[], cwd: string, env = process.env): Promise<string> {
  const { stdout } = await promisify(execFile)("npm", args, { cwd, env });
  return stdout;
}

/** The path of a Node of another version, as npm has it. */
async function oldNode(version: string): Promise<string> {
  const name = `node-linux-${process.arch}`;
  const folder = await cached(`node-${version}`, async (made) => {
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", made];
    await run(["npm", "install", ...flags, `${name}@${version}`]);
  });
  return path.join(folder, "node_modules", name, "bin", "node");
}

async function runInProject(file: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { cwd: project, env: { PATH: process.env["PATH"], ...env } };
  const { stdout } = await promisify(execFile)(process.execPath, [file], options);
  return stdout;
}

async function inPackage(name: string): Promise<string> {
  return await readFile(path.join(project, "node_modules", "crossrole", name), "utf8");
}

describe("the package", () => {
  it("has the bundle, its papers and the examples, and nothing of the tests or the sources", () => {
    const others = files.filter((file) => !file.startsWith("bundle/"));
    expect(others.toSorted()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "crossrole.example.yaml",
      "crossrole.pods.example.yaml",
      "package.json",
    ]);
    expect(files).toContain("bundle/THIRD-PARTY-LICENSES.txt");
    expect(files.filter((file) => /\.(?:ts|map|json)$/.test(file))).toEqual([
      "bundle/lib/library.d.ts",
      "bundle/package.json",
      "bundle/sbom.cdx.json",
      "package.json",
    ]);
  });

  it("brings no other package with it, and runs nothing when it is installed", async () => {
    const manifest = JSON.parse(await inPackage("package.json")) as Record<string, unknown>;
    for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"])
      expect(manifest[kind]).toBeUndefined();
    const scripts = Object.keys(manifest["scripts"] as object);
    expect(scripts.filter((name) => /install|prepare/.test(name))).toEqual([]);
    expect(await npm(["ls", "--all", "--parseable"], project)).toBe(
      `${project}\n${path.join(project, "node_modules", "crossrole")}\n`,
    );
  });

  it("runs on the oldest Node that it says it runs on", async () => {
    const { engines } = JSON.parse(await inPackage("package.json")) as {
      engines: { node: string };
    };
    const oldest = `${engines.node.replace(">=", "")}.0`;
    const node = await oldNode(oldest);
    const file = path.join(project, "node_modules/crossrole/bundle/crossrole.js");
    await using machine = await startMachine();
    const options = { ...machine, command: [node, file] as const };
    const args = ["credential-process", ...machine.role, "--region", "eu-west-1"];
    await using program = new Program(args, options);
    const { code, stdout, stderr } = await program.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ AccessKeyId: machine.sts.issued[0]?.accessKeyId });
    expect(await run([node, "--version"])).toBe(`v${oldest}\n`);
  });

  it("runs by npx, without a registry", async () => {
    const env = { ...process.env, npm_config_offline: "true" };
    const { version } = JSON.parse(await inPackage("package.json")) as { version: string };
    expect(await npm(["exec", "--no", "--", "crossrole", "--version"], project, env)).toBe(
      `${version}\n`,
    );
  });
});

describe("the library", () => {
  it("serves a role to a child, whose environment leads nowhere else", async () => {
    await using machine = await startMachine();
    await writeFile(
      path.join(project, "serves.mjs"),
      `import { execFile } from "node:child_process";
       import { promisify } from "node:util";
       import { startCrossrole } from "crossrole";
       await using crossrole = await startCrossrole(JSON.parse(process.env.OPTIONS));
       const options = { env: crossrole.env, timeout: 20_000 };
       process.stdout.write((await promisify(execFile)(process.execPath, [process.env.CLIENT], options)).stdout);\n`,
    );
    const options = { roleArn: READER, region: "eu-west-1", stsEndpoint: machine.sts.url };
    const env = { ...machine.env, CLIENT, OPTIONS: JSON.stringify(options) };
    const key = () => machine.sts.issued.at(-1)?.accessKeyId;
    expect(await runInProject("serves.mjs", env)).toBe(`no key orders-reader ${key()}\n`);
    // The same, by a configuration and keys that are given to it.
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = machine.env;
    const config = { roles: { other: { arn: READER } }, sts: { endpoint: machine.sts.url } };
    const environment = { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION: "eu-west-1" };
    const given = { ...machine.bareEnv, CLIENT, OPTIONS: JSON.stringify({ config, environment }) };
    expect(await runInProject("serves.mjs", given)).toBe(`no key other ${key()}\n`);
  });

  it("refuses with the one line of the command line, and leaves nothing open", async () => {
    await using machine = await startMachine();
    machine.sts.addRole({ arn: READER, trusts: ["arn:aws:iam::999999999999:root"] });
    await writeFile(
      path.join(project, "refused.mjs"),
      `import { startCrossrole } from "crossrole";
       for (const options of JSON.parse(process.env.OPTIONS)) {
         await startCrossrole(options).catch((error) => console.log(error.code, error.message));
       }\n`,
    );
    const options = [
      { roleArn: READER, region: "eu-west-1", stsEndpoint: machine.sts.url },
      { roleArn: "orders-reader" },
      { config: { rolls: {} } },
    ];
    const env = { ...machine.env, OPTIONS: JSON.stringify(options) };
    const [denied, invalid, unknown] = (await runInProject("refused.mjs", env)).split("\n");
    expect(denied).toMatch(/^ERR_ROLE_DENIED .*is not authorized to perform/);
    expect(invalid).toMatch(/^ERR_CONFIG_INVALID /);
    expect(unknown).toMatch(/^ERR_CONFIG_INVALID config has /);
  });

  it.each([
    ["with Node's types", ["node"]],
    ["without them", []],
  ])("compiles with --strict and no skipLibCheck, %s", async (_, types) => {
    const folder = path.join(project, "node_modules", "@types");
    await rm(folder, { recursive: true, force: true });
    if (types.length > 0) {
      for (const name of ["@types", "undici-types"]) {
        const from = path.join(ROOT, "node_modules", name);
        await (name === "@types"
          ? cp(path.join(from, "node"), path.join(folder, "node"), { recursive: true })
          : symlink(from, path.join(project, "node_modules", name)));
      }
    }
    await writeFile(
      path.join(project, "typed.ts"),
      `import { startCrossrole } from "crossrole";
       import type { Crossrole } from "crossrole";
       export async function use(): Promise<string> {
         await using one: Crossrole = await startCrossrole({ roleArn: "arn", via: ["arn"] });
         const env: Record<string, string> = one.env;
         // @ts-expect-error: neither a role nor a configuration
         await startCrossrole({ region: "eu-west-1" });
         await one.close();
         return one.url + Object.keys(env).join();
       }\n`,
    );
    const flags = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022"];
    const lib = ["--lib", "es2022", "--types", types.join()];
    const tsc = path.join(ROOT, "node_modules", ".bin", "tsc");
    const compile = promisify(execFile)(tsc, [...flags, ...lib, "typed.ts"], { cwd: project });
    const { stdout } = await compile.catch((error: unknown) => error as { stdout: string });
    expect(stdout).toBe("");
  });
});

describe("the bill of materials", () => {
  it("names each package whose code is in the bundle, with its licence and hash", async () => {
    const bom = JSON.parse(await inPackage("bundle/sbom.cdx.json")) as Bom;
    const { version } = JSON.parse(await inPackage("package.json")) as { version: string };
    expect(bom).toMatchObject({
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      metadata: { component: { type: "application", name: "crossrole", version } },
    });
    const licences = await inPackage("bundle/THIRD-PARTY-LICENSES.txt");
    const listed = [...licences.matchAll(/^ {2}(\S+) (\S+) \((.+)\)$/gm)].map(
      ([, name, of, licence]) => ({ name, version: of, licence }),
    );
    expect(bom.components.map(({ name, version: of }) => ({ name, version: of }))).toEqual(
      listed.map(({ name, version: of }) => ({ name, version: of })),
    );
    for (const wanted of ["@aws-sdk/client-sts", "commander", "hono", "pino", "yaml", "zod"])
      expect(listed.map(({ name }) => name)).toContain(wanted);
    for (const { name, purl, hashes, licenses } of bom.components) {
      expect(purl).toContain(`pkg:npm/${name.replace("@", "%40")}@`);
      expect(hashes).toMatchObject([{ alg: "SHA-512" }]);
      expect(licenses).toHaveLength(1);
    }
    // Each of them is reached from crossrole.
    const dependencies = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const visit = (ref: string) => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const next of dependencies.get(ref) ?? []) visit(next);
    };
    visit(`crossrole@${version}`);
    expect(bom.components.filter((one) => !reached.has(one["bom-ref"]))).toEqual([]);
  });

  it("leaves out what the project is only developed with", async () => {
    const text = await inPackage("bundle/sbom.cdx.json");
    for (const name of ["vitest", "typescript", "oxlint", "esbuild", "fast-check"])
      expect(text).not.toContain(`"${name}"`);
  });
});

interface Bom {
  readonly components: readonly {
    readonly "bom-ref": string;
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly hashes: readonly object[];
    readonly licenses: readonly object[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
