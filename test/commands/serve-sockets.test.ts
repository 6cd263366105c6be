import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { request, tokenFrom } from "../support/http.ts";
import { READER, Program, eventually, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const HOLDER = fileURLToPath(new URL("../support/socket-holder.ts", import.meta.url));
const ROLES = "/latest/meta-data/iam/security-credentials/";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine[Symbol.asyncDispose]());

/** `crossrole serve` behind sockets that somebody else has opened. */
class Activated implements AsyncDisposable {
  output = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(file: string, addresses: readonly string[], times = 1) {
    const command = [process.execPath, MAIN, "serve", "--config", file];
    this.#child = spawn(
      process.execPath,
      [HOLDER, String(times), addresses.join(","), ...command],
      // A process group of its own, so that its daemon ends with it.
      { env: { ...machine.env }, cwd: machine.directory, detached: true },
    );
    const print = (chunk: string) => (this.output += chunk);
    this.#child.stdout?.setEncoding("utf8").on("data", print);
    this.#child.stderr?.setEncoding("utf8").on("data", print);
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", resolve);
    });
  }

  /** Waits until `text` has been printed `times` times. */
  async printed(text: string, times = 1): Promise<void> {
    await eventually(() => {
      if (this.output.split(text).length <= times) throw new Error(`no ${text} in ${this.output}`);
    });
  }

  signal(name: NodeJS.Signals): void {
    const pids = [...this.output.matchAll(/^pid (\d+)$/gm)];
    process.kill(Number(pids.at(-1)?.[1]), name);
  }

  /** The exit code of the last daemon, and what it has said besides its log. */
  async ended() {
    const code = await this.#ended;
    const lines = this.output.split("\n").filter((line) => line.startsWith("crossrole: "));
    return { code, lines };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null)
      process.kill(-pid, "SIGKILL");
    await this.#ended;
  }
}

function config(name: string, listeners: readonly object[], more: object = {}): Promise<string> {
  const roles = { reader: { arn: READER } };
  const sts = { endpoint: machine.sts.url };
  return machine.write(`${name}.json`, { region: "eu-west-1", sts, roles, listeners, ...more });
}

async function rolesAt(url: string): Promise<string> {
  const headers = { "X-aws-ec2-metadata-token": await tokenFrom(url) };
  return (await request(url, ROLES, { headers })).body;
}

describe.concurrent("serve, with sockets that were passed to it", () => {
  it("answers at those, by their addresses, and binds the others itself", async () => {
    const [four, six, own] = [await freePort(), await freePort("::1"), await freePort()];
    const addresses = [`127.0.0.1:${four}`, `[::1]:${six}`, `127.0.0.1:${own}`];
    const listeners = addresses.map((address) => ({ address, role: "reader" }));
    const file = await config("passed", listeners);
    await using serve = new Activated(file, [`[::1]:${six}`, `127.0.0.1:${four}`]);
    await serve.printed("export", 3);

    for (const address of addresses) expect(await rolesAt(`http://${address}`)).toBe("reader");
  });

  it("answers whoever has come before it was there", async () => {
    const port = await freePort();
    const listeners = [{ address: `127.0.0.1:${port}`, role: "reader" }];
    await using serve = new Activated(await config("early", listeners), [`127.0.0.1:${port}`]);
    await serve.printed("pid ");

    expect(await rolesAt(`http://127.0.0.1:${port}`)).toBe("reader");
    expect(serve.output).toContain("listening");
  });

  it("takes an operations address of them too, and localhost by its name", async () => {
    const [data, operations] = [await freePort(), await freePort()];
    const file = await config("operations", [{ address: `localhost:${data}`, role: "reader" }], {
      operations: { address: `127.0.0.1:${operations}` },
    });
    const addresses = [`127.0.0.1:${data}`, `127.0.0.1:${operations}`];
    await using serve = new Activated(file, addresses);
    await serve.printed("export");

    const health = await request(`http://127.0.0.1:${operations}`, "/healthz");

    expect(health.status).toBe(200);
    expect(await rolesAt(`http://127.0.0.1:${data}`)).toBe("reader");
  });

  it("ends with 1 and one line when one of them is no listener's, and names all of them", async () => {
    const [known, unknown] = [await freePort(), await freePort()];
    const file = await config("unknown", [{ address: `127.0.0.1:${known}`, role: "reader" }]);
    await using serve = new Activated(file, [`127.0.0.1:${known}`, `127.0.0.1:${unknown}`]);

    const { code, lines } = await serve.ended();

    expect(code).toBe(1);
    expect(lines).toEqual([
      "crossrole: no listener of the configuration has the address of a socket that was passed: " +
        `127.0.0.1:${unknown} (socket-1, fd 4); listeners are 127.0.0.1:${known}`,
    ]);
  });

  it("is followed by another one at the same sockets, and nobody is refused in between", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const file = await config("followed", [{ address: `127.0.0.1:${port}`, role: "reader" }]);
    await using serve = new Activated(file, [`127.0.0.1:${port}`], 2);
    await serve.printed("export");

    serve.signal("SIGTERM");
    await serve.printed("stopping");
    const between = await Promise.all(Array.from({ length: 20 }, () => rolesAt(url)));
    const headers = { Connection: "keep-alive" };
    const { headers: answered } = await request(url, "/", { headers });

    expect(new Set(between)).toEqual(new Set(["reader"]));
    // The one that ends would say close.
    expect(answered.connection).toBe("keep-alive");
    await serve.printed("pid ", 2);
  });

  it("lets no client wait at one that a reload has no listener for, and answers there when one comes back", async () => {
    const [stays, goes] = [await freePort(), await freePort()];
    const both = [stays, goes].map((port) => ({ address: `127.0.0.1:${port}`, role: "reader" }));
    const file = await config("reloaded", both);
    await using serve = new Activated(file, [`127.0.0.1:${stays}`, `127.0.0.1:${goes}`]);
    await serve.printed("export", 2);

    await config("reloaded", both.slice(0, 1));
    await eventually(async () => {
      await expect(rolesAt(`http://127.0.0.1:${goes}`)).rejects.toThrow(/hang up|ECONNRESET/);
    });
    expect(await rolesAt(`http://127.0.0.1:${stays}`)).toBe("reader");

    await config("reloaded", both);
    await eventually(async () => {
      expect(await rolesAt(`http://127.0.0.1:${goes}`)).toBe("reader");
    });
  });
});

