/** @module The kernel's table of TCP sockets, and whose a socket in it is. */
import { isIPv4 } from "node:net";
import { endianness } from "node:os";

/** The columns of `/proc/net/tcp` behind the addresses. */
const STATE = 3;
const UID = 7;
const INODE = 9;

/** The states of a socket that a process holds: TIME_WAIT (06) and the like belong to nobody. */
const OPEN_STATES: ReadonlySet<string> = new Set(["01", "04", "05", "08"]);

export interface SocketPair {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

export const TCP = "/proc/net/tcp";
export const TCP6 = "/proc/net/tcp6";

/** The tables as the kernel prints them: `/proc/net/tcp` and `/proc/net/tcp6`. */
export interface SocketTables {
  readonly tcp: string;
  readonly tcp6: string;
}

/**
 * The uid of the process that holds the socket from `local` to `remote`, or undefined when there is
 * none, or more than one that differ: what is not certain is nobody's.
 *
 * @see https://docs.kernel.org/networking/proc_net_tcp.html
 */
export function ownerOf(tables: SocketTables, { local, remote }: SocketPair): number | undefined {
  const v4 = [asIPv4(local), asIPv4(remote)] as const;
  const rows = [
    ...(v4[0] === undefined || v4[1] === undefined ? [] : rowsOf(tables.tcp, v4[0], v4[1])),
    ...rowsOf(tables.tcp6, asIPv6(local), asIPv6(remote)),
  ];
  const owners = new Set(rows.map((columns) => Number(columns[UID])));
  const [owner] = owners;
  return owners.size === 1 && Number.isInteger(owner) ? owner : undefined;
}

/**
 * Whether a process holds a socket with this local end, whoever the other end is: what is translated
 * on the way (DNAT) has another remote end there than here.
 */
export function hasSocketAt(tables: SocketTables, local: SocketAddress): boolean {
  const v4 = asIPv4(local);
  const inTcp = v4 !== undefined && hasRow(tables.tcp, v4);
  return inTcp || hasRow(tables.tcp6, asIPv6(local));
}

function hasRow(table: string, local: string): boolean {
  const needle = `: ${local} `;
  for (let at = table.indexOf(needle); at !== -1; at = table.indexOf(needle, at + 1)) {
    const [, state = ""] = table.slice(at + needle.length, at + needle.length + 64).split(/\s+/);
    if (OPEN_STATES.has(state)) return true;
  }
  return false;
}

/** The rows of open sockets between two addresses, in the notation of the table. */
function rowsOf(table: string, local: string, remote: string): string[][] {
  const rows: string[][] = [];
  const needle = ` ${local} ${remote} `;
  for (let at = table.indexOf(needle); at !== -1; at = table.indexOf(needle, at + 1)) {
    const begin = table.lastIndexOf("\n", at) + 1;
    const end = table.indexOf("\n", at);
    const columns = table
      .slice(begin, end === -1 ? undefined : end)
      .trim()
      .split(/\s+/);
    // A socket without an inode has been closed by its process; the uid beside it means nothing.
    if (OPEN_STATES.has(columns[STATE] ?? "") && columns[INODE] !== "0") rows.push(columns);
  }
  return rows;
}

function asIPv4({ address, port }: SocketAddress): string | undefined {
  const plain = address.replace(/^::ffff:/i, "");
  return isIPv4(plain) ? `${words(bytesOfIPv4(plain))}:${portHex(port)}` : undefined;
}

/** IPv4 as IPv6 sockets see it too: a client may hold either kind. */
function asIPv6({ address, port }: SocketAddress): string {
  return `${words(bytesOfIPv6(address))}:${portHex(port)}`;
}

function bytesOfIPv4(address: string): number[] {
  return address.split(".").map(Number);
}

function bytesOfIPv6(address: string): number[] {
  const plain = address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  if (isIPv4(plain)) {
    return [...Array.from({ length: 10 }, () => 0), 255, 255, ...bytesOfIPv4(plain)];
  }
  const [head = "", tail = ""] = plain.split("::");
  const missing = plain.includes("::") ? 8 - groups(head).length - groups(tail).length : 0;
  const zeros = Array.from({ length: missing }, () => "0");
  return [...groups(head), ...zeros, ...groups(tail)].flatMap((group) => {
    // What is no group (the end of ::1.2.3.4) is no number, and so in no table.
    const value = Number(`0x${group}`);
    return [Math.trunc(value / 256), value % 256];
  });
}

function groups(text: string): string[] {
  return text === "" ? [] : text.split(":");
}

/** The kernel prints an address as 32-bit words in the byte order of the machine. */
function words(bytes: readonly number[]): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    if (endianness() === "LE") word.reverse();
    text += word.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  return text.toUpperCase();
}

function portHex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}
