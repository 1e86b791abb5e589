/** How long to wait before trying again. */

const FIRST_S = 0.5;
const LONGEST_S = 30;
const LONGEST_ASKED_S = 300;

/**
 * Seconds to wait after failure number `attempt` (from 0): doubling, spread by up to a quarter
 * so that a thousand pages do not come back at once, and never less than the server asked for.
 */
export function delayAfter(attempt, retryAfter = 0) {
  const grown = Math.min(LONGEST_S, FIRST_S * 2 ** attempt);
  const asked = Math.min(LONGEST_ASKED_S, retryAfter);
  return Math.max(grown, asked) * (1 + Math.random() / 4);
}

/** Wait some seconds, or less when the network or the reader comes back meanwhile. */
export function pause(seconds) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      document.removeEventListener("visibilitychange", end);
      resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    addEventListener("online", end);
    document.addEventListener("visibilitychange", end);
  });
}
