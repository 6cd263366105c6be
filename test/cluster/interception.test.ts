import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { METADATA_URL, METADATA_URL_6, REAL, answerOf, nodeNetwork } from "./namespaces.ts";
import type { NodeNetwork, Pod } from "./namespaces.ts";
import type { Namespace } from "./namespaces-namespace.ts";
import { crossroleIn } from "./namespaces-program.ts";
import type { CrossroleEnd } from "./namespaces-program.ts";

const LISTENER = "169.254.171.254";
const LISTENER_6 = "fd00:ec2:fa11::254";
const DAEMON = "the daemon";
/** What the impatient clients wait, and before anything is sent a second time. */
const AT_ONCE_MS = 1_000;

let network: NodeNetwork;
beforeEach(async () => {
  network = await nodeNetwork();
});
afterEach(() => network[Symbol.asyncDispose]());

/** `crossrole node`; it has to end with 0. */
async function node(...args: readonly string[]): Promise<string> {
  const { code, stdout, errors } = await crossroleIn(network.node, ["node", ...args]);
  expect({ code, errors }).toEqual({ code: 0, errors: [] });
  return stdout;
}

/** Interception, and a daemon that answers where the real one would. */
async function intercept(...args: readonly string[]): Promise<void> {
  await node("install", ...args);
  await startDaemon();
}

async function startDaemon(): Promise<void> {
  await network.node.listen(DAEMON, [LISTENER, LISTENER_6], 51679);
}

async function ruleset(): Promise<string> {
  return await network.node.run(["nft", "--stateless", "list", "ruleset"]);
}

async function countersOf(...args: readonly string[]): Promise<Record<string, number>> {
  const { counters } = JSON.parse(await node("verify", "--json", ...args));
  return counters;
}

async function verify(...args: readonly string[]): Promise<CrossroleEnd> {
  return await crossroleIn(network.node, ["node", "verify", ...args]);
}

async function serverOf(namespace: Namespace, url: string): Promise<string | undefined> {
  return answerOf(await namespace.ask(url)).server;
}

async function expectRefusal(pod: Pod, url: string): Promise<void> {
  const reply = await pod.namespace.ask(url);
  expect(reply).toEqual({ error: "ECONNREFUSED", elapsedMs: expect.any(Number) });
  expect("elapsedMs" in reply && reply.elapsedMs).toBeLessThan(AT_ONCE_MS);
}

const BOTH = [METADATA_URL, METADATA_URL_6];

describe("a node without interception", () => {
  it("gives every pod its own metadata, which is what there is to prevent", async () => {
    for (const { namespace } of network.everyPod) {
      expect(await serverOf(namespace, METADATA_URL)).toBe(REAL);
      expect(await serverOf(namespace, METADATA_URL_6)).toBe(REAL);
    }
  });
});

