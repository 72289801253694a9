/** What a row of the log says of an event, and what its colour is. Nothing here knows the list of types. */

const GOLDEN_ANGLE = 137.508; // degrees: hues that come one after the other are far apart
const SINKS = { history: 'kept in history', sessions: 'heard by sessions', webhook: 'for the webhook' };
const DELIVERIES = {
  waiting: () => 'waits for the webhook',
  delivered: (times) => `delivered to the webhook${times > 1 ? ` (${times} attempts)` : ''}`,
  retrying: (times) => `not taken by the webhook yet (${times} ${times === 1 ? 'attempt' : 'attempts'})`,
  dead: (times) => `given up for the webhook (${times} ${times === 1 ? 'attempt' : 'attempts'}): a dead letter`,
  offered: () => 'offered to the webhook once',
  past: () => 'for the webhook (nothing is kept of its delivery)',
};

/** The first part of a type: `text` of `text:seen`. */
export function familyOf(type) {
  const colon = type.indexOf(':');
  return colon < 0 ? type : type.slice(0, colon);
}

/** The catalogue as the page uses it. */
export class Catalogue {
  /** @param {{name: string, summary: string, sinks: string[], is_stored: boolean}[]} entries */
  constructor(entries) {
    this.entries = entries;
    this.byName = new Map(entries.map((entry) => [entry.name, entry]));
    this.families = [...new Set(entries.map(({ name }) => familyOf(name)))];
  }

  entry(type) {
    return this.byName.get(type) ?? this.byName.get(`${familyOf(type)}:*`);
  }

  hue(type) {
    return Math.round((255 + Math.max(this.families.indexOf(familyOf(type)), 0) * GOLDEN_ANGLE) % 360);
  }
}

/** The id of the event that this one is about: a receipt's, an edit's, a deletion's target. */
export function targetOf({ body }) {
  const id = Number(body.event_id ?? body.original_event_id);
  return Number.isInteger(id) && id > 0 ? id : null;
}

/** One line about the body, made of what is there. */
export function summaryOf({ body, ...event }) {
  const target = targetOf({ body });
  const words = [];
  if (target !== null) words.push(`→ ${target}`);
  if (typeof body.text === 'string') words.push(body.text);
  else if (body.representations)
    words.push(`${body.representations.original?.type ?? 'picture'}, ${bytes(body.representations.original?.size)}`);
  else if (body.user?.name && body.user.name !== event.user?.name) words.push(body.user.name);
  else if (body.timestamp?.deleted) words.push('deleted');
  else if (body.message_type) words.push(body.message_type);
  if (words.length === 0 && !body.user && !('activity' in body)) words.push(JSON.stringify(body).slice(0, 160));
  return words.join(' ');
}

/** Where the event went, in words. `delivery` is `{state, attempts}`, null when the application has no webhook. */
export function sinksInWords({ sinks, readers }, delivery) {
  const words = sinks.map((sink) => {
    if (sink === 'sessions' && readers !== null && readers !== undefined)
      return `heard by ${readers} ${readers === 1 ? 'user' : 'users'}`;
    if (sink === 'webhook')
      return delivery ? DELIVERIES[delivery.state](delivery.attempts) : 'for the webhook (the application has none)';
    return SINKS[sink];
  });
  const text = words.join(' · ');
  return text ? text[0].toUpperCase() + text.slice(1) : 'Goes nowhere';
}

export const SINK_NAMES = Object.keys(SINKS);

/** Whether a type passes a filter as the API's `event_type` has it: exact names and a trailing `*`, comma-separated. */
export function filterOf(text) {
  const wanted = text
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter(Boolean);
  if (wanted.length === 0) return () => true;
  return (type) =>
    wanted.some((each) =>
      each.endsWith('*')
        ? type.startsWith(each.slice(0, -1))
        : type === each || (text.indexOf(',') < 0 && type.includes(each)),
    );
}

function bytes(count) {
  if (!Number.isFinite(count)) return '';
  return count < 1000
    ? `${count} bytes`
    : count < 1e6
      ? `${Math.round(count / 1000)} kB`
      : `${(count / 1e6).toFixed(1)} MB`;
}
