/** @module moto's server: an STS and an S3 that nobody here wrote. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Tools } from "./install.ts";
import { Program } from "./program.ts";

export interface Moto {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts moto on a free port of loopback. */
export async function startMoto({ bin }: Tools): Promise<Moto> {
  const home = await mkdtemp(path.join(tmpdir(), "crossrole-moto-"));
  const command = [path.join(bin, "moto_server"), "-H", "127.0.0.1", "-p", "0"];
  const env = { PATH: process.env["PATH"] ?? "", HOME: home };
  const program = new Program(command, { env, cwd: home });
  const stop = async () => {
    await program.stop();
    await rm(home, { recursive: true });
  };
  try {
    const [, url = ""] = await program.said("stderr", /Running on (http:\/\/127\.0\.0\.1:\d+)/);
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes a bucket that `account` owns, with moto's own way to say the account. */
export async function makeBucket(motoUrl: string, account: string, bucket: string): Promise<void> {
  const headers = { "x-moto-account-id": account };
  const response = await fetch(`${motoUrl}/${bucket}`, { method: "PUT", headers });
  await response.text();
  if (!response.ok) throw new Error(`moto made no bucket: ${response.status}`);
}
