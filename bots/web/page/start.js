/**
 * Starts the page once its frame is painted, so that nothing the frame does not need delays it.
 * A page that nobody sees yet paints nothing, and starts without.
 */

const STYLES = ["messages.css", "text.css", "files.css", "drawers.css", "notices.css"];
/** Modules that others import late: asked for at once, they all come together. */
const DEEP = ["view.js", "log.js", "messages.js", "markdown.js", "conversation.js", "message.js"];
const VENDORED = ["vendor/markdown-it.mjs", "vendor/purify.es.mjs"];
const LONGEST_MS = 1000;

await new Promise((painted) => {
  new PerformanceObserver(painted).observe({ type: "paint", buffered: true });
  setTimeout(painted, document.hidden ? 0 : LONGEST_MS);
});
for (const name of [...DEEP, ...VENDORED]) link("modulepreload", name);
await Promise.all(STYLES.map((name) => new Promise((loaded) => link("stylesheet", name, loaded))));
await import("./chat.js");

function link(rel, name, ended = null) {
  const node = document.createElement("link");
  Object.assign(node, { rel, href: new URL(name, import.meta.url), onload: ended, onerror: ended });
  document.head.append(node);
}
