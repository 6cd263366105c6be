/** The image: built by buildah, started with a read-only root and as a user without any right. */
import { createHash } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { request, tokenFrom } from "../support/http.ts";
import { READER, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";
import { BUNDLE, ROOT } from "./bundled.ts";
import { runContainer, signalFirst, startContainer } from "./container.ts";
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
    const hash = async (folder: string, name: string) =>
      createHash("sha256")
        .update(await readFile(path.join(folder, name)))
        .digest("hex");
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
    expect((await request(url, "/latest/api/token", { method: "PUT" })).status).toBe(403);
    await signalFirst(container, "SIGTERM");
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
    const { code, stderr } = await runBeside(container.pid, check);
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

describe("exec as the first process", () => {
  const command = (machine: Machine, code: string) => [
    ...["crossrole", "exec", ...machine.role, "--region", "eu-west-1", "--", "node", "-e", code],
  ];

  it("ends with the exit code of its command", async () => {
    await using machine = await startMachine();
    const { code } = await runContainer(image, command(machine, "process.exit(7)"), {
      env: keysOf(machine),
    });
    expect(code).toBe(7);
  });

  it("passes SIGTERM on, and ends as its command does", async () => {
    await using machine = await startMachine();
    const waits =
      "process.on('SIGTERM', () => process.exit(9)); setInterval(() => 0, 9e5); console.log('up')";
    await using container = startContainer(image, command(machine, waits), {
      env: keysOf(machine),
    });
    await container.printed("up");
    await signalFirst(container, "SIGTERM");
    expect((await container.ended).code).toBe(9);
  });

  it("ends by SIGTERM while it still waits for STS, as any other process would", async () => {
    await using machine = await startMachine();
    machine.sts.fault({ kind: "blackHole" });
    await using container = startContainer(image, command(machine, ""), { env: keysOf(machine) });
    await machine.sts.called(1);
    await signalFirst(container, "SIGTERM");
    expect((await container.ended).code).toBe(143);
  });
});

/** Runs `check` in the network namespace of a running container, on the root of the image. */
async function runBeside(pid: number, check: readonly string[]) {
  const first = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim();
  const { Program } = await import("../support/program.ts");
  await using program = new Program(
    [
      "chroot",
      `--userspec=${image.config.User}`,
      image.root,
      "/usr/bin/env",
      "-i",
      ...image.config.Env,
      ...check,
    ],
    { command: ["nsenter", "--target", first, "--net"], env: { PATH: "/usr/sbin:/usr/bin" } },
  );
  return await program.ended;
}
