import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { METADATA_URL, METADATA_URL_6, REAL, answerOf, nodeNetwork } from "./namespaces.ts";
import type { NodeNetwork } from "./namespaces.ts";
import type { Namespace } from "./namespaces-namespace.ts";
import { testCgroup } from "./namespaces-cgroup.ts";
import type { TestCgroup } from "./namespaces-cgroup.ts";
import { crossroleIn } from "./namespaces-program.ts";
import type { CrossroleEnd } from "./namespaces-program.ts";

const DAEMON = "the daemon";
const BOTH = [METADATA_URL, METADATA_URL_6];

/** As the kubelet's systemd driver names them. */
const POD =
  "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod11111111_aaaa_4bbb_8ccc_000000000001.slice";
const OWN_POD = "kubepods.slice/kubepods-pod22222222_aaaa_4bbb_8ccc_000000000002.slice";
const OWN_CONTAINER = `${OWN_POD}/cri-containerd-0123456789abcdef.scope`;
const SIBLING_CONTAINER = `${OWN_POD}/cri-containerd-fedcba9876543210.scope`;

let network: NodeNetwork;
let cgroup: TestCgroup;
beforeEach(async () => {
  cgroup = await testCgroup();
  for (const name of [POD, OWN_CONTAINER, SIBLING_CONTAINER]) await cgroup.make(name);
  network = await nodeNetwork();
});
afterEach(async () => {
  await network[Symbol.asyncDispose]();
  await cgroup[Symbol.asyncDispose]();
});

function hostNetworkOptions(): string[] {
  return ["--host-network-pods", "--pods-cgroup", `${cgroup.name}/kubepods.slice`];
}

async function node(
  args: readonly string[],
  behind: readonly string[] = [],
): Promise<CrossroleEnd> {
  return await crossroleIn(network.node, ["node", ...args], { behind });
}

async function install(behind?: readonly string[], ...more: readonly string[]): Promise<void> {
  const args = ["install", ...hostNetworkOptions(), ...more];
  expect(await node(args, behind)).toMatchObject({ code: 0, errors: [] });
  await network.node.listen(DAEMON, ["169.254.171.254", "fd00:ec2:fa11::254"], 51679);
}

/** A process on the node's own network, in the group of `name`. */
async function processOf(name: string): Promise<Namespace> {
  const process = await network.processIn(network.node);
  await cgroup.add(process.pid, name);
  return process;
}

async function serversFor(process: Namespace): Promise<(string | undefined)[]> {
  return await Promise.all(BOTH.map(async (url) => answerOf(await process.ask(url)).server));
}

describe("--host-network-pods", () => {
  it("brings pods on the node's own network to the daemon, and not the node's processes", async () => {
    const pod = await processOf(POD);
    expect(await serversFor(pod)).toEqual([REAL, REAL]);
    await install();

    expect(await serversFor(pod)).toEqual([DAEMON, DAEMON]);
    expect(await serversFor(network.node)).toEqual([REAL, REAL]);
    expect(await serversFor(network.routedPod.namespace)).toEqual([DAEMON, DAEMON]);
    expect(await node(["verify", ...hostNetworkOptions()])).toMatchObject({ code: 0 });
  });

  it("without it such pods are left alone", async () => {
    const pod = await processOf(POD);
    expect(await node(["install"])).toMatchObject({ code: 0 });

    expect(await serversFor(pod)).toEqual([REAL, REAL]);
  });

  it("refuses them while the daemon is down, when the redirect is gone, and on an old connection", async () => {
    const pod = await processOf(POD);
    const kept = () => pod.ask(METADATA_URL, { connection: "kept" });
    expect(answerOf(await kept()).server).toBe(REAL);
    await install();
    const refused = { error: "ECONNREFUSED" };

    expect(await kept()).toMatchObject({ error: "ECONNRESET" });
    expect(answerOf(await kept()).server).toBe(DAEMON);
    await network.node.closeServers();
    for (const url of BOTH) expect(await pod.ask(url)).toMatchObject(refused);
    await network.node.run(["nft", "delete", "table", "inet", "crossrole_nat"]);
    for (const url of BOTH) expect(await pod.ask(url)).toMatchObject(refused);
    expect(await serversFor(network.node)).toEqual([REAL, REAL]);
  });

  it("leaves every container of the own pod alone, as the daemon may be in another one", async () => {
    const daemon = await processOf(SIBLING_CONTAINER);
    const pod = await processOf(POD);
    await install(cgroup.behind(OWN_CONTAINER));

    expect(await serversFor(daemon)).toEqual([REAL, REAL]);
    expect(await serversFor(pod)).toEqual([DAEMON, DAEMON]);
    const verify = ["verify", ...hostNetworkOptions()];
    expect(await node(verify, cgroup.behind(OWN_CONTAINER))).toMatchObject({ code: 0 });
    expect(await node(verify)).toMatchObject({ code: 1 });
  });

  it("leaves alone what --exclude-cgroup names, and nothing else then", async () => {
    const named = await processOf(POD);
    const other = await processOf(SIBLING_CONTAINER);
    await install(cgroup.behind(OWN_CONTAINER), "--exclude-cgroup", `/${cgroup.name}/${POD}`);

    expect(await serversFor(named)).toEqual([REAL, REAL]);
    expect(await serversFor(other)).toEqual([DAEMON, DAEMON]);
  });

  it("says which group is missing, and changes nothing", async () => {
    const gone = `${cgroup.name}/kubepods`;
    const args = ["install", "--host-network-pods", "--pods-cgroup", gone];
    const { code, errors } = await node(args);

    expect(code).toBe(1);
    expect(errors).toEqual([expect.stringContaining(`there is no cgroup ${gone} below `)]);
    expect(await network.node.run(["nft", "list", "ruleset"])).toBe("");
  });

  it("refuses to run in a cgroup namespace of its own, where the rules would match nothing", async () => {
    const { code, errors } = await node(
      ["install", ...hostNetworkOptions()],
      [...cgroup.behind(OWN_CONTAINER), "unshare", "--cgroup", "--"],
    );

    expect(code).toBe(1);
    expect(errors).toEqual([
      expect.stringMatching(/needs the node's own cgroup namespace.*privileged: true/),
    ]);
    expect(await network.node.run(["nft", "list", "ruleset"])).toBe("");
  });

  it("is a difference when the kubelet has made the pods' group anew", async () => {
    await using other = await testCgroup();
    await other.make("kubepods.slice");
    const options = ["--host-network-pods", "--pods-cgroup", `${other.name}/kubepods.slice`];
    expect(await node(["install", ...options])).toMatchObject({ code: 0 });
    await other.remake("kubepods.slice");
    const pod = await network.processIn(network.node);
    await other.add(pod.pid, "kubepods.slice");
    await network.node.listen(DAEMON, ["169.254.171.254", "fd00:ec2:fa11::254"], 51679);

    expect(await serversFor(pod)).toEqual([REAL, REAL]);
    expect(await node(["verify", ...options])).toMatchObject({ code: 1 });
    expect(await node(["install", ...options])).toMatchObject({ code: 0 });
    expect(await serversFor(pod)).toEqual([DAEMON, DAEMON]);
    await pod[Symbol.asyncDispose]();
  });
});
