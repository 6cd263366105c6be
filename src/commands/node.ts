/** @module `crossrole node`: interception of the metadata service's addresses on a node. */
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { CrossroleError } from "../errors.ts";
import { parseListener } from "../node/addresses.ts";
import { hostNetworkPods, thisMachine } from "../node/cgroups.ts";
import { counters, inspect, install, uninstall } from "../node/interception.ts";
import type { Inspection } from "../node/interception.ts";
import { findPrograms } from "../node/programs.ts";
import type { Programs } from "../node/programs.ts";
import type { Interception } from "../node/types.ts";
import { examples } from "./help.ts";
import { logWarnings } from "./warnings.ts";

const DEFAULT_LISTEN = "169.254.171.254:51679";
const DEFAULT_LISTEN_6 = "[fd00:ec2:fa11::254]:51679";
const MAX_INTERVAL_SECONDS = 3_600;
const A_DAY_MS = 86_400_000;

interface PlaceFlags {
  readonly listen: string;
  readonly listen6: string;
  /** False with `--no-ipv6`. */
  readonly ipv6: boolean;
  readonly interface: string;
}

interface InterceptionFlags extends PlaceFlags {
  readonly guardOnly?: true;
  readonly direct?: true;
  readonly podIdentity?: true;
  readonly antiSpoof?: true;
  readonly hostNetworkPods?: true;
  readonly podsCgroup: string;
  readonly excludeCgroup?: readonly string[];
}

interface InstallFlags extends InterceptionFlags {
  readonly watch?: true;
  readonly intervalSeconds: number;
}

interface UninstallFlags extends PlaceFlags {
  readonly stay?: true;
}

interface VerifyFlags extends InterceptionFlags {
  readonly json?: true;
}

export function nodeCommand(parent: Command): void {
  const node = parent
    .command("node")
    .description("redirect 169.254.169.254 on a Kubernetes node to the daemon (nftables)");
  withInterceptionOptions(
    node
      .command("install")
      .description("guard the metadata service's addresses, then redirect them to the daemon"),
  )
    .option("--watch", "stay, and restore what is lost; SIGTERM ends it and removes nothing")
    .option("--interval-seconds <n>", "between two looks with --watch, 1 to 3600", seconds, 30)
    .addHelpText(
      "after",
      examples("crossrole node install --watch", "crossrole node install --guard-only"),
    )
    .action(installAction);
  withInterceptionOptions(
    node
      .command("verify")
      .description("end with 0 when all is in place as `install` with these options makes it"),
  )
    .option("--json", "differences and counters as JSON")
    .addHelpText("after", examples("crossrole node verify", "crossrole node verify --json"))
    .action(verifyAction);
  withPlaceOptions(
    node
      .command("uninstall")
      .description("remove both tables and the listener's addresses: pods get the node's metadata"),
  )
    .option("--stay", "stay until SIGTERM: a DaemonSet starts anew what ends")
    .addHelpText("after", examples("crossrole node uninstall", "crossrole node uninstall --stay"))
    .action(uninstallAction);
}

function withPlaceOptions(command: Command): Command {
  return command
    .option("--listen <address:port>", "the daemon's pods listener, IPv4", DEFAULT_LISTEN)
    .option("--listen6 <[address]:port>", "the same, IPv6", DEFAULT_LISTEN_6)
    .option("--no-ipv6", "the daemon has no IPv6 listener; the guard refuses IPv6 all the same")
    .option("--interface <name>", "the dummy device for its addresses", "crossrole0");
}

function withInterceptionOptions(command: Command): Command {
  return withPlaceOptions(command)
    .option("--guard-only", "only refuse: for a node's start, before there is a daemon")
    .option("--direct", "pods are told the listener's own address, so let them reach it")
    .option("--pod-identity", "redirect 169.254.170.23 and fd00:ec2::23 (EKS Pod Identity) too")
    .option("--anti-spoof", "drop requests whose source is not routed to where they come from")
    .option(
      "--host-network-pods",
      "pods with hostNetwork: true too, agents of the CNI and CSI among them",
    )
    .option("--pods-cgroup <path>", "the cgroup of all pods", "kubepods.slice")
    .option("--exclude-cgroup <path>", "left alone; repeat; by default the own pod's", append);
}

