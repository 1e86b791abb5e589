/** How one message looks: a question, an answer or a divider. */

import { copyText } from "./copy.js";
import { make, makeButton, makeIcon, makeIconButton, plain } from "./dom.js";
import { render } from "./markdown.js";
import { timeOf } from "./time.js";

const ICON = new URL("icon.svg", import.meta.url);

/** An empty element for a message, to be filled by `fill`. */
export function build(message, { name, texts }) {
  if (message.kind === "divider") {
    return make("div", { class: "divider", role: "separator" }, make("span", {}, texts.fresh));
  }
  const asked = message.kind === "question";
  const author = make("h2", { class: "hidden" }, asked ? texts.you : name);
  const face = make("img", { class: "face", src: ICON, alt: "", width: 28, height: 28 });
  const body = make("div", { class: "body" }, make("div", { class: "bubble", dir: "auto" }));
  body.append(...(asked ? [] : [make("ul", { class: "sources" })]), make("div", { class: "meta" }));
  const parts = asked ? [author, body] : [face, author, body];
  return make("article", { class: `message ${message.kind}` }, ...parts);
}

/**
 * Bring a message's element up to date. `actions`: `retry(id)` a failed question, `again(reply)`
 * an answer, `vote(reply, vote)`.
 */
export function fill(node, message, { texts, actions }) {
  if (message.kind === "question") fillQuestion(node, message, texts, actions);
  if (message.kind === "answer") fillAnswer(node, message, texts, actions);
}

function fillQuestion(node, message, texts, actions) {
  node.dataset.state = message.state;
  const files = message.files.map(({ name }) =>
    make("li", { class: "file" }, makeIcon("file"), make("bdi", {}, plain(name))),
  );
  const bubble = node.querySelector(".bubble");
  bubble.replaceChildren(...(files.length ? [make("ul", { class: "files" }, ...files)] : []));
  bubble.append(plain(message.text));
  node.querySelector(".meta").replaceChildren(...questionMeta(message, texts, actions));
}

function questionMeta({ id, at, state, note, final }, texts, actions) {
  if (state === "sending") return [note || texts.sending];
  if (state === "sent") return [timeOf(at)];
  const words = make("span", {}, note || texts.failed);
  if (final) return [words];
  return [words, makeButton({ class: "retry" }, texts.retry, () => actions.retry(id))];
}

function fillAnswer(node, message, texts, actions) {
  node.dataset.state = message.done ? "done" : "streaming";
  node.dataset.outcome = message.outcome ?? "";
  const content = render(message.text, { open: !message.done });
  content.querySelectorAll("pre").forEach((code) => offerCopy(code, texts));
  patch(node.querySelector(".bubble"), content);
  const sources = message.sources.map(({ title, path }) => make("li", {}, sourceLabel(title, path)));
  if (sources.length > 0) sources.unshift(make("li", { class: "label" }, texts.sources));
  node.querySelector(".sources").replaceChildren(...sources);
  const meta = message.done ? answerMeta(message, texts, actions) : [];
  node.querySelector(".meta").replaceChildren(...meta);
}

/** Give a code block its own copy button, beside what scrolls; the keyboard can scroll it, too. */
function offerCopy(code, texts) {
  const box = make("div", { class: "code" });
  code.replaceWith(box);
  code.tabIndex = 0;
  const copy = makeCopyButton(texts.copyCode, texts, () => code.textContent.trimEnd());
  box.append(code, copy);
}

function makeCopyButton(label, texts, textOf) {
  return makeIconButton("copy", label, ({ currentTarget: button }) =>
    copyText(textOf(), (done) => {
      button.classList.toggle("done", done);
      button.querySelector("use").setAttribute("href", done ? "#check" : "#copy");
      button.title = done ? texts.copied : label;
    }),
  );
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
  const label = plain(title || path);
  if (!/^https?:\/\//i.test(path)) return make("span", { title: plain(path) }, label);
  return make("a", { href: path, target: "_blank", rel: "noopener noreferrer nofollow" }, label);
}

function answerMeta(message, texts, actions) {
  const { id, text, origin, outcome, cut } = message;
  const copy = makeCopyButton(texts.copy, texts, () => text);
  const again = makeIconButton("again", texts.again, () => actions.again(id));
  const thumbs = ["up", "down"].map((vote) => thumb(message, vote, texts, actions));
  const isAnswer = outcome === "answered";
  const notes = [outcomeWords(outcome, texts), cut && texts.cut, origin === "model" && texts.generated];
  return [
    ...notes.filter(Boolean).map((words) => make("span", {}, words)),
    ...(text ? [copy] : []),
    ...(isAnswer ? thumbs : []),
    ...(outcome === "refused" ? [] : [again]),
  ];
}

function outcomeWords(outcome, texts) {
  return { handed_over: texts.handedOver, stopped: texts.stopped, failed: texts.broken }[outcome];
}

function thumb({ id, vote: given }, vote, texts, actions) {
  const button = makeIconButton(vote, texts[vote], () => actions.vote(id, vote));
  button.setAttribute("aria-pressed", String(given === vote));
  return button;
}
