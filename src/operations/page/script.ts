/**
 * @module The script of the page, as the text that a browser runs: its digest is in the page's policy.
 *
 * What the server sends is merged into what is there: an element that stays keeps its focus, its
 * scroll position, and the place of a screen reader in it. Without this script the page is the same,
 * and still.
 */
export const SCRIPT = `
"use strict";
(() => {
  const connection = document.getElementById("connection");
  const announcement = document.getElementById("announcement");
  const tell = (text, isLost) => {
    if (connection.textContent !== text) connection.textContent = text;
    document.body.toggleAttribute("data-lost", isLost);
  };

  const isAlike = (one, other) =>
    one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.id === other.id;

  const mergeAttributes = (from, to) => {
    for (const { name } of [...from.attributes])
      if (!to.hasAttribute(name)) from.removeAttribute(name);
    for (const { name, value } of to.attributes)
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  };

  const merge = (from, to) => {
    if (from.nodeType === Node.TEXT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    mergeAttributes(from, to);
    const wanted = [...to.childNodes];
    wanted.forEach((child, index) => {
      const here = from.childNodes[index];
      if (here === undefined) from.append(document.importNode(child, true));
      else if (isAlike(here, child)) merge(here, child);
      else here.replaceWith(document.importNode(child, true));
    });
    while (from.childNodes.length > wanted.length) from.lastChild.remove();
  };

  const connect = () => {
    const events = new EventSource("/events");
    events.addEventListener("page", ({ data }) => {
      const { version, title, announcement: words, html } = JSON.parse(data);
      if (version !== document.body.dataset.version) location.reload();
      const next = new DOMParser().parseFromString(html, "text/html").getElementById("live");
      merge(document.getElementById("live"), next);
      if (document.title !== title) document.title = title;
      if (announcement.textContent !== words) announcement.textContent = words;
      tell("Live: changes are shown as they happen.", false);
    });
    events.addEventListener("error", () => {
      tell("The connection is lost; it is tried again. What is shown is how things were.", true);
      // What cannot be reached the browser tries again by itself; what was refused it does not.
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
    });
  };
  connect();
})();
`;
