import { mkdir, mkdtemp, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { procAttest } from "../../src/callers/proc-attest.ts";
import type { AttestPod } from "../../src/callers/proc-attest.ts";
import type { Peer } from "../../src/callers/types.ts";

const A = "11111111-aaaa-bbbb-cccc-000000000001";
const B = "22222222-aaaa-bbbb-cccc-000000000002";

/** 10.0.0.1 port 40000, as the kernel of this kind of machine writes it. */
const ROW = row("0100000A:9C40");

let proc: string;
let attest: AttestPod | undefined;

beforeEach(async () => {
  proc = await mkdtemp(join(tmpdir(), "crossrole-proc-"));
  await addProcess("self", { netns: "net:[1]" });
  await writeFile(
    join(proc, "self/status"),
    "CapPrm:\t0000000000000000\nCapEff:\t0000000000080000\n",
  );
  await addProcess("2", { netns: "net:[1]" });
  await writeFile(join(proc, "2/comm"), "kthreadd\n");
  attest = await procAttest(proc);
});

afterEach(async () => {
  await rm(proc, { recursive: true });
});

function row(local: string, state = "01"): string {
  return `   0: ${local} FEA9FEA9:0050 ${state} 00000000:00000000 00:00000000 00000000  1000        0 123 1 0 20 4 30 10 -1\n`;
}

interface Process {
  readonly netns: string;
  readonly cgroup?: string;
  readonly tcp?: string;
}

async function addProcess(pid: string, { netns, cgroup = "0::/\n", tcp = "" }: Process) {
  await mkdir(join(proc, pid, "ns"), { recursive: true });
  await mkdir(join(proc, pid, "net"), { recursive: true });
  await unlink(join(proc, pid, "ns/net")).catch(() => undefined);
  await symlink(netns, join(proc, pid, "ns/net"));
  await writeFile(join(proc, pid, "cgroup"), cgroup);
  await writeFile(join(proc, pid, "net/tcp"), `  sl  local_address rem_address   st\n${tcp}`);
}

const cgroupfs = (uid: string) => `0::/kubepods/besteffort/pod${uid}/abc\n`;
const systemd = (uid: string) =>
  `0::/kubepods.slice/kubepods-pod${uid.replaceAll("-", "_")}.slice/cri-containerd-abc.scope\n`;

const peer = (address = "10.0.0.1", port = 40_000): Peer => ({
  address,
  port,
  localAddress: "169.254.171.254",
  localPort: 51_679,
  connection: {},
  answered: 0,
});

describe("the kernel's word on a connection", () => {
  it.each([
    ["cgroupfs", cgroupfs],
    ["systemd", systemd],
  ])("is the pod whose namespace holds the socket, by %s's cgroup", async (_, cgroup) => {
    await addProcess("20", { netns: "net:[20]", cgroup: cgroup(A), tcp: ROW });
    await addProcess("30", { netns: "net:[30]", cgroup: cgroup(B) });

    expect((await attest?.(peer()))?.uid).toBe(A);
    expect((await attest?.(peer("::ffff:10.0.0.1")))?.uid).toBe(A);
  });

  it.each([
    ["another port", row("0100000A:9C41")],
    ["another address", row("0200000A:9C40")],
    ["a socket that nobody holds any more", row("0100000A:9C40", "06")],
  ])("is not given for %s", async (_, tcp) => {
    await addProcess("20", { netns: "net:[20]", cgroup: cgroupfs(A), tcp });

    expect((await attest?.(peer()))?.uid).toBeUndefined();
  });

  it("is not given for who is no pod, or shares the node's network", async () => {
    await addProcess("20", { netns: "net:[20]", cgroup: "0::/system.slice\n", tcp: ROW });
    await addProcess("30", { netns: "net:[1]", cgroup: cgroupfs(A), tcp: ROW });

    expect((await attest?.(peer()))?.uid).toBeUndefined();
  });

  it("is not given for a namespace with processes of two pods", async () => {
    await addProcess("20", { netns: "net:[20]", cgroup: cgroupfs(A), tcp: ROW });
    await addProcess("21", { netns: "net:[20]", cgroup: cgroupfs(B), tcp: ROW });

    expect((await attest?.(peer()))?.uid).toBeUndefined();
  });

  it("is not given for a socket that is in the namespaces of two: one has lent itself the address", async () => {
    await addProcess("20", { netns: "net:[20]", cgroup: cgroupfs(A), tcp: ROW });
    await addProcess("10", { netns: "net:[10]", cgroup: cgroupfs(B), tcp: ROW });

    const attested = await attest?.(peer());

    expect(attested?.uid).toBeUndefined();
    expect([A, B, "other"].map((uid) => attested?.sees(uid))).toEqual([true, true, false]);
  });

  it("is the new pod's when a process's number and its namespace's are used again", async () => {
    await addProcess("20", { netns: "net:[20]", cgroup: cgroupfs(A), tcp: ROW });
    expect((await attest?.(peer()))?.uid).toBe(A);

    await addProcess("20", { netns: "net:[20]", cgroup: cgroupfs(B), tcp: ROW });

    expect((await attest?.(peer()))?.uid).toBe(B);
  });

  it("is found where a pod has come since", async () => {
    expect((await attest?.(peer()))?.uid).toBeUndefined();

    await addProcess("20", { netns: "net:[20]", cgroup: cgroupfs(A), tcp: ROW });

    expect((await attest?.(peer()))?.uid).toBe(A);
  });
});

it.each([
  ["the node's processes are not to be seen", "2/comm", "sh\n"],
  ["the capability is missing", "self/status", "CapEff:\t0000000000000000\n"],
])("there is no word of the kernel's where %s", async (_, file, text) => {
  await writeFile(join(proc, file), text);

  expect(await procAttest(proc)).toBeUndefined();
});
