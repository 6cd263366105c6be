/** @module The pods of a node, and what each of them holds. */
import type { JSXNode } from "hono/jsx";
import type { PodStatus, StatusReport } from "../status.ts";
import { ago, counted, duration } from "../words.ts";
import { badge, code, h, moment, table, TONES } from "./elements.ts";
import type { Row } from "./elements.ts";
import { lifeMeter } from "./role-card.ts";

export function podsSection(
  { known, contactAt, pods }: NonNullable<StatusReport["pods"]>,
  now: string,
): JSXNode {
  const contact = contactAt === undefined ? "never yet" : moment(contactAt, ago(contactAt, now));
  // Those with a problem first: a node has a hundred of them.
  const order = ["down", "failing", "pending", "ok", "idle", "none"];
  const sorted = pods.toSorted(
    (a, b) => order.indexOf(a.state) - order.indexOf(b.state) || nameOf(a).localeCompare(nameOf(b)),
  );
  return h(
    "div",
    { class: "card" },
    h(
      "p",
      { class: "faint" },
      known ? `${counted(pods.length, "pod")}; ` : "The pods are not known yet; ",
      "last word of the API server ",
      contact,
    ),
    pods.length === 0
      ? ""
      : table({
          caption: "Pods and their roles",
          heads: ["Pod", "Service account", "Role", "State", "Access key id", "Life left"],
          rows: sorted.map((pod) => podRow(pod)),
        }),
  );
}

function podRow(pod: PodStatus): Row {
  const { serviceAccount, role, roleArn, state, held, failure } = pod;
  const retry = failure === undefined ? 0 : failure.retryInSeconds;
  const next = retry > 0 ? `; next try in ${duration(retry)}` : "";
  return {
    cells: [
      nameOf(pod),
      serviceAccount === "" ? NOTHING : serviceAccount,
      role === undefined ? NOTHING : h("span", { title: roleArn }, role),
      badge(state),
      held === undefined ? NOTHING : code(held.accessKeyId),
      held === undefined ? NOTHING : lifeMeter(`Life left of ${nameOf(pod)}`, TONES[state], held),
    ],
    note: failure === undefined ? undefined : `${failure.message}${next}`,
  };
}

const NOTHING = "none";

function nameOf({ namespace, name }: PodStatus): string {
  return `${namespace}/${name}`;
}
