/** @module What Debian's packages have: two clients, curl, and what makes a network namespace. */
import { access, constants } from "node:fs/promises";
import path from "node:path";
import { run } from "../../support/tool.ts";

/** Packages by the command that they are needed for. */
const PACKAGES: Readonly<Record<string, string>> = {
  rclone: "rclone",
  s3cmd: "s3cmd",
  curl: "curl",
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
};

/**
 * Installs what is missing.
 *
 * @returns the versions of the clients.
 * @throws Error that says what is missing and what to do.
 */
export async function installDebian() {
  const commands = Object.keys(PACKAGES);
  const isThere = await Promise.all(commands.map((command) => isOnPath(command)));
  const packages = commands.filter((_, index) => !isThere[index]).map((name) => PACKAGES[name]);
  const missing = [...new Set(packages.map(String))];
  if (missing.length > 0) await installPackages(missing);
  await run(
    ["unshare", "--net", "true"],
    "run as root: each test has a network namespace of its own",
  );
  return {
    rclone: await versionOf("rclone", ["version"], /^rclone v([\d.]+)/),
    s3cmd: await versionOf("s3cmd", ["--version"], /version ([\d.]+)/),
    curl: await versionOf("curl", ["--version"], /^curl ([\d.]+)/),
  };
}

async function installPackages(packages: readonly string[]): Promise<void> {
  const advice = `install ${packages.join(" ")} (as root on Debian it is done here)`;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run(["apt-get", "update", "-qq"], advice, { env });
  const flags = ["-y", "-qq", "--no-install-recommends"];
  await run(["apt-get", "install", ...flags, ...packages], advice, { env });
}

async function versionOf(command: string, args: string[], pattern: RegExp): Promise<string> {
  const text = await run([command, ...args], `see why ${command} does not start`);
  const version = pattern.exec(text)?.[1];
  if (version === undefined) throw new Error(`${command} says no version: ${text}`);
  return version;
}

async function isOnPath(command: string): Promise<boolean> {
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
    const isThere = await access(path.join(folder, command), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return true;
  }
  return false;
}
