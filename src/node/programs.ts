/** @module The programs that change a node's network: found by name, run by an array of arguments. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import path from "node:path";
import { CrossroleError } from "../errors.ts";

/** A netlink answer takes milliseconds: whatever takes this long will not come. */
const TIMEOUT_MS = 10_000;
/** A listing of a table of ours has a few kilobytes; somebody may have filled it. */
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

/** Where system programs are, even when the search path of a user leaves them out. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin"];

const PACKAGES = { nft: "nftables", ip: "iproute2" } as const;
type ProgramName = keyof typeof PACKAGES;

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, without a shell. @throws {@link CrossroleError} `ERR_COMMAND_FAILED` when it cannot be run. */
export type Run = (...args: readonly string[]) => Promise<Output>;

export interface Programs {
  readonly nft: Run;
  readonly ip: Run;
}

/**
 * `nft` and `ip` in `searchPath` (as `PATH` has it), and then in `systemFolders`.
 *
 * @throws {@link CrossroleError} `ERR_COMMAND_FAILED` that says which package is missing.
 */
export async function findPrograms(
  searchPath: string,
  systemFolders: readonly string[] = SYSTEM_FOLDERS,
): Promise<Programs> {
  const inPath = searchPath.split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  const folders = [...inPath, ...systemFolders];
  const [nftPath, ipPath] = await Promise.all([find("nft", folders), find("ip", folders)]);
  return { nft: runner("nft", nftPath), ip: runner("ip", ipPath) };
}

/** Messages in English: some are looked at. */
const ENVIRONMENT = { LC_ALL: "C" } as const;

/**
 * The failure of `program` in one line.
 *
 * @param doing what it was to do, as in "cannot load the guard"
 */
export function failure(program: ProgramName, doing: string, { code, stderr }: Output) {
  if (/operation not permitted/i.test(stderr)) {
    const grant =
      "run it as root, or in a container as root with securityContext.capabilities.add: [NET_ADMIN]";
    return failed(`${doing}: CAP_NET_ADMIN is missing: ${grant}`);
  }
  const said = stderr.split("\n").find((line) => line.trim() !== "") ?? "";
  const reason = said.replace(/^.*?(Error|RTNETLINK answers): /, "").trim();
  return failed(
    `${doing}: ${program} says ${reason === "" ? `nothing, and ends with ${code}` : reason}`,
  );
}

function runner(name: ProgramName, file: string): Run {
  return async (...args) =>
    await new Promise((resolve, reject) => {
      const options = {
        env: ENVIRONMENT,
        timeout: TIMEOUT_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
      };
      execFile(file, [...args], options, (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr });
        else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
        else reject(failed(`cannot run ${name} (${file}): ${why(error)}`));
      });
    });
}

function why(error: Error & { readonly code?: unknown; readonly killed?: boolean }): string {
  return error.killed === true
    ? `no answer within ${TIMEOUT_MS} ms`
    : (error.message.split("\n")[0] ?? "");
}

async function find(name: ProgramName, folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const file = path.join(folder, name);
    const isProgram = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isProgram) return file;
  }
  throw failed(`there is no program ${name} in PATH: install the package ${PACKAGES[name]}`);
}

function failed(message: string): CrossroleError {
  return new CrossroleError("ERR_COMMAND_FAILED", message);
}
