/** The persona's colours, made fit to read, and the reader's choice of light or dark. */

export const LOOKS = ["auto", "light", "dark"];
const MEDIA = { auto: "(prefers-color-scheme: dark)", light: "not all", dark: "all" };
const GROUNDS = { accent: [255, 255, 255], accent_dark: [22, 23, 26] };
const ENOUGH = 4.5;

/** Show the page light, dark, or as the device does. */
export function setLook(look) {
  document.getElementById("dark").media = MEDIA[look] ?? MEDIA.auto;
}

/** Take the persona's `accent` and `accent_dark`, each `#rrggbb`. */
export function setTheme(theme) {
  for (const [name, ground] of Object.entries(GROUNDS)) {
    if (!theme?.[name]) continue;
    const colour = readable(parse(theme[name]), ground);
    const { style } = document.documentElement;
    const kind = name.replace("_", "-");
    style.setProperty(`--${kind}`, `rgb(${colour.join(" ")})`);
    style.setProperty(`--${kind}-soft`, `rgb(${colour.join(" ")} / 12%)`);
    style.setProperty(`--on-${kind}`, contrast(colour, [255, 255, 255]) >= ENOUGH ? "#fff" : "#000");
  }
}

/** The colour, moved away from the ground until text in it can be read there (WCAG 1.4.3). */
function readable(colour, ground) {
  const away = brightness(ground) > 0.5 ? 0 : 255;
  let found = colour;
  for (let part = 0; contrast(found, ground) < ENOUGH && part < 1; part += 0.05) {
    found = colour.map((channel) => Math.round(channel + (away - channel) * part));
  }
  return found;
}

function parse(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

function contrast(one, other) {
  const [dark, bright] = [brightness(one), brightness(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}

/** Relative luminance, as WCAG defines it. */
function brightness(colour) {
  const [red, green, blue] = colour.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
