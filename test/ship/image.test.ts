/** The image: built by buildah, started with a read-only root and as a user without any right. */
import { createHash } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { parse } from "yaml";
import { request, tokenFrom } from "../support/http.ts";
import { eventually, Program, READER, startMachine } from "../support/program.ts";
import type { Machine, StartOptions } from "../support/program.ts";
import { BUNDLE, CLIENT, ROOT } from "./bundled.ts";
import { inNetworkOf, runContainer, signalFirst, startContainer } from "./container.ts";
import { buildImage } from "./image.ts";
import type { Image } from "./image.ts";

const LIST = "/latest/meta-data/iam/security-credentials/";

let image: Image;

beforeAll(async () => {
  image = await buildImage(inject("debian"));
});

afterAll(() => image?.[Symbol.asyncDispose]());

/** Every file of the image, links and folders too. */
async function tree() {
  const names = await readdir(image.root, { recursive: true });
  return await Promise.all(
    names.map(async (name) => ({ name, ...pick(await lstat(path.join(image.root, name))) })),
  );
}

function pick(stats: Awaited<ReturnType<typeof lstat>>) {
  const { mode, uid } = stats;
  return {
    mode: Number(mode),
    uid: Number(uid),
    isFile: stats.isFile(),
    isLink: stats.isSymbolicLink(),
  };
}

async function hash(folder: string, name: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path.join(folder, name)))
    .digest("hex");
}

function keysOf({ env }: Machine): Record<string, string | undefined> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_EC2_METADATA_DISABLED } = env;
  return { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_EC2_METADATA_DISABLED };
}

describe("what is in the image", () => {
  it("is told by its labels, of this version", async () => {
    const text = await readFile(path.join(ROOT, "package.json"), "utf8");
    const { version, license, description } = JSON.parse(text) as Record<string, string>;
    expect(image.config.Labels).toMatchObject({
      "org.opencontainers.image.title": "crossrole",
      "org.opencontainers.image.description": description,
      "org.opencontainers.image.licenses": license,
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.revision": "of-a-test",
    });
  });

  it("is run as nobody of the machine, and starts crossrole", () => {
    expect(image.config).toMatchObject({
      User: "65532:65532",
      Entrypoint: ["crossrole"],
      Cmd: ["serve"],
    });
  });

  it("are four programs, the bundle and libraries: no shell, no package manager", async () => {
    const programs = (await tree()).filter(
      ({ name, mode, isFile }) =>
        isFile && (mode & 0o111) !== 0 && !/^lib(?:64)?\//.test(name) && !name.includes(".so"),
    );
    expect(programs.map(({ name }) => name).toSorted()).toEqual([
      "opt/crossrole/crossrole.js",
      "usr/bin/env",
      "usr/bin/ip",
      "usr/local/bin/node",
      "usr/sbin/nft",
    ]);
  });

  it("can be changed by root alone, and gives nobody another's rights", async () => {
    const files = (await tree()).filter(({ isLink }) => !isLink);
    const special = files.filter(({ mode }) => (mode & 0o6000) !== 0);
    expect(special).toEqual([]);
    const writable = files.filter(({ mode, uid }) => uid !== 0 || (mode & 0o022) !== 0);
    expect(writable.map(({ name }) => name).toSorted()).toEqual(["run/crossrole", "tmp"]);
  });

  it("is the bundle of the npm package, byte for byte", async () => {
    const names = (await readdir(BUNDLE, { recursive: true })).filter((name) =>
      name.endsWith(".js"),
    );
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      const inImage = path.join(image.root, "opt/crossrole");
      expect(`${name} ${await hash(inImage, name)}`).toBe(`${name} ${await hash(BUNDLE, name)}`);
    }
  });

  it("is known to a scanner: Debian's packages by their status, and their licences", async () => {
    const packages = await readdir(path.join(image.root, "var/lib/dpkg/status.d"));
    expect(packages).toEqual(
      expect.arrayContaining(["nftables", "iproute2", "libc6", "coreutils"]),
    );
    for (const name of packages) {
      const status = path.join(image.root, "var/lib/dpkg/status.d", name);
      expect(await readFile(status, "utf8")).toMatch(/^Version: /m);
      await lstat(path.join(image.root, "usr/share/doc", name, "copyright"));
    }
    await lstat(path.join(image.root, "opt/crossrole/sbom.cdx.json"));
  });
});

