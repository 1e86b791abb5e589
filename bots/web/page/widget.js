/**
 * The chat as a button in the corner of another site's page, from one script tag:
 *
 *   <script async src="https://chat.example/static/widget.js" data-account="main"></script>
 *
 * `data-account` names the page's account ("main" if left out), `data-side="left"` the other
 * corner. The site must be one that the persona allows; on others nothing appears. What is said
 * stays in a frame of the chat's own origin: the site's scripts cannot read it, its styles do not
 * reach it, and the button has a shadow DOM of its own.
 */
(() => {
  const script = document.currentScript;
  const { origin } = new URL(script.src);
  const { account = "main", side = "right" } = script.dataset;
  const isChinese = /^zh\b/i.test(navigator.language);
  const texts = isChinese
    ? { open: (name) => `打开聊天：${name}`, close: "关闭聊天", news: "有新回复" }
    : { open: (name) => `Chat with ${name}`, close: "Close the chat", news: "New answer" };
  const KEPT = `xiaoq-${account}`;
  const BUBBLE = "M12 4c-5 0-9 3.3-9 7.400s4 7.4 9 7.400c1 0 2-.1 2.9-.4L19 20l-1-3.300c1.9-1.4 3-3.2 3-5.300C21 7.3 17 4 12 4z";
  const STYLE = `
    :host { all: initial; position: fixed; bottom: 20px; ${side === "left" ? "left" : "right"}: 20px;
      z-index: 2147483000; font: 15px/1.5 system-ui, sans-serif; color-scheme: light dark; }
    button { display: grid; width: 56px; height: 56px; margin-left: auto; padding: 0;
      place-items: center; background: var(--accent); border: 0; border-radius: 50%;
      box-shadow: 0 4px 20px rgb(0 0 0 / 22%); color: var(--on-accent); cursor: pointer;
      transition: transform 0.15s; }
    button:hover { transform: scale(1.05); }
    button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
    button.news::after { content: ""; position: absolute; bottom: 42px; right: 2px; width: 14px;
      height: 14px; background: #d92d3a; border: 2px solid #fff; border-radius: 50%; }
    svg { width: 28px; height: 28px; fill: none; stroke: currentcolor; stroke-width: 1.8;
      stroke-linecap: round; stroke-linejoin: round; }
    iframe { display: block; width: min(400px, calc(100vw - 40px));
      height: min(640px, calc(100vh - 116px)); margin-bottom: 16px; background: Canvas; border: 0;
      border-radius: 20px; box-shadow: 0 12px 48px rgb(0 0 0 / 24%); }
    iframe[hidden] { display: none; }
    @media (max-width: 480px) {
      :host(.open) { inset: 0; }
      :host(.open) button { display: none; }
      iframe { width: 100vw; height: 100vh; height: 100dvh; margin: 0; border-radius: 0; }
    }
    @media (prefers-reduced-motion: reduce) { button { transition: none; } }`;

  class Widget {
    #host = document.createElement("xiaoq-widget");
    #button = document.createElement("button");
    #frame = null;
    #name;

    constructor({ name, theme }) {
      this.#name = name;
      const root = this.#host.attachShadow({ mode: "closed" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      // A <style> element would need the site's policy to allow inline styles; this does not.
      root.adoptedStyleSheets = [sheet];
      this.#host.style.setProperty("--accent", theme.accent);
      this.#host.style.setProperty("--on-accent", isBright(theme.accent) ? "#000" : "#fff");
      this.#button.type = "button";
      this.#button.append(drawBubble());
      this.#button.addEventListener("click", () => this.#show(!this.#isOpen));
      this.#label();
      root.append(this.#button);
      addEventListener("message", (event) => this.#hear(event));
      addEventListener("keydown", ({ key }) => key === "Escape" && this.#isOpen && this.#show(false));
      document.body.append(this.#host);
    }

    get #isOpen() {
      return this.#frame !== null && !this.#frame.hidden;
    }

    #show(open) {
      this.#frame ??= this.#build();
      this.#frame.hidden = !open;
      this.#host.classList.toggle("open", open);
      this.#button.classList.remove("news");
      this.#label();
      (open ? this.#frame : this.#button).focus();
    }

    #build() {
      const frame = document.createElement("iframe");
      const kept = encodeURIComponent(JSON.stringify(recall()));
      frame.src = `${origin}/chat/${encodeURIComponent(account)}#${kept}`;
      frame.title = this.#name;
      frame.allow = "clipboard-write";
      this.#button.before(frame);
      return frame;
    }

    #label(news = "") {
      const words = this.#isOpen ? texts.close : texts.open(this.#name);
      this.#button.setAttribute("aria-label", news ? `${words} · ${news}` : words);
      this.#button.setAttribute("aria-expanded", String(this.#isOpen));
    }

    #hear({ origin: from, source, data }) {
      if (from !== origin || source !== this.#frame?.contentWindow) return;
      if (data?.xiaoq === "close") this.#show(false);
      if (data?.xiaoq === "keep") keep(data.key, data.value);
      if (data?.xiaoq === "answer" && !this.#isOpen) {
        this.#button.classList.add("news");
        this.#label(texts.news);
      }
    }
  }

  /** What the framed page could not keep itself, because the browser forbids it to. */
  function recall() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) ?? {};
    } catch {
      return {};
    }
  }

  function keep(key, value) {
    try {
      localStorage.setItem(KEPT, JSON.stringify({ ...recall(), [key]: value }));
    } catch {
      // Then the conversation ends with the page.
    }
  }

  function drawBubble() {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const path = document.createElementNS(space, "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", BUBBLE);
    svg.append(path);
    return svg;
  }

  /** Whether black is easier to read on a colour (`#rrggbb`) than white. */
  function isBright(hex) {
    const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    return 0.2126 * red ** 2.2 + 0.7152 * green ** 2.2 + 0.0722 * blue ** 2.2 > 0.179 * 255 ** 2.2;
  }

  async function start() {
    const hello = `${origin}/web/${encodeURIComponent(account)}/hello?token=1`;
    const response = await fetch(hello, { credentials: "omit" }).catch(() => null);
    if (response?.ok) new Widget(await response.json());
    else console.warn(`XiaoQ: no chat from ${origin} here; is this site among the persona's origins?`);
  }

  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);
})();