describe("a node with interception", () => {
  it("brings bridge and routed pods to the daemon, which sees their own addresses", async () => {
    await intercept();

    for (const { namespace, address, address6 } of network.everyPod) {
      const first = answerOf(await namespace.ask(METADATA_URL));
      const second = answerOf(await namespace.ask(METADATA_URL_6));
      expect(first).toMatchObject({ server: DAEMON, peer: address });
      expect(second).toMatchObject({ server: DAEMON, peer: address6 });
      const token = "http://169.254.169.254/latest/api/token";
      expect(answerOf(await namespace.ask(token, { method: "PUT" }))).toMatchObject({
        server: DAEMON,
        method: "PUT",
      });
    }
  });

  it("leaves the node's own processes alone", async () => {
    await intercept();

    expect(await serverOf(network.node, METADATA_URL)).toBe(REAL);
    expect(await serverOf(network.node, METADATA_URL_6)).toBe(REAL);
    await network.node.closeServers();
    expect(await serverOf(network.node, METADATA_URL)).toBe(REAL);
  });

  it("lets the node reach pods from the same addresses as before, though it has two more", async () => {
    const { namespace, address, address6 } = network.routedPod;
    // As with Calico: no address of the node is nearer to the pod's than the listener's.
    await network.node.ip("address delete fd00:244::1/64 dev cni0");
    await namespace.listen("a pod", [address, address6], 80);
    const urls = [`http://${address}/`, `http://[${address6}]/`];
    const peers = () =>
      Promise.all(urls.map(async (url) => answerOf(await network.node.ask(url)).peer));
    expect(await peers()).toEqual(["192.0.2.1", "2001:db8::1"]);
    await intercept();

    expect(await peers()).toEqual(["192.0.2.1", "2001:db8::1"]);
  });

  it.each([0, 1])(
    "works with br_netfilter %i, and with strict reverse path filtering",
    async (bridgeCalls) => {
      await network.node.sysctl(
        `net.bridge.bridge-nf-call-iptables=${bridgeCalls}`,
        `net.bridge.bridge-nf-call-ip6tables=${bridgeCalls}`,
        "net.ipv4.conf.all.rp_filter=1",
      );
      await intercept("--anti-spoof");

      for (const { namespace, address, address6 } of network.everyPod) {
        const first = answerOf(await namespace.ask(METADATA_URL));
        const second = answerOf(await namespace.ask(METADATA_URL_6));
        expect(first).toMatchObject({ server: DAEMON, peer: address });
        expect(second).toMatchObject({ server: DAEMON, peer: address6 });
      }
      await network.node.run(["nft", "delete", "table", "inet", "crossrole_nat"]);
      for (const pod of network.everyPod) for (const url of BOTH) await expectRefusal(pod, url);
    },
  );

  it("refuses every other port of the metadata service", async () => {
    await intercept();

    for (const { namespace } of network.everyPod) {
      for (const url of ["http://169.254.169.254:8080/", "http://[fd00:ec2::254]:8080/"]) {
        expect(await namespace.ask(url)).toMatchObject({ error: "ECONNREFUSED" });
      }
    }
  });

  it("refuses datagrams for the metadata service too", async () => {
    await intercept();
    const [{ namespace }] = network.pods;
    const program = `
      const socket = require("node:dgram").createSocket("udp4");
      socket.on("error", ({ code }) => { console.log(code); process.exit(); });
      socket.connect(53, "169.254.169.254", () => socket.send("x"));`;

    expect(await namespace.run([process.execPath, "-e", program])).toMatch(/^E(HOST|CONN)/);
  });

  it("ends a connection that was opened to the real one before there were rules", async () => {
    const connections = network.everyPod.flatMap(({ namespace }) =>
      BOTH.map((url) => () => namespace.ask(url, { connection: url })),
    );
    for (const ask of connections) expect(answerOf(await ask()).server).toBe(REAL);
    for (const ask of connections) expect(answerOf(await ask()).server).toBe(REAL);
    await intercept();

    for (const ask of connections) expect(await ask()).toMatchObject({ error: "ECONNRESET" });
    for (const ask of connections) expect(answerOf(await ask()).server).toBe(DAEMON);
  });

  it("keeps a connection to the daemon over a second installation", async () => {
    await intercept();
    const ask = () => network.pods[0].namespace.ask(METADATA_URL, { connection: "kept" });
    expect(answerOf(await ask()).server).toBe(DAEMON);
    await network.node.run(["nft", "delete", "table", "inet", "crossrole_nat"]);
    await node("install");

    expect(answerOf(await ask()).server).toBe(DAEMON);
  });

  it("refuses pods at once while the daemon is down", async () => {
    await intercept();
    await network.node.closeServers();

    for (const pod of network.everyPod) for (const url of BOTH) await expectRefusal(pod, url);
    await startDaemon();
    expect(await serverOf(network.pods[0].namespace, METADATA_URL)).toBe(DAEMON);
  });

  it("refuses pods when the redirect is gone, and counts what would have leaked", async () => {
    await intercept();
    for (const { namespace } of network.everyPod) await namespace.ask(METADATA_URL);
    const before = await countersOf();
    await network.node.run(["nft", "delete", "table", "inet", "crossrole_nat"]);

    for (const pod of network.everyPod) for (const url of BOTH) await expectRefusal(pod, url);
    await node("install");
    expect(before).toMatchObject({ hits4: 3, hits6: 0, leaks4: 0, leaks6: 0 });
    expect(await countersOf()).toMatchObject({ hits4: 0, leaks4: 3, leaks6: 3 });
  });

  it("sends requests nowhere when the listener's address is gone", async () => {
    await intercept();
    await network.outside.ip("address add 169.254.171.254/32 dev lo");
    await network.outside.listen("a neighbour", [LISTENER], 51679);
    await network.node.ip("address delete 169.254.171.254/32 dev lo");

    await expectRefusal(network.routedPod, METADATA_URL);
    // The kernel does not translate a reset that goes back into a bridge, so a pod there hears nothing.
    expect(answerOf(await network.pods[0].namespace.ask(METADATA_URL))).toEqual({});
  });

  it("keeps the listener's own address from pods and from neighbours, until --direct", async () => {
    await intercept();
    await network.outside.ip(`route add ${LISTENER}/32 via 192.0.2.1`);
    const direct = [`http://${LISTENER}:51679/`, `http://[${LISTENER_6}]:51679/`];

    for (const pod of network.everyPod) for (const url of direct) await expectRefusal(pod, url);
    expect(await network.outside.ask(`http://${LISTENER}:51679/`)).toMatchObject({
      error: "ECONNREFUSED",
    });
    expect(await countersOf()).toMatchObject({ direct4: 4, direct6: 3, hits4: 0 });
    await node("install", "--direct");
    for (const { namespace, address, address6 } of network.everyPod) {
      const [first, second] = await Promise.all(direct.map((url) => namespace.ask(url)));
      expect(first && answerOf(first)).toMatchObject({ server: DAEMON, peer: address });
      expect(second && answerOf(second)).toMatchObject({ server: DAEMON, peer: address6 });
    }
  });

  it("redirects EKS Pod Identity's addresses with --pod-identity only", async () => {
    const { namespace } = network.routedPod;
    await intercept();
    const urls = ["http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"];
    const before = await Promise.all(urls.map((url) => serverOf(namespace, url)));
    await node("install", "--pod-identity");

    expect(before).toEqual([undefined, undefined]);
    for (const url of urls) expect(await serverOf(namespace, url)).toBe(DAEMON);
    await network.node.run(["nft", "delete", "table", "inet", "crossrole_nat"]);
    for (const url of urls) await expectRefusal(network.routedPod, url);
  });

  it("only refuses with --guard-only", async () => {
    const said = await node("install", "--guard-only");

    expect(said).toBe("guard: installed\n");
    for (const pod of network.everyPod) for (const url of BOTH) await expectRefusal(pod, url);
    expect(await serverOf(network.node, METADATA_URL)).toBe(REAL);
    await node("verify", "--guard-only");
    expect((await verify()).code).toBe(1);
    await intercept();
    expect(await serverOf(network.pods[0].namespace, METADATA_URL)).toBe(DAEMON);
  });

  it("wins over another program's redirect, and leaves its tables alone", async () => {
    const other = `table ip kube-proxy {
      chain prerouting { type nat hook prerouting priority dstnat; policy accept;
        ip daddr 169.254.169.254 tcp dport 80 dnat to 192.0.2.2:80
      }
    }\n`;
    await network.node.run(["nft", other]);
    const before = await ruleset();
    await intercept();

    expect(await serverOf(network.routedPod.namespace, METADATA_URL)).toBe(DAEMON);
    await node("uninstall");
    expect(await ruleset()).toBe(before);
  });

  it("refuses what another program redirects to the real one under another name", async () => {
    const other = `table ip other {
      chain prerouting { type nat hook prerouting priority dstnat; policy accept;
        ip daddr 203.0.113.7 tcp dport 80 dnat to 169.254.169.254:80
      }
    }\n`;
    await network.node.run(["nft", other]);
    await intercept();

    expect(await serverOf(network.pods[0].namespace, "http://203.0.113.7/")).toBeUndefined();
    await expectRefusal(network.routedPod, "http://203.0.113.7/");
  });
});

