/** The panel of settings: how the model chooses its words, how the page looks, and the export. */

import { byId, make, makeButton } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Kept } from "./kept.js";
import { LOOKS, setLook } from "./theme.js";

const RANGES = {
  temperature: { min: 0, max: 2, step: 0.1 },
  top_p: { min: 0.05, max: 1, step: 0.05 },
  max_tokens: { min: 16, step: 16 },
};

/** The language that the reader chose; "" leaves it to the browser. */
export const keptLanguage = new Kept("xiaoq-language", "");
const keptLook = new Kept("xiaoq-look", LOOKS[0]);

export class Settings {
  #texts;
  #kept;
  #defaults = null;

  /** `save(format)` exports the conversation as "markdown" or "json". */
  constructor(texts, account, save) {
    this.#texts = texts;
    this.#kept = new Kept(`xiaoq-wishes-${account}`, {});
    new Drawer("settings");
    for (const format of ["markdown", "json"]) {
      byId(`export-${format}`).addEventListener("click", () => save(format));
    }
    offer(byId("language"), { "": texts.automatic, zh: "中文", en: "English" }, keptLanguage, () =>
      location.reload(),
    );
    const looks = Object.fromEntries(LOOKS.map((look) => [look, texts[look]]));
    offer(byId("look"), looks, keptLook, setLook);
    setLook(keptLook.value);
  }

  /** The persona's own `temperature`, `top_p` and `max_tokens`, or null to offer no choice. */
  set sampling(defaults) {
    this.#defaults = defaults;
    byId("wishes").hidden = defaults === null;
    if (defaults) this.#showWishes();
  }

  /** What the reader changed, as the server wants it; undefined for nothing. */
  get wishes() {
    if (!this.#defaults) return undefined;
    const changed = Object.entries(this.#kept.value).filter(([name]) => name in RANGES);
    return changed.length > 0 ? Object.fromEntries(changed) : undefined;
  }

  #showWishes() {
    const sliders = Object.keys(RANGES).map((name) => this.#slider(name));
    const reset = makeButton({ class: "plain" }, this.#texts.reset, () => {
      this.#kept.value = {};
      this.#showWishes();
      byId("wishes").querySelector("button").focus();
    });
    byId("ranges").replaceChildren(...sliders, reset);
  }

  #slider(name) {
    const most = { max: this.#defaults.max_tokens, ...RANGES[name] };
    const value = this.#kept.value[name] ?? this.#defaults[name];
    const id = `wish-${name}`;
    const output = make("output", { for: id }, String(value));
    const input = make("input", { type: "range", id, ...most, "aria-describedby": `${id}-help` });
    input.value = value;
    input.addEventListener("input", () => {
      output.textContent = input.value;
      this.#kept.value = { ...this.#kept.value, [name]: Number(input.value) };
    });
    const { label, help } = this.#texts.wishes[name];
    const words = make("label", { for: id }, label, output);
    return make("div", { class: "wish" }, words, input, make("small", { id: `${id}-help` }, help));
  }
}

/** Fill a select box, and keep what is chosen in it. */
function offer(select, choices, kept, chosen) {
  const options = Object.entries(choices).map(([value, label]) => make("option", { value }, label));
  select.replaceChildren(...options);
  select.value = kept.value;
  select.addEventListener("change", () => {
    kept.value = select.value;
    chosen(select.value);
  });
}