describe.concurrent("serve, without sockets that are meant for it", () => {
  it("binds its address itself, whatever another process was told", async () => {
    const port = await freePort();
    const file = await config("other", [{ address: `127.0.0.1:${port}`, role: "reader" }]);
    await using serving = started(file, { LISTEN_PID: "1", LISTEN_FDS: "1" });
    await serving.printed("export AWS_");

    expect(await rolesAt(`http://127.0.0.1:${port}`)).toBe("reader");
  });
});

function started(file: string, more: Readonly<Record<string, string>> = {}): Program {
  return new Program(["serve", "--config", file], { env: { ...machine.env, ...more } });
}

function shared(port: number) {
  return { address: `127.0.0.1:${port}`, role: "reader", reusePort: true };
}

describe.concurrent("reusePort", () => {
  it("lets a second serve answer beside the first one, which may end", async () => {
    const port = await freePort();
    const file = await config("shared", [shared(port)]);
    await using first = started(file);
    await using second = started(file);
    await Promise.all([first, second].map((each) => each.printed("export AWS_")));
    first.signal("SIGTERM");
    expect(await first.ended).toMatchObject({ code: 0 });

    expect(await rolesAt(`http://127.0.0.1:${port}`)).toBe("reader");
  });

  it("lets a client be right with the token in the file, whichever of them answers it", async () => {
    const port = await freePort();
    const token = `${machine.directory}/shared.token`;
    const roles = { reader: { arn: READER, authorizationToken: { file: token } } };
    const file = await config("shared-token", [shared(port)], { roles });
    const ask = async () => {
      const headers = { authorization: await readFile(token, "utf8") };
      return await request(`http://127.0.0.1:${port}`, "/container/reader", { headers });
    };
    await using first = started(file);
    await first.printed("export AWS_");
    await eventually(async () => expect((await ask()).status).toBe(200));
    await using second = started(file);
    await second.printed("export AWS_");
    // Each connection goes to one of them by its client's port: of fifty, some to either.
    const answers = await Promise.all(Array.from({ length: 50 }, ask));

    expect(answers.map(({ status }) => status)).not.toContain(401);
  });

  it.each([
    ["the first one has not said so", false, true],
    ["the second one has not said so", true, false],
  ])("is refused when %s: two daemons by mistake are an error", async (what, first, second) => {
    const port = await freePort();
    const name = what.replaceAll(" ", "-");
    const listener = (reusePort: boolean) => [{ ...shared(port), reusePort }];
    await using running = started(await config(`${name}-1`, listener(first)));
    await running.printed("export AWS_");
    await using other = started(await config(`${name}-2`, listener(second)));
    const { code, stderr } = await other.ended;

    expect(code).toBe(1);
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}: another process has this port`);
  });
});
