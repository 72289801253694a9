// SPDX-License-Identifier: Apache-2.0
import { LegatoError } from './error.js';

/** A conversation as one user sees it. Get one from `client.conversation(id)`; it asks the server nothing by itself. */
export class Conversation {
  #me = null; // promise of the caller's own member
  #client;

  constructor(client, /** @type {string} */ id) {
    this.#client = client;
    this.id = id;
    /** The id of the last stored event that came over the session; 0 before the first. */
    this.lastEventId = 0;
  }

  get #path() {
    return `/v0.3/conversations/${encodeURIComponent(this.id)}`;
  }

  /** The conversation's properties. */
  get() {
    return this.#client.rest.request('GET', this.#path);
  }

  /** Changes what `changes` names: `display_name`, `image_url`, `properties`; null clears. */
  update(/** @type {object} */ changes) {
    return this.#client.rest.request('PATCH', this.#path, { body: changes });
  }

  /** Deletes the conversation for everybody. */
  delete() {
    return this.#client.rest.request('DELETE', this.#path);
  }

  // Members

  /** The caller's own member, joined or else invited; asked for once. Rejects with 404 when there is none. */
  me() {
    this.#me ??= this.#client.rest.request('GET', `${this.#path}/members/me`).catch((error) => {
      this.#me = null;
      throw error;
    });
    return this.#me;
  }

  /** Joins as oneself; an open invitation is accepted. Resolves with the member. */
  async join() {
    const { id, name } = this.#client.user ?? {};
    if (!id) throw new LegatoError('client:error:closed', 'Connect before you join.');
    this.#me = null;
    return this.#post('members', { state: 'joined', channel: { type: 'app' }, user: { id, name } });
  }

  /** Accepts an invitation: `join` under the name people look for. */
  accept() {
    return this.join();
  }

  /** Invites a user by name (or by id, `USR-…`). */
  async invite(/** @type {string} */ user) {
    return this.#post('members', {
      state: 'invited',
      channel: { type: 'app' },
      user: user.startsWith('USR-') ? { id: user } : { name: user },
      from: await this.#from(),
    });
  }

  /**
   * Leaves, declines an invitation, or (with another's member id) removes that member.
   *
   * @param {{member?: string, reason?: {code?: string, text?: string}}} [options]
   */
  async leave({ member, reason } = {}) {
    const from = await this.#from();
    const path = `${this.#path}/members/${encodeURIComponent(member ?? from)}`;
    const left = await this.#client.rest.request('PATCH', path, { body: { state: 'left', from, reason } });
    if (!member || member === from) this.#me = null;
    return left;
  }

  /** A page of members. */
  members(/** @type {object} */ options) {
    return this.#client.page(`${this.#path}/members`, 'members', options);
  }

  // Events

  /** Posts an event of any creatable type. Resolves with the stored event, once it is durable. */
  async post(/** @type {string} */ type, /** @type {object} */ body = {}, { once = true } = {}) {
    return this.#post('events', { type, from: await this.#from(), body }, once);
  }

  /** Sends text. */
  text(/** @type {string} */ text) {
    return this.post('text', { text });
  }

  /** Uploads a picture and posts it. */
  async image(/** @type {Blob} */ file, /** @type {object} */ ratios) {
    return this.post('image', { representations: await this.#client.uploadImage(file, ratios) });
  }

  /** Tells the others that one is writing, or has stopped. Not stored. */
  typing(/** @type {boolean} */ on) {
    return this.post(`text:typing:${on ? 'on' : 'off'}`, { activity: on ? 1 : 0 }, { once: false });
  }

  /** Says that an event reached this user. A repeat is harmless. */
  delivered(/** @type {{id: number, type: string}} */ event) {
    return this.post(`${receiptFamily(event)}:delivered`, { event_id: event.id }, { once: false });
  }

  /** Says that this user has seen an event. A repeat is harmless. */
  seen(/** @type {{id: number, type: string}} */ event) {
    return this.post(`${receiptFamily(event)}:seen`, { event_id: event.id }, { once: false });
  }

  /** Replaces the text of one's own event. */
  edit(/** @type {number} */ eventId, /** @type {string} */ text) {
    return this.post('text:update', { text, original_event_id: eventId });
  }

  /** Posts an event of one's own kind, `custom:<name>`. */
  custom(/** @type {string} */ name, /** @type {object} */ body) {
    return this.post(`custom:${name}`, body);
  }

  /** Tells everybody who is there something that is not stored. */
  ephemeral(/** @type {object} */ body) {
    return this.post('ephemeral', body, { once: false });
  }

  /** Deletes one's own event: its place in the log stays, its content goes. */
  async remove(/** @type {number} */ eventId) {
    const query = { from: await this.#from() };
    return this.#client.rest.request('DELETE', `${this.#path}/events/${eventId}`, { query });
  }

  /** A page of stored events. */
  events(/** @type {object} */ options) {
    return this.#client.page(`${this.#path}/events`, 'events', options);
  }

  // What the client tells its conversations

  /** Keeps count of what came, and forgets the own member when the log says that it changed. */
  heard(/** @type {object} */ event) {
    if (typeof event.id === 'number') this.lastEventId = event.id;
    if (event.type === 'member:joined' || event.type === 'member:left') this.#me = null;
  }

  async #from() {
    return (await this.me()).id;
  }

  #post(what, body, once = true) {
    return this.#client.rest.request('POST', `${this.#path}/${what}`, {
      body: { ...body, originating_session: this.#client.sessionId ?? undefined },
      once,
    });
  }
}

/** Which family of receipts an event takes: its own where the platform has one. */
function receiptFamily({ type }) {
  return ['text', 'image', 'message'].includes(type) ? type : 'event';
}
