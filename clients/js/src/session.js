// SPDX-License-Identifier: Apache-2.0
//
// Socket.IO protocol 5 over Engine.IO protocol 4, WebSocket transport, namespace "/".
//
//   0{"sid":…,"pingInterval":…,"pingTimeout":…}   server opens
//   40                     40{"pid":…,"offset":…}  client connects; after a cut it says how far it got
//   40{"sid":…,"pid":…}                            server accepts
//   42["session:success",{…}]                      the first event answers the login
//   42["text",{…},"1017"]                          an event; a stored one ends with its offset
//   42["session:logout",{"tid":…,"body":{}}]       the one event a client sends
//   41                                             server ends the session for good
//   2 / 3                                          ping of the server, pong of the client
import { LegatoError } from './error.js';
import { uuid } from './rest.js';

const LOGIN_MS = 10_000; // from opening the socket to the answer of the login
const LOGOUT_MS = 5_000; // to wait for `session:logged-out` before the socket is closed all the same
const BACKOFF_MS = { first: 500, most: 15_000 }; // doubled each time, then shortened at random by up to a half
const OPEN = 1; // WebSocket.readyState
const LOST_SESSION = new Set(['session:invalid', 'session:error:invalid', 'session:error:not-found']);
const BAD_TOKEN = new Set(['system:error:expired-token', 'system:error:invalid-token']);

/**
 * One session: the socket it runs on is replaced as often as the network needs, and what was missed meanwhile comes
 * after the reconnect, each event once and in order. The server keeps that promise; the session only tells it the
 * offset of the last event it saw.
 */
export class Session {
  #socket = null;
  #login = null; // settles the attempt under way
  #silence = 0; // timer: nothing was heard for too long
  #retry = 0; // timer: the pause before the next attempt
  #attempt = 0;
  #patience = 0; // milliseconds of silence that mean the socket is dead
  #pid = null;
  #offset = null;
  #end = null; // why the server is about to disconnect
  #logout = null; // {tid, done} of the logout under way
  #round = 0; // grows whenever a socket is let go, so that what was begun for an earlier one can tell

  /**
   * @param {{url: string, path: string, query: object, token: () => Promise<string>, renew: () => Promise<boolean>,
   *          onEvent: (type: string, payload: object) => void,
   *          onStatus: (status: string, more?: object) => void}} options
   */
  constructor(options) {
    this.options = options;
    this.id = null;
    this.status = 'closed';
  }

  /** Logs in; resolves with `{id, user_id, name}` and rejects when the server refuses or cannot be reached. */
  async open() {
    if (this.status !== 'closed') throw new LegatoError('client:error:state', `The session is ${this.status}.`);
    this.#become('connecting');
    try {
      return await this.#connect();
    } catch (error) {
      this.close(error);
      throw error;
    }
  }

  /** Drops the socket and stays away until `resume`; the server keeps what is missed. */
  suspend() {
    if (this.status === 'closed' || this.status === 'suspended') return;
    this.#drop();
    this.#become('suspended');
  }

  /** Comes back after `suspend`. */
  resume() {
    if (this.status !== 'suspended') return;
    this.#attempt = 0;
    this.#become('reconnecting', { attempt: 0, delay: 0 });
    this.#again();
  }

