/** How one message looks: a question, an answer or a divider. */

import { make } from "./dom.js";
import { render } from "./markdown.js";

const ICON = "/static/icon.svg";

/** An empty element for a message, to be filled by `fill`. */
export function build(message, { name, texts }) {
  if (message.kind === "divider") {
    return make("div", { class: "divider", role: "separator" }, make("span", {}, texts.fresh));
  }
  const asked = message.kind === "question";
  const author = make("span", { class: "hidden" }, `${asked ? texts.you : name}: `);
  const face = make("img", { class: "face", src: ICON, alt: "", width: 32, height: 32 });
  const body = make("div", { class: "body" });
  body.append(make("div", { class: "bubble" }), make("div", { class: "meta" }));
  const parts = asked ? [author, body] : [face, author, body];
  return make("article", { class: `message ${message.kind}` }, ...parts);
}

/** Bring a message's element up to date. `retry` is called with the id of a failed question. */
export function fill(node, message, { texts, retry }) {
  if (message.kind === "question") fillQuestion(node, message, texts, retry);
  if (message.kind === "answer") fillAnswer(node, message, texts);
}

function fillQuestion(node, message, texts, retry) {
  node.dataset.state = message.state;
  node.querySelector(".bubble").textContent = message.text;
  node.querySelector(".meta").replaceChildren(...questionMeta(message, texts, retry));
}

function questionMeta({ id, at, state, note, final }, texts, retry) {
  if (state === "sending") return [note || texts.sending];
  if (state === "sent") return [timeOf(at)];
  const parts = [make("span", {}, note || texts.failed)];
  if (!final) {
    const button = make("button", { type: "button", class: "retry" }, texts.retry);
    button.addEventListener("click", () => retry(id));
    parts.push(button);
  }
  return parts;
}

function fillAnswer(node, message, texts) {
  node.dataset.state = message.done ? "done" : "streaming";
  node.dataset.outcome = message.outcome ?? "";
  patch(node.querySelector(".bubble"), render(message.text, { open: !message.done }));
  node.querySelector(".meta").replaceChildren(...answerMeta(message, texts));
}

/** Replace only what changed, so that a selection in the text above outlives the next words. */
function patch(box, fresh) {
  let old = box.firstChild;
  while (old && fresh.firstChild?.isEqualNode(old)) {
    fresh.firstChild.remove();
    old = old.nextSibling;
  }
  while (old) {
    const next = old.nextSibling;
    old.remove();
    old = next;
  }
  box.append(fresh);
}

function sourceLabel(title, path) {
  const label = title || path;
  if (!/^https?:\/\//i.test(path)) return make("span", { title: path }, label);
  return make("a", { href: path, target: "_blank", rel: "noopener noreferrer nofollow" }, label);
}

function answerMeta({ sources, origin, outcome }, texts) {
  const parts = [];
  if (outcome === "handed_over") parts.push(make("span", {}, texts.handedOver));
  if (origin === "model") parts.push(make("span", {}, texts.generated));
  if (sources.length > 0) {
    const items = sources.map(({ title, path }) => make("li", {}, sourceLabel(title, path)));
    parts.push(make("span", {}, texts.sources), make("ul", { class: "sources" }, ...items));
  }
  return parts;
}

function timeOf(seconds) {
  const moment = new Date(seconds * 1000);
  const today = moment.toDateString() === new Date().toDateString();
  const day = today ? {} : { month: "short", day: "numeric" };
  const words = moment.toLocaleString([], { ...day, hour: "numeric", minute: "2-digit" });
  return make("time", { datetime: moment.toISOString() }, words);
}
