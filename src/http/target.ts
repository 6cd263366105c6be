/** @module What a request target means: slashes and versions folded, nothing else touched. */

/** `latest`, `1.0` or a dated version, which all mean the same tree here. */
const VERSION = /^\/(?:latest|1\.0|\d{4}-\d{2}-\d{2})(?=\/|$)/;

/**
 * The path that a raw request target asks for, or undefined when it is not in origin form.
 *
 * Repeated slashes and the one at the end are ignored, because clients write them. Nothing is
 * decoded and no dot is resolved: what is not literally in the tree is not found.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#name-origin-form
 */
export function pathOf(target: string): string | undefined {
  if (!target.startsWith("/")) return undefined;
  const folded = target.includes("//") ? target.replaceAll(/\/{2,}/g, "/") : target;
  const path = folded.length > 1 && folded.endsWith("/") ? folded.slice(0, -1) : folded;
  return path.startsWith("/latest/") ? path : path.replace(VERSION, "/latest");
}

/** The role name in the last segment, percent-decoded; undefined when it is no valid encoding. */
export function decodeRoleName(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