describe("a container of the image", () => {
  it("answers on a read-only root, as the first process, without any right, until SIGTERM", async () => {
    await using machine = await startMachine();
    const command = ["crossrole", "serve", ...machine.role, "--listen", "127.0.0.1:0"];
    await using container = startContainer(image, [...command, "--region", "eu-west-1"], {
      env: { ...keysOf(machine), CROSSROLE_LOG_LEVEL: "info" },
    });
    await container.printed("AWS_EC2_METADATA_SERVICE_ENDPOINT=");
    const url = /http:\S+/.exec(container.stdout)?.[0] ?? "";
    // Of another user than the container's: refused, though the address can be reached.
    expect((await request(url, "/latest/api/token", { method: "PUT" })).body).toBe("");
    await container.logged("ERR_CALLER_UNKNOWN");
    signalFirst(container, "SIGTERM");
    expect(await container.ended).toMatchObject({ code: 0 });
    expect(container.stderr).not.toMatch(/compile|EROFS|EACCES/);
  });

  it("gives whoever reaches it the role, where that is the permission", async () => {
    await using machine = await startMachine();
    const config = await machine.write("crossrole.yaml", {
      region: "eu-west-1",
      sts: { endpoint: machine.sts.url },
      roles: { "orders-reader": { arn: READER } },
      listeners: [{ address: "127.0.0.1:0", role: "orders-reader", allowUsers: "any" }],
    });
    await using container = startContainer(
      image,
      [...image.config.Entrypoint, ...image.config.Cmd],
      {
        env: keysOf(machine),
        config,
      },
    );
    await container.printed("AWS_EC2_METADATA_SERVICE_ENDPOINT=");
    const url = /http:\S+/.exec(container.stdout)?.[0] ?? "";
    const headers = { "X-aws-ec2-metadata-token": await tokenFrom(url) };
    const { status, body } = await request(url, `${LIST}orders-reader`, { headers });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ AccessKeyId: machine.sts.issued[0]?.accessKeyId });
  });

  it("has no capability, no new privileges, and cannot write to its root", async () => {
    const code = `
      const { readFileSync, writeFileSync } = require("node:fs");
      const status = readFileSync("/proc/self/status", "utf8");
      const of = (name) => new RegExp("^" + name + ":\\\\s*(\\\\S+)", "m").exec(status)[1];
      console.log(process.pid, of("CapEff"), of("CapPrm"), of("NoNewPrivs"), of("Uid"));
      for (const file of ["/new", "/opt/crossrole/lib/main.js", "/opt/crossrole/compile-cache/new"]) {
        try { writeFileSync(file, ""); console.log("wrote", file); } catch (error) { console.log(error.code); }
      }`;
    const { stdout } = await runContainer(image, ["node", "-e", code]);
    expect(stdout).toMatch(
      /^1 0{16} 0{16} 1 65532\n(?:EROFS|EACCES)\n(?:EROFS|EACCES)\n(?:EROFS|EACCES)\n$/,
    );
  });

  it.each(["65532:65532", "0:0"] as const)(
    "starts with V8's compile cache, as %s",
    async (user) => {
      const env = { NODE_DEBUG_NATIVE: "COMPILE_CACHE" };
      const { stdout, stderr } = await runContainer(image, ["crossrole", "--version"], {
        env,
        user,
      });
      expect(stdout + stderr).toContain("/opt/crossrole/lib/main.js was accepted");
    },
  );

  it("is healthy once its operations listener answers, and not before", async () => {
    await using machine = await startMachine();
    const [kind, ...check] = image.config.Healthcheck.Test;
    expect(kind).toBe("CMD");
    expect((await runContainer(image, check, { ownNetwork: true })).code).toBe(1);
    const config = await machine.write("crossrole.yaml", {
      region: "eu-west-1",
      roles: { "orders-reader": { arn: READER } },
      listeners: [{ address: "127.0.0.1:0", role: "orders-reader" }],
      operations: { address: "127.0.0.1:9910" },
    });
    await using container = startContainer(
      image,
      [...image.config.Entrypoint, ...image.config.Cmd],
      {
        env: keysOf(machine),
        config,
        ownNetwork: true,
      },
    );
    await container.printed("AWS_EC2_METADATA_SERVICE_ENDPOINT=");
    const { code, stderr } = await runBeside(container, rooted(check));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("has what `crossrole node` needs, and redirects in the network namespace that it is in", async () => {
    const asRoot = { user: "0:0", ownNetwork: true, longestMs: 60_000 } as const;
    const code = `
      const { execFileSync } = require("node:child_process");
      const run = (...args) => console.log(execFileSync("crossrole", ["node", ...args], { encoding: "utf8" }));
      run("install"); run("verify"); run("uninstall");`;
    const { code: exit, stdout, stderr } = await runContainer(image, ["node", "-e", code], asRoot);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
    expect(stdout).toContain("guard and redirect are in place");
    expect(stdout).toContain("removed ");
  });
});