  /** Ends the pause between two attempts: the network is known to be back. */
  hurry() {
    if (this.#retry) this.#again();
  }

  /** Ends the session at the server, then closes. */
  async logout() {
    if (this.status === 'connected') {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, LOGOUT_MS);
        this.#logout = { tid: uuid(), done: () => (clearTimeout(timer), resolve()) };
        this.#send(`42${JSON.stringify(['session:logout', { tid: this.#logout.tid, body: {} }])}`);
      });
    }
    this.close();
  }

  /** Closes the socket for good. */
  close(/** @type {LegatoError | undefined} */ error) {
    if (this.status === 'closed') return;
    this.#drop();
    this.id = this.#pid = this.#offset = null;
    this.#become('closed', { error });
  }

  #become(status, more) {
    this.status = status;
    this.options.onStatus(status, more);
  }

  /** One attempt: resolves once the login was answered with success. */
  async #connect() {
    const before = this.id;
    const round = this.#round;
    const token = await this.options.token();
    if (round !== this.#round) throw letGo();
    const query = new URLSearchParams({
      ...this.options.query,
      token,
      ...(this.id && { session_id: this.id }),
      EIO: '4',
      transport: 'websocket',
    });
    const socket = new this.options.WebSocket(
      `${this.options.url.replace(/^http/, 'ws')}${this.options.path}/?${query}`,
    );
    this.#socket = socket;
    const body = await new Promise((resolve, reject) => {
      this.#login = { resolve, reject };
      this.#listen(LOGIN_MS);
      socket.onmessage = ({ data }) => socket === this.#socket && typeof data === 'string' && this.#receive(data);
      socket.onclose = () => socket === this.#socket && this.#lost();
      socket.onerror = () => {}; // a close follows; some WebSockets throw where nobody listens
    });
    this.id = body.id;
    this.#attempt = 0;
    this.#become('connected', { resumed: before !== null && before === body.id });
    return body;
  }

  #receive(packet) {
    if (this.#login === null) this.#listen(this.#patience);
    switch (packet[0]) {
      case '0': {
        const { pingInterval, pingTimeout } = JSON.parse(packet.slice(1));
        this.#patience = pingInterval + pingTimeout;
        const position = this.#pid && this.#offset ? JSON.stringify({ pid: this.#pid, offset: this.#offset }) : '';
        this.#send(`40${position}`);
        break;
      }
      case '1':
        this.#lost();
        break;
      case '2':
        this.#send(`3${packet.slice(1)}`);
        break;
      case '4':
        this.#message(packet.slice(1));
        break;
      default: // noop and what later protocols may add
    }
  }

  #message(packet) {
    const [, kind, ack, json] = /^(\d)(\d*)(.*)$/s.exec(packet) ?? [];
    if (kind === '0') {
      this.#pid = (json && JSON.parse(json).pid) || this.#pid;
    } else if (kind === '1') {
      this.#ended(this.#end ?? new LegatoError('client:error:closed', 'The server ended the session.'));
    } else if (kind === '2') {
      const [type, payload, offset] = JSON.parse(json);
      if (ack) this.#send(`43${ack}[]`);
      this.#event(type, payload ?? {});
      if (typeof offset === 'string') this.#offset = offset;
    } else if (kind === '4') {
      this.#ended(
        new LegatoError('client:error:refused', JSON.parse(json).message ?? 'The server refused the socket.'),
      );
    }
  }

  #event(type, payload) {
    if (this.#login !== null) {
      if (type !== 'session:success') return this.#refuse(refusal(type, payload));
      const { resolve } = this.#login;
      this.#login = null;
      this.#listen(this.#patience);
      resolve(payload.body);
    } else if (this.#logout !== null && payload.rid === this.#logout.tid) {
      this.#logout.done();
    } else if (type === 'system:error:expired-token') {
      this.#end = refusal(type, payload);
      this.options.renew().then(
        (renewed) => renewed && (this.#end = null),
        () => {},
      );
    } else if (type === 'session:terminated') {
      this.#end = refusal(type, payload);
    } else if (!type.startsWith('session:')) {
      this.options.onEvent(type, payload);
    }
  }

  /** The socket is gone and nobody asked for it. */
  #lost() {
    const error = new LegatoError('client:error:unreachable', 'The connection was lost.');
    if (this.#login !== null) return this.#refuse(error);
    this.#drop();
    this.#pause(error);
  }

  #refuse(error) {
    const { reject } = this.#login;
    this.#login = null;
    reject(error);
  }

  #ended(error) {
    if (this.#login !== null) this.#refuse(error);
    else this.close(error);
  }

  #pause(error) {
    const most = Math.min(BACKOFF_MS.first * 2 ** this.#attempt, BACKOFF_MS.most);
    const delay = most * (1 - Math.random() / 2);
    this.#attempt += 1;
    this.#become('reconnecting', { error, attempt: this.#attempt, delay });
    if (this.status === 'reconnecting') this.#retry = setTimeout(() => this.#again(), delay);
  }

  async #again() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    const round = this.#round;
    try {
      await this.#connect();
    } catch (error) {
      if (round !== this.#round) return; // suspended or closed meanwhile
      this.#drop();
      const next = this.#round;
      const mayTryAgain = await this.#mayTryAgain(error);
      if (next !== this.#round) return;
      if (mayTryAgain) this.#pause(error);
      else this.close(error);
    }
  }

  async #mayTryAgain({ code, status }) {
    if (LOST_SESSION.has(code)) {
      this.id = null; // a new session then; what was missed is in the history
      return true;
    }
    if (BAD_TOKEN.has(code)) return this.options.renew().catch(() => false);
    return status === 0;
  }

  /** Lets go of the socket without another word from it. */
  #drop() {
    clearTimeout(this.#silence);
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#round += 1;
    const { reject } = this.#login ?? {};
    const socket = this.#socket;
    this.#login = this.#socket = null;
    socket?.close();
    reject?.(letGo());
  }

  #listen(milliseconds) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), milliseconds);
  }

  #send(packet) {
    if (this.#socket?.readyState === OPEN) this.#socket.send(packet);
  }
}

const letGo = () => new LegatoError('client:error:closed', 'The session was closed or suspended meanwhile.');

/** An error event of the socket. Its `status` is 401: the session is refused, not the network. */
function refusal(type, payload) {
  const detail = payload.description ?? payload.detail ?? payload.body?.description ?? 'The server ended the session.';
  return new LegatoError(payload.code ?? type, detail, { status: 401 });
}
