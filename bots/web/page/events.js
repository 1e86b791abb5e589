/** Server-sent events from the body of a response; EventSource can carry no token. */

export class EventReader {
  /** The id of the last whole event, to go on after; "" before the first. */
  lastId = "";
  /** How many events were read. */
  count = 0;
  #receive;

  /** `receive(event, eventId)` gets every event that is JSON. */
  constructor(receive) {
    this.#receive = receive;
  }

  /** Read a body to its end; `hear()` is called for each piece. Rejects when it is cut. */
  async read(body, hear) {
    const decoder = new TextDecoder();
    const reader = body.getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      hear();
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop();
      blocks.forEach((block) => this.#take(block));
    }
  }

  #take(block) {
    const fields = block.split("\n").map((line) => line.split(/: ?(.*)/s, 2));
    const data = fields.filter(([name]) => name === "data").map(([, value]) => value);
    const id = fields.findLast(([name]) => name === "id")?.[1];
    if (data.length > 0) this.#tell(data.join("\n"), id ?? "");
    if (id !== undefined) this.lastId = id;
  }

  #tell(data, id) {
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    this.count += 1;
    this.#receive(event, id);
  }
}
