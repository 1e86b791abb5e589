/** Saves a conversation as a file. */

import { make } from "./dom.js";

const ENDINGS = { markdown: "md", json: "json" };

/** Have the browser save it; false where the server could not be asked. */
export async function saveFile(server, conversation, format) {
  try {
    const response = await server.exported(conversation, format);
    if (!response.ok) return false;
    const address = URL.createObjectURL(await response.blob());
    make("a", { href: address, download: `conversation.${ENDINGS[format]}` }).click();
    URL.revokeObjectURL(address);
    return true;
  } catch {
    return false;
  }
}
