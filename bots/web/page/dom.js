/** The shorthands that everything which builds the page is written in. */

/** A new element with attributes (null and false ones left out) and children. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** A new button with a label; `onClick` gets the click. */
export function makeButton(attributes, label, onClick) {
  const node = make("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", onClick);
  return node;
}

/** A new button that shows a symbol of the page and says its label. */
export function makeIconButton(symbol, label, onClick) {
  const node = makeButton({ class: `icon ${symbol}`, "aria-label": label, title: label }, "", onClick);
  node.append(makeIcon(symbol));
  return node;
}

/** One of the symbols that `index.html` defines. */
export function makeIcon(symbol) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#${symbol}`);
  svg.append(use);
  return svg;
}

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

const UNSEEN = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text without the signs that turn the order of what is read, and can hide what it says. */
export function plain(text) {
  return text.replace(UNSEEN, "");
}
