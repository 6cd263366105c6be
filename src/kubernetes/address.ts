/** @module One spelling for each IP address, so that two that are the same compare equal. */
import { isIPv4, isIPv6 } from "node:net";

/** An IPv4 address in IPv6's clothes, as a URL spells it: `::ffff:a00:1`. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * An address of a pod or of a socket's peer in its one spelling: RFC 5952, without a zone id, and an
 * IPv4 address that came through an IPv6 socket (`::ffff:10.0.0.1`) as the IPv4 address that it is.
 * Undefined when the text is no IP address.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5952
 */
export function normalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  const [unzoned = ""] = text.split("%");
  if (!isIPv6(unzoned)) return undefined;
  // Nothing else in Node compresses zeros as the RFC says.
  const spelled = new URL(`http://[${unzoned}]/`).hostname.slice(1, -1);
  const mapped = MAPPED.exec(spelled);
  if (mapped === null) return spelled;
  const [, high = "", low = ""] = mapped;
  return [high, low].map(dotted).join(".");
}

/** Sixteen bits in hexadecimal as two numbers of an IPv4 address. */
function dotted(hex: string): string {
  const bits = Number.parseInt(hex, 16);
  return `${bits >> 8}.${bits & 255}`;
}
