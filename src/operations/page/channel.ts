/** @module What the page is sent when something has changed. */
import type { Channel } from "../live.ts";
import type { StatusReport } from "../status.ts";
import { announcement, content } from "./content.ts";
import { titleOf } from "./document.ts";
import { textOf } from "./elements.ts";

export function pageChannel(report: () => StatusReport): Channel {
  return {
    event: "page",
    render: () => {
      const now = report();
      return JSON.stringify({
        version: now.version,
        title: titleOf(now),
        announcement: announcement(now),
        html: textOf(content(now)),
      });
    },
  };
}
