/**
 * @module A node with pods and with a metadata service of its own, in network namespaces without names.
 *
 * ```
 * pods[0] 10.244.0.11 ─┐
 * pods[1] 10.244.0.12 ─┴ cni0 ┐
 * routedPod 10.244.1.13 ─ cali1 ┴ node 192.0.2.1 ─ uplink ─ 192.0.2.2 outside, which has 169.254.169.254
 * ```
 */
import { Namespace } from "./namespaces-namespace.ts";
import type { Reply } from "./namespaces-agent-tasks.ts";

export const METADATA_URL = "http://169.254.169.254/latest/meta-data/";
export const METADATA_URL_6 = "http://[fd00:ec2::254]/latest/meta-data/";

/** How the outside answers for the instance metadata service. */
export const REAL = "the node's own metadata service";

/** The address of every pod's default gateway on the bridge; the node's own there. */
const GATEWAY = "10.244.0.1";
const GATEWAY_6 = "fd00:244::1";

/** All veths of Calico's shape have this one on the node's side, and the address that follows from it. */
const ROUTED_MAC = "ee:ee:ee:ee:ee:ee";
const ROUTED_GATEWAY_6 = "fe80::ecee:eeff:feee:eeee";

export interface Pod {
  readonly namespace: Namespace;
  readonly address: string;
  readonly address6: string;
  /** Its device on the node. */
  readonly device: string;
}

interface PodOptions {
  /** In 10.244.0.0/24 for a pod on the bridge, in 10.244.1.0/24 for a routed one. */
  readonly address: string;
  /** In fd00:244::/64, or fd00:244:1::/64. */
  readonly address6: string;
  /**
   * `bridge`: a port of `cni0` (kindnet, flannel, the bridge plugin). `routed`: a device without an
   * address on the node and a route to each pod, with proxy ARP (Calico, AWS VPC CNI).
   */
  readonly shape: "bridge" | "routed";
}

export interface NodeNetwork extends AsyncDisposable {
  /** The node itself: run here what would run with `hostNetwork: true`. */
  readonly node: Namespace;
  /** What is beyond the node: the instance metadata service answers here, as {@link REAL}. */
  readonly outside: Namespace;
  readonly pods: readonly [Pod, Pod];
  readonly routedPod: Pod;
  /** All three. */
  readonly everyPod: readonly Pod[];
  addPod(options: PodOptions): Promise<Pod>;
  /** One more process in `namespace`; it ends with the network. */
  processIn(namespace: Namespace): Promise<Namespace>;
}

/**
 * Makes a node, two pods on its bridge, a routed pod, and an instance metadata service that answers them
 * all, at 169.254.169.254 and fd00:ec2::254. Nothing of it is seen outside, so runs cannot collide.
 *
 * @throws Error when this machine cannot make network namespaces: that takes root.
 */
