/** A moment in the words of the page's language; the day is left out today. */

import { make } from "./dom.js";

const HOUR = { hour: "numeric", minute: "2-digit" };
const DAY = { month: "short", day: "numeric", ...HOUR };
const formats = new Map();

/** An element for a moment in seconds since 1970. */
export function timeOf(seconds) {
  const moment = new Date(seconds * 1000);
  const isToday = moment.toDateString() === new Date().toDateString();
  const words = formatOf(isToday ? HOUR : DAY).format(moment);
  return make("time", { datetime: moment.toISOString() }, words);
}

/** Made once: making one takes a hundred times as long as using it. */
function formatOf(options) {
  if (!formats.has(options)) {
    formats.set(options, new Intl.DateTimeFormat(document.documentElement.lang, options));
  }
  return formats.get(options);
}
