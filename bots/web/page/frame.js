/** The page inside another site's page: what it tells the widget that frames it. */

import { byId } from "./dom.js";

export const framed = window.parent !== window;

/** Show the way out of the frame. */
export function offerLeaving() {
  if (!framed) return;
  document.documentElement.classList.add("framed");
  byId("leave").hidden = false;
  byId("leave").addEventListener("click", () => tell("close"));
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !document.querySelector("dialog[open]")) tell("close");
  });
}

/** Tell the widget: "close" me, or an "answer" came. No secret, so any listener may hear it. */
export function tell(what) {
  if (framed) window.parent.postMessage({ xiaoq: what }, "*");
}
