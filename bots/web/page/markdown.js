/**
 * Markdown of an answer to nodes that are safe to show.
 *
 * Three walls: markdown-it makes no HTML of HTML and no image of an image, DOMPurify keeps only
 * the elements and attributes named here, and the page's content security policy runs nothing.
 */

import MarkdownIt from "./vendor/markdown-it.mjs";
import DOMPurify from "./vendor/purify.es.mjs";
import { plain } from "./dom.js";
import { cjkEmphasis } from "./emphasis.js";
import { closeOpenMarks } from "./snapshot.js";

const TAGS = [
  ..."a blockquote br code del em h3 h4 h5 h6 hr li ol p pre s strong".split(" "),
  ..."table tbody td th thead tr ul".split(" "),
];
const CLEAN = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ["class", "href", "rel", "start", "target"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto|tel):/i,
  RETURN_DOM_FRAGMENT: true,
};

const ADDRESS = /^https?:\/\/[\w\-.~:/?#@!$&'()*+,;=%]+/i;

/**
 * Finds bare links in the place of markdown-it's own finder, which takes the Chinese words after
 * an address for a part of it: an address ends at the first character that is not ASCII.
 */
const asciiLinks = {
  test: () => false,
  match: () => null,
  matchAtStart(text) {
    const url = ADDRESS.exec(text)?.[0].replace(/[.,;:!?'*)]+$/, "");
    return url ? { url, text: url } : null;
  },
};

const parser = makeParser();
const purifier = makePurifier();

/** Nodes of a finished text; of an unfinished one (`open`), with its open marks closed. */
export function render(text, { open = false } = {}) {
  const shown = plain(text);
  return purifier.sanitize(parser.render(open ? closeOpenMarks(shown) : shown), CLEAN);
}

function makeParser() {
  const markdown = new MarkdownIt({ html: false, breaks: true, linkify: true });
  // Indented code, underlined headings and link definitions are accidents in a chat: a model
  // that writes "steps:" above "---" or indents a line means none of them.
  markdown.disable(["code", "lheading", "reference"]);
  markdown.use(cjkEmphasis);
  markdown.linkify = asciiLinks;
  markdown.core.ruler.push("for_the_page", forThePage);
  // A picture is a request to a stranger's server; its address stays as a link to follow.
  markdown.renderer.rules.image = (tokens, index) => {
    const { escapeHtml } = markdown.utils;
    const address = escapeHtml(tokens[index].attrGet("src"));
    return `<a href="${address}">${escapeHtml(tokens[index].content) || address}</a>`;
  };
  return markdown;
}

function makePurifier() {
  const own = DOMPurify(window);
  own.addHook("afterSanitizeAttributes", (node) => {
    if (node.nodeName !== "A") return;
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
    if (pretends(node)) node.append(` (${node.host})`);
  });
  return own;
}

/** Whether a link's words are the address of another place than the one it leads to. */
function pretends({ host, textContent }) {
  const named = /^\s*(?:https?:\/\/)?(?:[^\s/@]*@)?((?:[\w-]+\.)+[a-z]{2,}(?::\d+)?)(?:[/?#]|\s*$)/i;
  const shown = named.exec(textContent)?.[1].toLowerCase();
  return host !== "" && shown !== undefined && shown !== host;
}

/** Fit the tokens to the page: headings below its own, and no style attribute on table cells. */
function forThePage(state) {
  for (const token of state.tokens) {
    if (token.type.startsWith("heading_")) {
      token.tag = `h${Math.min(6, Number(token.tag[1]) + 2)}`;
    } else if (token.attrs?.[0]?.[0] === "style") {
      token.attrs = [["class", token.attrs[0][1].replace("text-align:", "align-")]];
    }
  }
}