describe("--anti-spoof", () => {
  it("serves bridge and routed pods, and drops who borrows an address of another device", async () => {
    await intercept("--anti-spoof");
    const stolen = network.pods[0];
    const thief = network.routedPod.namespace;
    await thief.ip(
      `address add ${stolen.address}/32 dev eth0`,
      `address add ${stolen.address6}/128 dev eth0 nodad`,
    );

    for (const { namespace, address, address6 } of network.everyPod) {
      const first = await namespace.ask(METADATA_URL, { from: address });
      const second = await namespace.ask(METADATA_URL_6, { from: address6 });
      expect(answerOf(first)).toMatchObject({ server: DAEMON, peer: address });
      expect(answerOf(second)).toMatchObject({ server: DAEMON, peer: address6 });
    }
    const replies = await Promise.all([
      thief.ask(METADATA_URL, { from: stolen.address }),
      thief.ask(METADATA_URL_6, { from: stolen.address6 }),
    ]);
    expect(replies.map(answerOf)).toEqual([{}, {}]);
    const counted = await countersOf("--anti-spoof");
    expect(counted["spoofed4"]).toBeGreaterThan(0);
    expect(counted["spoofed6"]).toBeGreaterThan(0);
  });
});

describe("install, verify and uninstall", () => {
  it("install twice is the same as once, and keeps the counters", async () => {
    await intercept();
    const once = await ruleset();
    await network.pods[0].namespace.ask(METADATA_URL);

    expect(await node("install")).toBe(
      "guard: was in place\naddress on lo: was in place\nredirect: was in place\n",
    );
    expect(await ruleset()).toBe(once);
    expect(await countersOf()).toMatchObject({ hits4: 1 });
  });

  it("uninstall restores the node as it was, says what it has removed, and may be repeated", async () => {
    const state = async () => [await ruleset(), await network.node.run(["ip", "-br", "address"])];
    const before = await state();
    await intercept();
    await network.node.closeServers();

    expect(await node("uninstall")).toBe(
      [
        "removed table inet crossrole_nat",
        `removed ${LISTENER}/32 on lo`,
        `removed ${LISTENER_6}/128 on lo`,
        "removed table inet crossrole_guard",
        "",
      ].join("\n"),
    );
    expect(await state()).toEqual(before);
    expect(await node("uninstall")).toBe("there was nothing to remove\n");
    expect(await serverOf(network.pods[0].namespace, METADATA_URL)).toBe(REAL);
  });

  it.each<[string, string[], RegExp]>([
    [
      "a table is gone",
      ["nft", "delete table inet crossrole_guard"],
      /^crossrole: guard: table inet crossrole_guard is not loaded; run crossrole node install/,
    ],
    [
      "a rule is gone",
      ["nft", "flush chain inet crossrole_guard forward"],
      /^crossrole: guard: chain forward lacks: ip daddr 169\.254\.169\.254 /,
    ],
    [
      "somebody has added a rule",
      ["nft", "insert rule inet crossrole_nat prerouting ip saddr 10.244.0.11 accept"],
      /^crossrole: redirect: chain prerouting has what is not ours: ip saddr 10\.244\.0\.11 accept; run /,
    ],
    [
      "somebody has added a chain",
      ["nft", "add chain inet crossrole_nat other"],
      /^crossrole: redirect: chain other is not ours; run/,
    ],
    [
      "the policy is another",
      ["nft", "chain inet crossrole_guard forward { policy drop; }"],
      /^crossrole: guard: chain forward lacks: type filter hook forward priority -10; policy accept;/,
    ],
    [
      "the table sleeps",
      ["nft", "add table inet crossrole_guard { flags dormant; }"],
      /^crossrole: guard: the table has what is not ours: flags dormant/,
    ],
    [
      "an address is gone",
      ["ip", "address", "delete", `${LISTENER_6}/128`, "dev", "lo"],
      /^crossrole: address: fd00:ec2:fa11::254\/128 is not on lo; run/,
    ],
  ])("verify ends with 1 when %s, and install repairs it", async (_, command, line) => {
    await intercept();
    await network.node.run(command);

    const { code, errors, stdout } = await verify();
    expect({ code, first: errors[0] }).toEqual({ code: 1, first: expect.stringMatching(line) });
    expect(stdout).not.toContain("in place");
    const json = await verify("--json");
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ inPlace: false, device: "lo" });
    await node("install");
    await node("verify");
    for (const pod of network.everyPod) {
      expect(await serverOf(pod.namespace, METADATA_URL_6)).toBe(DAEMON);
    }
  });

  it("verify leaves nothing behind and changes nothing", async () => {
    await intercept();
    const before = await ruleset();
    await Promise.all(Array.from({ length: 4 }, () => node("verify")));

    expect(await ruleset()).toBe(before);
  });

  it("other options are a difference", async () => {
    await intercept();

    expect((await verify("--direct")).code).toBe(1);
    expect((await verify("--pod-identity")).code).toBe(1);
    expect((await verify("--listen", "169.254.171.254:51680")).code).toBe(1);
    expect((await verify("--no-ipv6")).code).toBe(1);
    expect((await verify()).code).toBe(0);
  });
});

