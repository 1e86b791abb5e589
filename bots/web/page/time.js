/** A moment in the words of the page's language; the day is left out today. */

import { make } from "./dom.js";

/** An element for a moment in seconds since 1970. */
export function timeOf(seconds) {
  const moment = new Date(seconds * 1000);
  const today = moment.toDateString() === new Date().toDateString();
  const day = today ? {} : { month: "short", day: "numeric" };
  const { lang } = document.documentElement;
  const words = moment.toLocaleString(lang, { ...day, hour: "numeric", minute: "2-digit" });
  return make("time", { datetime: moment.toISOString() }, words);
}
