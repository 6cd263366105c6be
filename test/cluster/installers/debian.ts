/** @module What Debian's packages have: an etcd from before WatchList, and what changes a network. */
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import type { Installer } from "../../support/installer.ts";
import { run } from "../../support/tool.ts";

/** Packages by the command that they are needed for, with what shows that it is there. */
const PACKAGES = [
  { name: "nftables", shows: ["nft", "--version"] },
  { name: "iproute2", shows: ["ip", "-V"] },
] as const;

/** Installs nft and ip, if they are missing. @throws Error that says what is missing and what to do. */
export async function installDebian(): Promise<void> {
  const missing: string[] = [];
  for (const { name, shows } of PACKAGES) {
    const isThere = await run(shows, "").then(
      () => true,
      () => false,
    );
    if (!isThere) missing.push(name);
  }
  if (missing.length === 0) return;
  console.log(`installing ${missing.join(" and ")} of Debian`);
  const advice = `install ${missing.join(" ")} (as root on Debian it is done here)`;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run(["apt-get", "update", "-qq"], advice, { env });
  const flags = ["-y", "-qq", "--no-install-recommends"];
  await run(["apt-get", "install", ...flags, ...missing], advice, { env });
}

/**
 * Debian 12's etcd 3.4.23: the API server has no WatchList with it, as in clusters that have not moved
 * on. Unpacked, not installed: the package would start a service of the machine.
 */
export const installOldEtcd: Installer = {
  name: "etcd-3.4",
  pins: [],
  dependsOn: async () =>
    (await readFile("/etc/os-release", "utf8").catch(() => "")) +
    (await run(["dpkg", "--print-architecture"], "run on Debian 12: its etcd is 3.4")),
  install: async (folder) => {
    const advice = "see that apt-get reaches Debian's packages and has etcd-server 3.4 (Debian 12)";
    await run(["apt-get", "update", "-qq"], advice);
    await run(["apt-get", "download", "-qq", "etcd-server"], advice, { cwd: folder });
    const unpack =
      "dpkg-deb -x etcd-server_*.deb files && mv files/usr/bin/etcd etcd-3.4 && rm *.deb";
    await run(["sh", "-c", unpack], advice, { cwd: folder });
    await rm(path.join(folder, "files"), { recursive: true });
    const version = await run([path.join(folder, "etcd-3.4"), "--version"], advice);
    if (!version.startsWith("etcd Version: 3.4."))
      throw new Error(`the test cluster cannot be installed: ${advice}\nit has ${version}`);
  },
};
