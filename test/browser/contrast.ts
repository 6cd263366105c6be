/** @module What runs in the page: nothing from outside may be used here. */

interface TextColours {
  readonly text: string;
  readonly ratio: number;
}

/* oxlint-disable unicorn/consistent-function-scoping */

/**
 * The contrast of every text that is shown, by the formula of WCAG.
 *
 * @see https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
 */
export function contrasts(): TextColours[] {
  // oxlint-disable-next-line typescript/no-explicit-any -- a browser's world, which Node's types do not know
  const { document, getComputedStyle, NodeFilter } = globalThis as any;
  const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour: string) => {
    const [r = 0, g = 0, b = 0] = channels(colour)
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  // oxlint-disable-next-line typescript/no-explicit-any
  const behind = (element: any): string => {
    for (let one = element; one !== null; one = one.parentElement) {
      const colour: string = getComputedStyle(one).backgroundColor;
      if ((channels(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found: TextColours[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (data.trim() === "" || parentElement.closest("script, .unseen, .skip") !== null) continue;
    const [one, other] = [getComputedStyle(parentElement).color, behind(parentElement)].map(
      luminance,
    ) as [number, number];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push({ text: data.trim(), ratio });
  }
  return found;
}

/** Texts that stick out of the window to the right. */
export function overflowing(): string[] {
  // oxlint-disable-next-line typescript/no-explicit-any
  const { document, innerWidth } = globalThis as any;
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.closest(".unseen, thead, script") === null)
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => `${element.tagName} ${element.textContent.slice(0, 40)}`);
}