function execOf(machine: Machine, code: string): string[] {
  const role = [...machine.role, "--region", "eu-west-1"];
  return ["crossrole", "exec", ...role, "--", "node", "-e", code];
}

describe("exec as the first process", () => {
  it("ends with the exit code of its command", async () => {
    await using machine = await startMachine();
    const { code } = await runContainer(image, execOf(machine, "process.exit(7)"), {
      env: keysOf(machine),
    });
    expect(code).toBe(7);
  });

  it("passes SIGTERM on, and ends as its command does", async () => {
    await using machine = await startMachine();
    const waits =
      "process.on('SIGTERM', () => process.exit(9)); setInterval(() => 0, 9e5); console.log('up')";
    await using container = startContainer(image, execOf(machine, waits), {
      env: keysOf(machine),
    });
    await container.printed("up");
    signalFirst(container, "SIGTERM");
    expect((await container.ended).code).toBe(9);
  });

  it("ends by SIGTERM while it still waits for STS, as any other process would", async () => {
    await using machine = await startMachine();
    machine.sts.fault({ kind: "blackHole" });
    await using container = startContainer(image, execOf(machine, ""), { env: keysOf(machine) });
    await machine.sts.called(1);
    signalFirst(container, "SIGTERM");
    expect((await container.ended).code).toBe(143);
  });
});

describe("the services of deploy/compose", () => {
  interface Compose {
    readonly services: Readonly<
      Record<
        "network" | "crossrole" | "app",
        {
          readonly command?: readonly string[];
          readonly entrypoint?: readonly string[];
          readonly environment?: Readonly<Record<string, string>>;
        }
      >
    >;
  }

  it("serve the application in the network of the third, which ends when it is told to", async () => {
    const folder = path.join(ROOT, "deploy", "compose");
    const text = await readFile(path.join(folder, "compose.yaml"), "utf8");
    const { services } = parse(text) as Compose;
    await using owner = startContainer(image, services.network.entrypoint ?? [], {
      ownNetwork: true,
    });
    await eventually(async () => {
      expect((await runBeside(owner, ["ip", "link", "show", "lo", "up"])).stdout).toContain("lo");
    });
    await using sts = new Program([path.join(ROOT, "test/ship/sts-process.ts")], {
      command: [...beside(owner), process.execPath],
    });
    await sts.printed("}");
    const { accessKeyId, secretAccessKey } = JSON.parse(sts.stdout) as Record<string, string>;
    const env = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      CROSSROLE_STS_ENDPOINT: "http://127.0.0.1:9912",
    };
    const { Entrypoint, Healthcheck } = image.config;
    await using crossrole = startContainer(
      image,
      [...Entrypoint, ...(services.crossrole.command ?? [])],
      { env, networkOf: owner, config: path.join(folder, "crossrole", "crossrole.yaml") },
    );
    await crossrole.printed("AWS_EC2_METADATA_SERVICE_ENDPOINT=");
    expect((await runBeside(owner, rooted(Healthcheck.Test.slice(1)))).code).toBe(0);
    const client = [process.execPath, CLIENT];
    const asked = await runBeside(owner, client, { env: services.app.environment ?? {} });
    expect(asked.stdout).toMatch(/^no key orders-reader ASIA\w+EXAMPLE\n$/);
    signalFirst(owner, "SIGTERM");
    expect((await owner.ended).code).toBe(0);
  });
});

function beside(container: Program): [string, ...string[]] {
  const [first = "", ...others] = inNetworkOf(container);
  return [first, ...others];
}

/** On the root of the image. */
function rooted(command: readonly string[]): string[] {
  const { User, Env } = image.config;
  return ["chroot", `--userspec=${User}`, image.root, "/usr/bin/env", "-i", ...Env, ...command];
}

/** Runs a command in the network of a container. */
async function runBeside(
  container: Program,
  command: readonly string[],
  options: StartOptions = {},
) {
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...options.env };
  await using program = new Program(command, { env, command: beside(container) });
  return await program.ended;
}
