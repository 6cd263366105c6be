/** @module What a request target means: slashes and versions folded, nothing else touched. */

/** `latest`, `1.0` or a dated version, which all mean the same tree here. */
const VERSION = /^\/(?:latest|1\.0|\d{4}-\d{2}-\d{2})(?=\/|$)/;

/** Where the metadata service of one role among several is found. */
const ROLE_PREFIX = /^\/roles\/([^/]+)(\/.*)?$/;

export interface Target {
  /** The role that the path names, on a listener with several; percent-decoded. */
  readonly roleName: string | undefined;
  readonly path: string;
}

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
  return folded.length > 1 && folded.endsWith("/") ? folded.slice(0, -1) : folded;
}

/** Splits `/roles/NAME` off, where the listener has several roles, and folds the version. */
export function metadataTarget(target: string, perRole: boolean): Target {
  const path = pathOf(target) ?? NOWHERE;
  if (!perRole) return { roleName: undefined, path: unversioned(path) };
  const [, segment, rest = "/"] = ROLE_PREFIX.exec(path) ?? [];
  if (segment === undefined) return { roleName: undefined, path: unversioned(path) };
  return { roleName: decodeSegment(segment), path: unversioned(rest) };
}

/** The last segment, percent-decoded; undefined when it is no valid encoding. */
export function decodeSegment(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** No path begins like this, so no table has it. */
const NOWHERE = "\u0000";

function unversioned(path: string): string {
  return path.startsWith("/latest/") ? path : path.replace(VERSION, "/latest");
}
