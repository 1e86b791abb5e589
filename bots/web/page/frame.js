/** The page inside another site's page: what it tells the widget that frames it. */

import { byId } from "./dom.js";

export const framed = window.parent !== window;

/** Show the way out of the frame. */
export function offerLeaving() {
  if (!framed) return;
  byId("leave").hidden = false;
  byId("leave").addEventListener("click", () => tell("close"));
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !document.querySelector("dialog[open]")) tell("close");
  });
}

/**
 * Tell the widget: "close" me, an "answer" came, or "keep" a value. Only sites that the persona
 * allows can frame this page, so whoever listens is one of them.
 */
export function tell(what, details = {}) {
  if (framed) window.parent.postMessage({ xiaoq: what, ...details }, "*");
}
