import { attemptOf } from './attempt.js';
import { element, icon } from './element.js';

const MOST = 20_000; // marks kept, as many as the timeline has events
const TICK_MS = 1_000;
const $ = (id) => document.getElementById(id);

/**
 * How webhooks fare: what the feed tells of them, the receiver's switch below the log, and an open event's attempts.
 *
 * `onChange` is called when rows have to be looked at again.
 */
export class Deliveries {
  #standing = { url: null, cursor: 0 };
  #marks = new Map(); // event id → {state, attempts}
  #panels = new Map(); // section of an open row → {event, shown}: the attempts it shows by their ids
  #dueAt = null; // on this page's clock, in ms
  #timer = null;
  #told = '';
  #choosing = 0; // requests to the receiver's switch under way
  onChange = () => {};

  constructor({ conversationId, announce }) {
    Object.assign(this, { conversationId, announce });
    $('behaviour').addEventListener('change', ({ target }) => this.#switch(target.value));
    $('resume').addEventListener('click', () => this.#post('resume'));
  }

  /** The feed's news: `{now, standing, marks}`, times in seconds on the server's clock. */
  take({ now, standing, marks }) {
    this.#standing = standing;
    this.#dueAt = standing.due_at === null ? null : performance.now() + (standing.due_at - now) * 1000;
    const changed = Object.entries(marks).map(([id, mark]) => [Number(id), mark]);
    for (const [id, mark] of changed) this.#marks.set(id, mark);
    for (const id of this.#marks.keys()) {
      if (this.#marks.size <= MOST) break;
      this.#marks.delete(id);
    }
    this.#show();
    this.onChange();
    const ids = new Set(changed.map(([id]) => id));
    for (const [section, { event }] of this.#panels) {
      if (!section.isConnected) this.#panels.delete(section);
      else if (ids.has(event.id)) this.#fill(section);
    }
  }

  /** How the delivery of an entry stands, `{state, attempts}`; null when it has none. */
  of({ event, sinks }) {
    if (!this.#standing.url || !sinks.includes('webhook')) return null;
    if (event.id === undefined) return { state: 'offered', attempts: 0 };
    return (
      this.#marks.get(event.id) ?? { state: event.id > this.#standing.cursor ? 'waiting' : 'past', attempts: 0 }
    );
  }

  /** For an open row: the attempts at its event, and a button for another; null for a signal. */
  panel({ event }) {
    if (event.id === undefined) return null;
    const again = async () => {
      button.disabled = true;
      await this.#post('again', { conversation_id: this.conversationId, event_id: event.id });
      button.disabled = false;
    };
    const button = element(
      'button',
      { type: 'button', class: 'plain', onclick: again },
      icon('retrying'),
      'Send again',
    );
    const section = element(
      'section',
      { class: 'sent', 'aria-label': `Deliveries of event ${event.id}` },
      element('header', {}, element('h3', {}, 'Webhook'), element('span', { class: 'grow' }), button),
      element('ol', { class: 'attempts' }),
    );
    this.#panels.set(section, { event, shown: new Map() });
    this.#fill(section);
    return section;
  }

  async #fill(section) {
    const { event, shown } = this.#panels.get(section);
    const query = new URLSearchParams({ conversation_id: this.conversationId, event_id: event.id });
    const response = await fetch(`/console/attempts?${query}`);
    if (!response.ok) return;
    for (const attempt of await response.json()) {
      if (shown.has(attempt.id)) continue;
      shown.set(attempt.id, attemptOf(attempt));
      section.lastElementChild.append(shown.get(attempt.id));
    }
  }

  /** News that was on its way when somebody chose does not put the switch back. */
  async #switch(behaviour) {
    this.#choosing += 1;
    const done = await this.#post('receiver', { behaviour });
    this.#choosing -= 1;
    if (!done) this.#show();
  }

  async #post(path, body = {}) {
    const response = await fetch(`/console/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    }).catch(() => null);
    if (!response?.ok) this.announce('The server did not do that.');
    return Boolean(response?.ok);
  }

  // Below the log

  #show() {
    const { url, is_built_in, behaviour, head, cursor } = this.#standing;
    $('posted').hidden = !url;
    if (!url) return;
    $('behaviour').hidden = !is_built_in;
    $('receiver-title').textContent = is_built_in ? 'Receiver' : 'Webhook';
    $('elsewhere').textContent = is_built_in ? '' : url;
    const chosen = $('behaviour').querySelector(`[value=${behaviour}]`);
    if (!chosen.checked && !this.#choosing) chosen.checked = true;
    $('backlog').textContent = head > cursor ? `${head - cursor} waiting` : '';
    this.#hold();
  }

  #hold() {
    const sentence = sentenceOf(this.#standing);
    const left = this.#dueAt === null ? 0 : this.#dueAt - performance.now();
    $('held').hidden = !sentence;
    $('held').classList.toggle('stopped', this.#standing.state !== 'active');
    $('held').firstElementChild.textContent = sentence && `${sentence} ${this.#next(left)}`;
    if (sentence && sentence !== this.#told) this.announce(sentence);
    this.#told = sentence;
    clearTimeout(this.#timer);
    if (sentence && left > 0) this.#timer = setTimeout(() => this.#hold(), Math.min(left, TICK_MS));
  }

  #next(left) {
    if (this.#standing.state !== 'active') return '';
    return left > 0 ? `Next attempt in ${span(Math.ceil(left / 1000))}.` : 'It is being tried again.';
  }
}

/** Why nothing is sent just now; empty when all is well. */
export function sentenceOf({ state, why, failures, attempts, head, cursor }) {
  const reason = why ? why.replace(/\.$/, '') : 'it took nothing';
  if (state === 'disabled') return `The endpoint is disabled: ${reason}.`;
  if (state === 'paused') return 'The endpoint is paused: what happens waits for it.';
  if (head <= cursor) return '';
  if (failures > 0) return `The endpoint waits: ${reason}.`;
  return attempts > 0 ? `Event ${cursor + 1} was not taken: ${reason}.` : '';
}

function span(seconds) {
  if (seconds < 100) return `${seconds} s`;
  return seconds < 6_000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
