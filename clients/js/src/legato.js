// SPDX-License-Identifier: Apache-2.0
/**
 * A client for Legato conversations: one session over WebSocket that hears, REST over fetch that speaks.
 *
 *     const client = new LegatoClient({ url: 'http://127.0.0.1:8080', token: () => fetchMyToken() });
 *     await client.connect();
 *     client.on('text', (event) => console.log(event._embedded.from_user.name, event.body.text));
 *     await client.conversation('CON-…').text('hello');
 *
 * Events and objects are the platform's JSON, as documented for its API, with its snake_case names.
 */
import { Conversation } from './conversation.js';
import { LegatoError } from './error.js';
import { Rest } from './rest.js';
import { Session } from './session.js';

export { Conversation, LegatoError };

export const VERSION = '0.1.0';

const RENEW_BEFORE_S = 60; // a token is renewed that long before it expires, or at nine tenths of a short life
// A provider of stale tokens is not asked in a loop; setTimeout counts no further.
const RENEWAL_MS = { least: 5_000, most: 2 ** 31 - 1 };

export class LegatoClient {
  #listeners = new Map();
  #conversations = new Map();
  #provider;
  #token = null; // promise of the token in use
  #renewal = 0;
  #session;
  #online;

  /**
   * @param {{url: string, token: string | (() => string | Promise<string>), path?: string,
   *          WebSocket?: typeof WebSocket}} options
   *   `url` is the server's origin (a path prefix is allowed). `token` is a JWT, or a function that gets a new one;
   *   with a function the client renews it before it expires. `path` is the session's path, `/v2/rtc` by default.
   */
  constructor({ url, token, path = '/v2/rtc', WebSocket = globalThis.WebSocket }) {
    this.#provider = token;
    /** The logged-in user, `{id, name}`; null before `connect`. */
    this.user = null;
    const current = () => (this.#token ??= this.#provide());
    /** Calls this class has no method for: `client.rest.request('GET', '/v0.3/…')`. */
    this.rest = new Rest({
      url,
      token: current,
      renew: () => this.renewToken(),
      onRequest: (request) => this.#emit('request', request),
    });
    this.#session = new Session({
      url: this.rest.url,
      path,
      query: { SDK_name: 'legato-js', SDK_version: VERSION, session_version: '0.0.3' },
      token: current,
      renew: () => this.renewToken(),
      WebSocket,
      onEvent: (type, payload) => this.#hear(type, payload),
      onStatus: (status, more) => this.#emit('status', { status, ...more }),
    });
    this.#online = () => this.hurry();
  }

  // Session

  /** `closed`, `connecting`, `connected`, `reconnecting` or `suspended`. */
  get status() {
    return this.#session.status;
  }

  /** The session's id, `SES-…`; null while there is none. */
  get sessionId() {
    return this.#session.id;
  }

  /** Logs in. Rejects when refused or unreachable; once it has worked, lost connections are made anew by themselves. */
  async connect() {
    const { user_id: id, name } = await this.#session.open();
    this.user = { id, name };
    globalThis.addEventListener?.('online', this.#online);
    this.#scheduleRenewal();
    return this.user;
  }

  /** Stays away from the network until `resume`; what happens meanwhile comes then. */
  suspend() {
    this.#session.suspend();
  }

  /** Comes back after `suspend`. */
  resume() {
    this.#session.resume();
  }

  /** Ends the pause between two attempts to reconnect; the browser's `online` event does it too. */
  hurry() {
    this.#session.hurry();
  }

  /** Ends the session: nothing is kept for it any longer. */
  async logout() {
    clearTimeout(this.#renewal);
    globalThis.removeEventListener?.('online', this.#online);
    await this.#session.logout();
    this.user = this.#token = null;
  }

  /** Gets a new token from the provider and binds it to the session; false when `token` was given as a string. */
  async renewToken() {
    if (typeof this.#provider !== 'function') return false;
    this.#token = this.#provide();
    await this.#token;
    if (this.status === 'connected') await this.rest.request('PUT', `/v0.2/sessions/${this.sessionId}`, { body: {} });
    this.#scheduleRenewal();
    return true;
  }

  // Listening

  /**
   * Calls `listener(event)` for each event of a type, of a family (`member:*`) or of all (`*`), in the order of the
   * conversation. Two names are the client's own: `status` (`{status, resumed, error, attempt, delay}`) and `request`
   * (each HTTP call after its answer). Returns a function that stops it.
   */
  on(/** @type {string} */ type, /** @type {(event: any) => void} */ listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.off(type, listener);
  }

  off(/** @type {string} */ type, /** @type {(event: any) => void} */ listener) {
    this.#listeners.get(type)?.delete(listener);
  }

  // Conversations

  /** The conversation with that id: always the same object for the same id. No request is made. */
  conversation(/** @type {string} */ id) {
    if (!this.#conversations.has(id)) this.#conversations.set(id, new Conversation(this, id));
    return this.#conversations.get(id);
  }

  /** Makes a conversation (`name`, `display_name`, `image_url`, `properties`, all optional) without joining it. */
  async createConversation(/** @type {object} */ properties = {}) {
    const made = await this.rest.request('POST', '/v0.3/conversations', { body: properties, once: true });
    return this.conversation(made.id);
  }

  /** A page of one's own conversations, those one is invited to or has joined. */
  conversations(/** @type {object} */ options) {
    return this.page(
      `/v0.3/users/${encodeURIComponent(this.user?.id ?? 'me')}/conversations`,
      'conversations',
      options,
    );
  }

  /** Uploads a picture; resolves with its three representations. Percentages shape them. */
  uploadImage(/** @type {Blob} */ file, { quality = 100, medium = 50, thumbnail = 30 } = {}) {
    const form = new FormData();
    form.append('file', file);
    form.append('quality_ratio', String(quality));
    form.append('medium_size_ratio', String(medium));
    form.append('thumbnail_size_ratio', String(thumbnail));
    return this.rest.request('POST', '/v1/image', { form });
  }

  /** The bytes of a representation's `url`. */
  fetchMedia(/** @type {string} */ url) {
    return this.rest.blob(url);
  }

  /**
   * One page of a list: `{items, next, previous}`, the last two being functions that get that page, or null.
   *
   * @param {string} path
   * @param {string} name the key of the items under `_embedded`
   * @param {{pageSize?: number, order?: 'asc' | 'desc', cursor?: string, types?: string[], startId?: number,
   *          endId?: number, state?: string, excludeDeleted?: boolean}} [options]
   */
  async page(path, name, options = {}) {
    const { pageSize, order, cursor, types, startId, endId, state, excludeDeleted } = options;
    const query = {
      page_size: pageSize,
      order,
      cursor,
      event_type: types?.join(','),
      start_id: startId,
      end_id: endId,
      state,
      exclude_deleted_events: excludeDeleted,
    };
    const { _embedded: embedded, _links: links } = await this.rest.request('GET', path, { query });
    const turn = (link) => {
      const found = link?.href && new URL(link.href, this.rest.url).searchParams.get('cursor');
      return found ? () => this.page(path, name, { ...options, cursor: found }) : null;
    };
    const items = (Array.isArray(embedded) ? embedded : embedded[name]).map((item) =>
      name === 'events' ? { ...item, conversation_id: item.conversation_id ?? item.cid } : item,
    );
    return { items, next: turn(links.next), previous: turn(links.prev) };
  }

  // The inside

  #hear(type, payload) {
    const event = { type, conversation_id: payload.cid, ...payload };
    if (event.conversation_id) this.conversation(event.conversation_id).heard(event);
    this.#emit(type, event);
    const family = type.indexOf(':');
    if (family > 0) this.#emit(`${type.slice(0, family)}:*`, event);
    this.#emit('*', event);
  }

  #emit(type, event) {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        }); // reported as uncaught; the other listeners still hear the event
      }
    }
  }

  async #provide() {
    try {
      return await (typeof this.#provider === 'function' ? this.#provider() : this.#provider);
    } catch (error) {
      this.#token = null;
      throw error;
    }
  }

  async #scheduleRenewal() {
    clearTimeout(this.#renewal);
    const expires = typeof this.#provider === 'function' && expiry(await this.#token);
    if (!expires) return;
    const life = expires - Date.now() / 1000;
    const due = Math.max(life - RENEW_BEFORE_S, life * 0.9) * 1000;
    const delay = Math.min(Math.max(due, RENEWAL_MS.least), RENEWAL_MS.most);
    // A renewal that fails is not the end: the server says so when the token expires, and it is tried once more then.
    this.#renewal = setTimeout(() => this.renewToken().catch(() => {}), delay);
    this.#renewal.unref?.();
  }
}

/** `exp` of a JWT in seconds since 1970; undefined when it has none or is opaque. */
function expiry(token) {
  try {
    return JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).exp;
  } catch {
    return undefined;
  }
}