describe("rights and kernels", () => {
  it("takes CAP_NET_ADMIN and no other capability", async () => {
    const bounded = ["setpriv", "--bounding-set", "-all,+net_admin", "--inh-caps", "-all", "--"];
    for (const command of ["install", "verify", "uninstall", "install"]) {
      const args = ["node", command];
      const { code, errors } = await crossroleIn(network.node, args, { behind: bounded });
      expect({ command, code, errors }).toEqual({ command, code: 0, errors: [] });
    }
    await startDaemon();

    expect(await serverOf(network.pods[0].namespace, METADATA_URL)).toBe(DAEMON);
  });

  it.each(["install", "verify", "uninstall"])(
    "%s says in one line which capability is missing, and changes nothing",
    async (command) => {
      const before = await ruleset();
      const behind = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--"];
      const { code, errors } = await crossroleIn(network.node, ["node", command], { behind });

      expect(code).toBe(1);
      expect(errors).toEqual([
        expect.stringMatching(/^crossrole: .*CAP_NET_ADMIN is missing: .*\[NET_ADMIN\]$/),
      ]);
      expect(await ruleset()).toBe(before);
    },
  );

  it("says what to do where IPv6 is switched off, and leaves pods refused", async () => {
    await network.node.sysctl("net.ipv6.conf.lo.disable_ipv6=1");
    const { code, errors } = await crossroleIn(network.node, ["node", "install"]);

    expect(code).toBe(1);
    expect(errors).toEqual([expect.stringMatching(/IPv6 .*--no-ipv6/)]);
    for (const pod of network.everyPod) for (const url of BOTH) await expectRefusal(pod, url);
    await node("install", "--no-ipv6");
    await node("verify", "--no-ipv6");
    await network.node.listen(DAEMON, [LISTENER], 51679);
    expect(await serverOf(network.pods[0].namespace, METADATA_URL)).toBe(DAEMON);
    await expectRefusal(network.pods[0], METADATA_URL_6);
  });
});
