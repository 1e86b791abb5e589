/** Copies text, also where the browser's clipboard is closed: on plain HTTP and in old browsers. */

import { make } from "./dom.js";

const SHOWN_MS = 1500;

/** Copy a text; `show(true)` is called when that went well, `show(false)` a moment later. */
export async function copyText(text, show) {
  const copied = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  if (!(copied || copyBySelection(text))) return;
  show(true);
  setTimeout(() => show(false), SHOWN_MS);
}

function copyBySelection(text) {
  const before = document.activeElement;
  const box = make("textarea", { class: "hidden", readonly: true });
  box.value = text;
  document.body.append(box);
  box.select();
  const copied = document.execCommand("copy");
  box.remove();
  before?.focus();
  return copied;
}