async function installAction(flags: InstallFlags): Promise<void> {
  const wanted = await interceptionOf(flags);
  const programs = await programsHere();
  if (flags.watch === true) return await watch(programs, wanted, flags.intervalSeconds);
  const { device, differences } = await install(programs, wanted);
  const parts = ["guard", ...(wanted.guardOnly ? [] : (["address", "redirect"] as const))] as const;
  for (const part of parts) {
    const isNew = differences.some((difference) => difference.part === part);
    const where = part === "address" ? ` on ${device}` : "";
    process.stdout.write(`${part}${where}: ${isNew ? "installed" : "was in place"}\n`);
  }
}

async function watch(programs: Programs, wanted: Interception, intervalSeconds: number) {
  // Only here: a probe has no use for a log, and is to be quick.
  const [{ createLog }, { reconcile }] = await Promise.all([
    import("../log.ts"),
    import("../node/reconcile.ts"),
  ]);
  const stopped = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stopped.abort());
  const log = createLog("info", process.stderr);
  logWarnings(log);
  const intervalMs = intervalSeconds * 1_000;
  await reconcile({ programs, wanted, intervalMs, log, signal: stopped.signal });
  log.info("stopping, interception stays");
}

async function verifyAction(flags: VerifyFlags): Promise<void> {
  const wanted = await interceptionOf(flags);
  const programs = await programsHere();
  const [inspection, counted] = await Promise.all([inspect(programs, wanted), counters(programs)]);
  const isInPlace = inspection.differences.length === 0;
  if (flags.json === true) {
    const answer = { inPlace: isInPlace, ...inspection, counters: counted };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  } else {
    tell(inspection, counted);
  }
  if (!isInPlace) process.exitCode = 1;
}

function tell({ differences }: Inspection, counted: Readonly<Record<string, number>>): void {
  for (const { part, what } of differences) {
    const remedy = "run crossrole node install with the same options";
    process.stderr.write(`crossrole: ${part}: ${what}; ${remedy}\n`);
  }
  if (differences.length === 0) process.stdout.write("guard and redirect are in place\n");
  const words = Object.entries(counted).map(([name, packets]) => `${name} ${packets}`);
  if (words.length > 0) process.stdout.write(`packets: ${words.join(", ")}\n`);
}

async function uninstallAction(flags: UninstallFlags): Promise<void> {
  const removed = await uninstall(await programsHere(), placeOf(flags));
  for (const what of removed) process.stdout.write(`removed ${what}\n`);
  if (removed.length === 0) process.stdout.write("there was nothing to remove\n");
  if (flags.stay === true) await stay();
}

async function stay(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => resolve());
  // A handler of a signal does not keep Node running; a timer does.
  const timer = setInterval(() => undefined, A_DAY_MS);
  process.stdout.write("staying until SIGTERM\n");
  await promise;
  clearInterval(timer);
}

async function programsHere(): Promise<Programs> {
  return await findPrograms(process.env["PATH"] ?? "");
}

async function interceptionOf(flags: InterceptionFlags): Promise<Interception> {
  const { podsCgroup: pods, excludeCgroup: excluded } = flags;
  const hostNetwork =
    flags.hostNetworkPods === true
      ? await hostNetworkPods({ pods, excluded }, await thisMachine())
      : undefined;
  return {
    ...placeOf(flags),
    guardOnly: flags.guardOnly === true,
    direct: flags.direct === true,
    podIdentity: flags.podIdentity === true,
    antiSpoof: flags.antiSpoof === true,
    hostNetwork,
  };
}

function placeOf(flags: PlaceFlags): Pick<Interception, "device" | "listener" | "listener6"> {
  // What the kernel takes for a name, less what would need quoting.
  if (!/^[A-Za-z][\w.-]{0,14}$/.test(flags.interface)) {
    const message = `--interface must be the name of a network device, at most 15 letters, digits, dots or dashes; it is ${JSON.stringify(flags.interface)}`;
    throw new CrossroleError("ERR_USAGE", message);
  }
  return {
    device: flags.interface,
    listener: parseListener("--listen", flags.listen, 4),
    listener6: flags.ipv6 ? parseListener("--listen6", flags.listen6, 6) : undefined,
  };
}

function seconds(text: string): number {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > MAX_INTERVAL_SECONDS) {
    throw new InvalidArgumentError(`It must be 1 to ${MAX_INTERVAL_SECONDS}.`);
  }
  return value;
}

function append(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
