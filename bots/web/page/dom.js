/** The two shorthands that everything which builds the page is written in. */

/** A new element with attributes (null and false ones left out) and children. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}
