/** @module Patterns of names and ARNs: always anchored, so that nothing is allowed by a part of it. */

/**
 * Whether the whole of `text` fits `glob`: `*` any characters, `?` one, everything else itself.
 *
 * Linear in `text` for each star, whatever the pattern: a namespace's owner writes it.
 */
export function fitsGlob(glob: string, text: string): boolean {
  let at = 0;
  let inGlob = 0;
  let star = -1;
  let retry = 0;
  while (at < text.length) {
    const wanted = glob[inGlob];
    if (wanted === "*") {
      star = inGlob++;
      retry = at;
    } else if (wanted === "?" || (wanted !== undefined && wanted === text[at])) {
      inGlob++;
      at++;
    } else if (star >= 0) {
      inGlob = star + 1;
      at = ++retry;
    } else {
      return false;
    }
  }
  while (glob[inGlob] === "*") inGlob++;
  return inGlob === glob.length;
}
