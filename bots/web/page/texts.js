/** Every word that the page itself says, in the two languages of its readers. */

const TEXTS = {
  zh: {
    subtitle: "在线客服 · 随时为您解答",
    renew: "新对话",
    typing: "正在输入…",
    latest: "回到最新消息",
    label: "您的问题",
    placeholder: "请输入您的问题…",
    send: "发送",
    note: "AI 回答仅供参考，请注意核对",
    log: "对话",
    suggestions: "常见问题",
    fresh: "新的对话",
    you: "您",
    sending: "发送中…",
    failed: "未能发送",
    retry: "重试",
    generated: "AI 生成",
    handedOver: "已转人工",
    sources: "来源：",
    offline: "网络已断开，恢复后会自动重连。",
    reconnecting: "正在重新连接…",
    unavailable: "服务暂时不可用，正在自动重试…",
    remaining: (count) => `还可输入 ${count} 字`,
    excess: (count) => `超出 ${count} 字`,
  },
  en: {
    subtitle: "Customer service · 24/7",
    renew: "New chat",
    typing: "is typing…",
    latest: "Go to the latest message",
    label: "Your question",
    placeholder: "Ask a question…",
    send: "Send",
    note: "AI answers may contain mistakes",
    log: "Conversation",
    suggestions: "Frequent questions",
    fresh: "New conversation",
    you: "You",
    sending: "Sending…",
    failed: "Not sent",
    retry: "Try again",
    generated: "AI-generated",
    handedOver: "Handed over to a person",
    sources: "Sources:",
    offline: "You are offline. The page reconnects by itself.",
    reconnecting: "Reconnecting…",
    unavailable: "The service is unavailable right now; trying again…",
    remaining: (count) => `${count} characters left`,
    excess: (count) => `${count} characters too many`,
  },
};

/** The page's language for a browser's language: Chinese for any Chinese, else English. */
export function chooseLanguage(preferred) {
  return /^zh\b/i.test(preferred) ? "zh" : "en";
}

/** The texts of a language that `chooseLanguage` gave. */
export function textsOf(language) {
  return TEXTS[language];
}

/** The wanted language's entry of a persona's texts, else the first that there is. */
export function pick(translations, language, otherwise) {
  return translations?.[language] ?? Object.values(translations ?? {})[0] ?? otherwise;
}
