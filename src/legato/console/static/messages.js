/**
 * What a conversation says to those who read it: messages, folded from events. An event may come from a page of
 * history and again over the session; the fold is the same.
 */

const MESSAGES = new Set(['text', 'image', 'message']);
const RECEIPT = /^(?:text|image|message|event):(delivered|seen)$/;

export class Messages {
  #byId = new Map();
  #ids = []; // in the order of the log

  /** The ids of all messages, in the order of the log. */
  get ids() {
    return this.#ids;
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** The message before that one, or undefined. */
  before(id) {
    return this.#byId.get(this.#ids[this.#ids.lastIndexOf(id) - 1]);
  }

  /** The newest message for which `test` holds, or undefined. */
  findLast(test) {
    for (let place = this.#ids.length - 1; place >= 0; place -= 1) {
      const message = this.#byId.get(this.#ids[place]);
      if (test(message)) return message;
    }
    return undefined;
  }

  /** Takes one event in; returns the message that is new or changed, or null. */
  apply(event) {
    const receipt = RECEIPT.exec(event.type);
    if (MESSAGES.has(event.type)) return this.#add(event);
    if (event.type === 'member:joined' || event.type === 'member:left') return this.#note(event);
    const target = this.#byId.get(event.body.event_id ?? event.body.original_event_id);
    if (!target) return null;
    if (receipt) target[receipt[1]].add(event.from);
    else if (event.type === 'event:delete') Object.assign(target, { text: '', picture: null, isDeleted: true });
    else if (event.type === 'text:update') Object.assign(target, { text: event.body.text, isEdited: true });
    else return null;
    return target;
  }

  /** Forgets the oldest messages beyond `most`; returns their ids. */
  trim(most) {
    const gone = this.#ids.splice(0, Math.max(this.#ids.length - most, 0));
    for (const id of gone) this.#byId.delete(id);
    return gone;
  }

  #put(message) {
    if (!this.#byId.has(message.id)) {
      this.#ids.push(message.id);
      if (this.#ids.at(-2) > message.id) this.#ids.sort((one, other) => one - other);
    }
    this.#byId.set(message.id, message);
    return message;
  }

  #add(event) {
    const { id, type, body, state } = event;
    const known = this.#byId.get(id);
    const message = {
      id,
      type,
      from: event.from,
      author: event._embedded?.from_user?.display_name || event._embedded?.from_user?.name || 'someone',
      at: event.timestamp,
      text: body.text ?? (type === 'message' && body.message_type !== 'text' ? `[${body.message_type}]` : ''),
      picture: body.representations ?? null,
      isDeleted: Boolean(body.timestamp?.deleted) || Boolean(known?.isDeleted),
      isEdited: Boolean(body.edited) || Boolean(known?.isEdited),
      delivered: new Set([...Object.keys(state?.delivered_to ?? {}), ...(known?.delivered ?? [])]),
      seen: new Set([...Object.keys(state?.seen_by ?? {}), ...(known?.seen ?? [])]),
    };
    // What the session told in the meantime is newer than a page of history.
    if (known?.isEdited && !body.edited) message.text = known.text;
    if (message.isDeleted) Object.assign(message, { text: '', picture: null });
    return this.#put(message);
  }

  #note({ id, type, timestamp, body }) {
    const who = body.user?.display_name || body.user?.name || 'someone';
    return this.#put({ id, at: timestamp, note: `${who} ${type === 'member:joined' ? 'joined' : 'left'}` });
  }
}

/** How far a message of one's own has come: `sent`, `delivered` or `seen`, by anybody but its author. */
export function progress({ from, seen, delivered }) {
  const others = (people) => [...people].some((member) => member !== from);
  if (others(seen)) return 'seen';
  return others(delivered) ? 'delivered' : 'sent';
}