export async function nodeNetwork(): Promise<NodeNetwork> {
  await using stack = new AsyncDisposableStack();
  const namespaces: Namespace[] = [];
  stack.defer(async () => {
    await Promise.all(namespaces.map((namespace) => namespace[Symbol.asyncDispose]()));
  });
  const create = async (enter?: readonly string[]) => {
    const namespace = await Namespace.create(enter);
    namespaces.push(namespace);
    return namespace;
  };
  const [node, outside] = await Promise.all([create(), create()]);
  await prepareNode(node, outside);
  await prepareOutside(outside);
  let devices = 0;
  const addPod = async (options: PodOptions) => {
    const device = `pod${(devices += 1)}`;
    const pod = { ...options, namespace: await create(), device };
    await (options.shape === "bridge" ? addToBridge(node, pod) : addRoute(node, pod));
    return pod;
  };
  const pods = [
    await addPod({ address: "10.244.0.11", address6: "fd00:244::11", shape: "bridge" }),
    await addPod({ address: "10.244.0.12", address6: "fd00:244::12", shape: "bridge" }),
  ] as const;
  const routedPod = await addPod({
    address: "10.244.1.13",
    address6: "fd00:244:1::13",
    shape: "routed",
  });
  const owned = stack.move();
  return {
    node,
    outside,
    pods,
    routedPod,
    everyPod: [...pods, routedPod],
    addPod,
    processIn: ({ enter }) => create(enter),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Who has answered, and whom it has seen; or why nobody has. */
export function answerOf(reply: Reply): { readonly server?: string; readonly peer?: string } {
  if ("error" in reply) return {};
  return JSON.parse(reply.body) as { server: string; peer: string };
}

/** Addresses are to be there at once, and nobody else has them. */
const NO_DETECTION = [
  "net.ipv6.conf.all.accept_dad=0",
  "net.ipv6.conf.default.accept_dad=0",
  "net.ipv6.conf.default.dad_transmits=0",
];

async function prepareNode(node: Namespace, outside: Namespace): Promise<void> {
  await Promise.all([node, outside].map((one) => one.sysctl(...NO_DETECTION)));
  await node.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  await node.ip(
    "link set lo up",
    `link add uplink type veth peer name eth0 netns ${outside.pid}`,
    "address add 192.0.2.1/24 dev uplink",
    "address add 2001:db8::1/64 dev uplink nodad",
    "link set uplink up",
    "route add default via 192.0.2.2",
    "route add default via 2001:db8::2",
    "link add cni0 type bridge",
    `address add ${GATEWAY}/24 dev cni0`,
    `address add ${GATEWAY_6}/64 dev cni0 nodad`,
    "link set cni0 up",
  );
}

async function prepareOutside(outside: Namespace): Promise<void> {
  await outside.ip(
    "link set lo up",
    "address add 169.254.169.254/32 dev lo",
    "address add fd00:ec2::254/128 dev lo nodad",
    "address add 192.0.2.2/24 dev eth0",
    "address add 2001:db8::2/64 dev eth0 nodad",
    "link set eth0 up",
    "route add default via 192.0.2.1",
    "route add default via 2001:db8::1",
  );
  const addresses = ["169.254.169.254", "fd00:ec2::254"];
  await outside.listen(REAL, addresses, 80);
  await outside.listen(REAL, addresses, 8080);
}

async function addToBridge(node: Namespace, pod: Pod): Promise<void> {
  await pod.namespace.sysctl(...NO_DETECTION);
  await node.ip(
    `link add ${pod.device} type veth peer name eth0 netns ${pod.namespace.pid}`,
    `link set ${pod.device} master cni0`,
    `link set ${pod.device} up`,
  );
  await pod.namespace.ip(
    "link set lo up",
    `address add ${pod.address}/24 dev eth0`,
    `address add ${pod.address6}/64 dev eth0 nodad`,
    "link set eth0 up",
    `route add default via ${GATEWAY}`,
    `route add default via ${GATEWAY_6}`,
  );
}

async function addRoute(node: Namespace, pod: Pod): Promise<void> {
  await pod.namespace.sysctl(...NO_DETECTION);
  await node.ip(
    `link add ${pod.device} address ${ROUTED_MAC} type veth peer name eth0 netns ${pod.namespace.pid}`,
    `link set ${pod.device} up`,
    `route add ${pod.address}/32 dev ${pod.device}`,
    `route add ${pod.address6}/128 dev ${pod.device}`,
  );
  const { device } = pod;
  await node.sysctl(
    `net.ipv4.conf.${device}.proxy_arp=1`,
    `net.ipv4.neigh.${device}.proxy_delay=0`,
  );
  await pod.namespace.ip(
    "link set lo up",
    `address add ${pod.address}/32 dev eth0`,
    `address add ${pod.address6}/128 dev eth0 nodad`,
    "link set eth0 up",
    "route add 169.254.1.1 dev eth0 scope link",
    "route add default via 169.254.1.1",
    `route add default via ${ROUTED_GATEWAY_6} dev eth0`,
  );
}
