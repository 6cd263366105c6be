import { describe, expect, it } from "vitest";
import { guardTable, redirectTable, render, renderInert } from "../../src/node/rules.ts";
import type { Table } from "../../src/node/rules.ts";
import { DEFAULT } from "./support.ts";

const HOST_NETWORK = {
  pods: { path: "unified/kubepods.slice", level: 1 },
  excluded: [{ path: "unified/kubepods.slice/kubepods-pod1.slice", level: 2 }],
};

function rulesOf({ chains }: Table, name: string): readonly string[] {
  return chains.find((chain) => chain.name === name)?.rules ?? [];
}

describe("the guard", () => {
  it("is one transaction, with the same result whether or not there was one", () => {
    expect(render(guardTable(DEFAULT)).split("\n").slice(0, 3)).toEqual([
      "table inet crossrole_guard",
      "delete table inet crossrole_guard",
      "table inet crossrole_guard {",
    ]);
  });

  it("refuses what would be forwarded to the metadata service, or to a listener that is lost", () => {
    expect(rulesOf(guardTable(DEFAULT), "forward")).toEqual([
      'ip daddr 169.254.169.254 counter name "leaks4" meta l4proto tcp reject with tcp reset',
      "ip daddr 169.254.169.254 reject with icmp type admin-prohibited",
      "ip daddr 169.254.171.254 meta l4proto tcp reject with tcp reset",
      "ip daddr 169.254.171.254 reject with icmp type admin-prohibited",
      'ip6 daddr fd00:ec2::254 counter name "leaks6" meta l4proto tcp reject with tcp reset',
      "ip6 daddr fd00:ec2::254 reject with icmpv6 type admin-prohibited",
      "ip6 daddr fd00:ec2:fa11::254 meta l4proto tcp reject with tcp reset",
      "ip6 daddr fd00:ec2:fa11::254 reject with icmpv6 type admin-prohibited",
    ]);
  });

  it("guards IPv6 even when the daemon has no IPv6 listener", () => {
    const { listener6: _, ...withoutIpv6 } = DEFAULT;
    const text = render(guardTable(withoutIpv6));

    expect(text).toContain("ip6 daddr fd00:ec2::254 reject");
    expect(text).not.toContain("fa11");
    expect(render(redirectTable(withoutIpv6))).not.toContain("ip6 daddr");
  });

  it("is the same with --guard-only, so that what the node's start has loaded stays", () => {
    expect(guardTable({ ...DEFAULT, guardOnly: true })).toEqual(guardTable(DEFAULT));
  });

  it("closes the listener to what was not redirected, but for --direct", () => {
    expect(rulesOf(guardTable(DEFAULT), "input")).toContain(
      'ip daddr 169.254.171.254 ct status & dnat == 0 counter name "direct4" meta l4proto tcp reject with tcp reset',
    );
    expect(rulesOf(guardTable({ ...DEFAULT, direct: true }), "input")).toEqual(['iif "lo" accept']);
  });

  it("comes before other filters, and the redirect before other redirects", () => {
    const hooks = [guardTable(DEFAULT), redirectTable(DEFAULT)].flatMap(({ chains }) =>
      chains.map(({ hook }) => hook),
    );

    expect(hooks).toEqual([
      "type filter hook forward priority -10; policy accept;",
      "type filter hook input priority -10; policy accept;",
      "type nat hook prerouting priority -110; policy accept;",
    ]);
  });
});

describe("the redirect", () => {
  it("is of port 80, to the listener", () => {
    expect(rulesOf(redirectTable(DEFAULT), "prerouting")).toEqual([
      'iif "lo" return',
      'ip daddr 169.254.169.254 tcp dport 80 counter name "hits4" dnat ip to 169.254.171.254:51679',
      'ip6 daddr fd00:ec2::254 tcp dport 80 counter name "hits6" dnat ip6 to [fd00:ec2:fa11::254]:51679',
    ]);
  });

  it("has EKS Pod Identity's addresses with --pod-identity, and the guard has them too", () => {
    const wanted = { ...DEFAULT, podIdentity: true };

    for (const address of ["ip daddr 169.254.170.23 ", "ip6 daddr fd00:ec2::23 "]) {
      expect(render(redirectTable(wanted))).toContain(`${address}tcp dport 80`);
      expect(render(guardTable(wanted))).toContain(`${address}reject`);
      expect(render(redirectTable(DEFAULT))).not.toContain(address);
    }
  });
});

describe("pods on the node's own network", () => {
  it("are told by their cgroup, after the ones that are left alone", () => {
    const wanted = { ...DEFAULT, hostNetwork: HOST_NETWORK };
    const own = 'socket cgroupv2 level 2 "unified/kubepods.slice/kubepods-pod1.slice" accept';
    const pods = 'socket cgroupv2 level 1 "unified/kubepods.slice"';

    expect(rulesOf(redirectTable(wanted), "output").slice(0, 2)).toEqual([
      `ip daddr 169.254.169.254 ${own}`,
      `ip daddr 169.254.169.254 tcp dport 80 ${pods} counter name "hits4" dnat ip to 169.254.171.254:51679`,
    ]);
    expect(rulesOf(guardTable(wanted), "output").slice(0, 2)).toEqual([
      `ip daddr 169.254.169.254 ${own}`,
      `ip daddr 169.254.169.254 ${pods} counter name "leaks4" meta l4proto tcp reject with tcp reset`,
    ]);
  });
});

it("--anti-spoof asks for a route back, of the addresses that pods ask", () => {
  const wanted = { ...DEFAULT, antiSpoof: true, direct: true, podIdentity: true };
  const spoofed = 'fib saddr . iif oif missing counter name "spoofed4" drop';

  expect(rulesOf(guardTable(wanted), "prerouting").slice(0, 4)).toEqual([
    'iif "lo" accept',
    `ip daddr 169.254.169.254 ${spoofed}`,
    `ip daddr 169.254.170.23 ${spoofed}`,
    `ip daddr 169.254.171.254 ${spoofed}`,
  ]);
});

it("an inert copy has every rule, and nothing that ties it to the kernel", () => {
  const text = renderInert(guardTable(DEFAULT), "copy");

  expect(text).not.toContain("hook");
  expect(text).not.toContain("crossrole_guard");
  for (const { rules } of guardTable(DEFAULT).chains) {
    for (const rule of rules) expect(text).toContain(rule);
  }
});
