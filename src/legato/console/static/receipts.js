const AT_ONCE = 4; // receipts under way at a time
const MOST = 1_000; // receipts waiting; in a storm the oldest are given up, as a reader gives up counting

/** Sends the receipts of one reader, a few at a time, and remembers what has come but was not looked at. */
export class Receipts {
  #kept = new Map();
  #waiting = [];
  #running = 0;

  constructor(conversation) {
    this.conversation = conversation;
  }

  /** How many messages nobody has looked at. */
  get kept() {
    return this.#kept.size;
  }

  deliver(event) {
    this.#queue(() => this.conversation.delivered(event));
  }

  see(event) {
    this.#queue(() => this.conversation.seen(event));
  }

  /** Remembers an event to be seen later. */
  keep(event) {
    this.#kept.set(event.id, event);
  }

  /** Somebody looks now. */
  seeKept() {
    for (const event of this.#kept.values()) this.see(event);
    this.#kept.clear();
  }

  /** A deleted message need not be seen any more. */
  forget(id) {
    this.#kept.delete(id);
  }

  #queue(work) {
    this.#waiting.push(work);
    if (this.#waiting.length > MOST) this.#waiting.shift();
    this.#run();
  }

  async #run() {
    if (this.#running >= AT_ONCE) return;
    this.#running += 1;
    while (this.#waiting.length) {
      // A receipt that fails is not worth a word to the reader; the next page of history asks for it again.
      await this.#waiting
        .shift()()
        .catch(() => {});
    }
    this.#running -= 1;
  }
}
