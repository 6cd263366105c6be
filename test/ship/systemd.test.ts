/** The units of deploy/systemd: read by systemd's own checks, and started by a systemd that is the first process. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Booted, treeWithUnits } from "./booted.ts";
import { CLIENT, ROOT } from "./bundled.ts";
import { run } from "../support/tool.ts";

let root: string;

beforeAll(async () => {
  root = await treeWithUnits(inject("debian"));
});

afterAll(() => rm(root, { recursive: true, force: true }));

function inside(...command: string[]): Promise<string> {
  return run(["chroot", root, ...command]);
}

describe("systemd's own checks", () => {
  it("find nothing wrong in the units", async () => {
    await expect(
      inside("systemd-analyze", "verify", "crossrole.service", "crossrole.socket"),
    ).resolves.toBe("");
  });

  it("would find what is wrong", async () => {
    const file = path.join(root, "etc/systemd/system/wrong.service");
    const text = await readFile(path.join(ROOT, "deploy/systemd/crossrole.service"), "utf8");
    await writeFile(file, text.replace("/usr/local/bin/crossrole", "/usr/local/bin/corssrole"));
    await expect(inside("systemd-analyze", "verify", "wrong.service")).rejects.toThrow(
      "corssrole is not executable",
    );
    await rm(file);
  });

  it("rate the service's exposure 1.5 of 10 at most", async () => {
    const unit = "/etc/systemd/system/crossrole.service";
    const flags = ["--no-pager", "--offline=true", "--threshold=15"];
    const table = await inside("systemd-analyze", "security", ...flags, unit);
    expect(table).toMatch(/Overall exposure level for crossrole\.service: 1\.\d OK/);
  });
});

describe("a machine with the units", () => {
  let machine: Booted;
  let sts: ChildProcess;

  beforeAll(async () => {
    const config = path.join(root, "etc/crossrole/crossrole.yaml");
    const text = await readFile(config, "utf8");
    await writeFile(config, `${text}sts: { endpoint: "http://127.0.0.1:9912" }\n`);
    await cp(CLIENT, path.join(root, "opt/client.mjs"));
    const environment = path.join(root, "etc/crossrole/environment");
    await writeFile(environment, "");
    machine = new Booted(root);
    await machine.booted();
    sts = machine.spawnBeside([process.execPath, path.join(ROOT, "test/ship/sts-process.ts")]);
    const [line] = (await once(sts.stdout?.setEncoding("utf8") ?? sts, "data")) as [string];
    const { accessKeyId, secretAccessKey } = JSON.parse(line) as Record<string, string>;
    await writeFile(
      environment,
      `AWS_ACCESS_KEY_ID=${accessKeyId}\nAWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`,
    );
    await chmod(environment, 0o600);
    await machine
      .run(["systemctl", "restart", "crossrole.service"])
      .catch(async (error: unknown) => {
        throw new Error(
          await machine.run(["journalctl", "--no-pager", "--unit=crossrole.service"]),
          {
            cause: error,
          },
        );
      });
  });

  afterAll(async () => {
    sts?.kill("SIGKILL");
    await machine?.[Symbol.asyncDispose]();
  });

  const ask = (user: string) => {
    const url = "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9911";
    const command = ["env", url, "node", "/opt/client.mjs"];
    return machine.run(["setpriv", `--reuid=${user}`, "--clear-groups", ...command]);
  };
  const show = async (property: string) =>
    (
      await machine.run(["systemctl", "show", "--value", "-p", property, "crossrole.service"])
    ).trim();

  it("answers the user that allowUsers names, and no other", async () => {
    await expect(ask("orders")).resolves.toMatch(/^no key orders-reader ASIA\w+EXAMPLE\n$/);
    await expect(ask("other")).rejects.toThrow("Unexpected end of JSON input");
  });

  it("runs it with the kernel's filter on, as its own user, and without any right", async () => {
    const status = await machine.run(["cat", `/proc/${await show("MainPID")}/status`]);
    const uid = (await inside("id", "-u", "crossrole")).trim();
    expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t`, "m"));
    for (const line of ["Seccomp:\t2", "NoNewPrivs:\t1", "CapBnd:\t0000000000000000"])
      expect(status).toContain(line);
    const limits = await machine.run(["cat", `/proc/${await show("MainPID")}/limits`]);
    expect(limits).toMatch(/^Max core file size +0 +0 /m);
  });

  it("has a state directory in memory, for nobody else to read", async () => {
    const stat = await machine.run(["stat", "--format=%U %a", "/run/crossrole"]);
    expect(stat).toBe("crossrole 700\n");
    expect(await machine.run(["stat", "-f", "--format=%T", "/run/crossrole"])).toBe("tmpfs\n");
  });

  it("has V8's compile cache in the folder that systemd makes for it", async () => {
    const found = await machine.run(["ls", "/var/cache/crossrole/crossrole"]);
    expect(found).toMatch(/^v24/);
  });

  it("holds the socket: who asks while the service is killed is answered by the next one", async () => {
    const before = await show("MainPID");
    await machine.run(["systemctl", "kill", "--signal=KILL", "crossrole.service"]);
    await expect(ask("orders")).resolves.toMatch(/^no key orders-reader ASIA/);
    expect(await show("MainPID")).not.toBe(before);
    expect(Number(await show("NRestarts"))).toBe(1);
  });

  it("takes the configuration over anew by reload, without a new process", async () => {
    const before = await show("MainPID");
    await machine.run(["systemctl", "reload", "crossrole.service"]);
    await expect(ask("orders")).resolves.toContain("orders-reader");
    expect(await show("MainPID")).toBe(before);
  });

  it("leaves nothing of its state behind a stop", async () => {
    await machine.run(["systemctl", "stop", "crossrole.socket", "crossrole.service"]);
    expect(await show("Result")).toBe("success");
    await expect(machine.run(["stat", "/run/crossrole"])).rejects.toThrow(
      "No such file or directory",
    );
  });
});
