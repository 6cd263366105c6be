/** @module Debian's smallest system, made of Debian's packages: what the image and systemd are tried on. */
import { readFile } from "node:fs/promises";
import { run } from "../support/tool.ts";
import { cached } from "./tools.ts";

/** The folder of a Debian 12 with systemd, for reading only. */
export async function debianTree(): Promise<string> {
  return await cached("debian-12-systemd", bootstrap);
}

async function bootstrap(folder: string): Promise<void> {
  const sources = await aptSources();
  const mirror = /(?:^URIs:\s*|^deb\s+(?:\[.*\]\s+)?)(?<uri>\S+)/m.exec(sources)?.groups?.["uri"];
  if (mirror === undefined) throw new Error("the sources of apt name no mirror of Debian");
  const flags = ["--variant=minbase", "--include=ca-certificates,libstdc++6,systemd"];
  await run(["debootstrap", ...flags, "bookworm", folder, mirror], "run as root on Debian");
}

/** From where this machine gets its packages. */
export async function aptSources(): Promise<string> {
  for (const file of ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text !== "") return text;
  }
  throw new Error("this machine has no sources of apt: run on Debian");
}
