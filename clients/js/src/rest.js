// SPDX-License-Identifier: Apache-2.0
import { LegatoError } from './error.js';

const TRIES = 3; // of a request that may safely be made again
const RETRY_MS = 300; // before the second try; three times as long before the third
const MAX_RETRY_AFTER_S = 5; // a longer `Retry-After` is the caller's to wait for

/** A version 4 UUID, also where the page is not a secure context and `crypto.randomUUID` is missing. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** JSON over HTTP with a bearer token. */
export class Rest {
  /**
   * @param {{url: string, token: () => Promise<string>, renew: () => Promise<boolean>,
   *          onRequest: (request: object) => void}} options
   *   `renew` gets a fresh token after the old one expired and answers false when there is no way to get one.
   */
  constructor({ url, token, renew, onRequest }) {
    this.url = url.replace(/\/+$/, '');
    this.token = token;
    this.renew = renew;
    this.onRequest = onRequest;
  }

  /**
   * One call; resolves with the decoded JSON body, or null when there is none. Rejects with a LegatoError.
   *
   * A GET is tried again when no answer came or the server was busy; so is a POST with `once`, whose
   * `Idempotency-Key` keeps a lost answer from becoming a second event.
   *
   * @param {string} method
   * @param {string} path
   * @param {{query?: object, body?: object, form?: FormData, once?: boolean}} [options]
   */
  async request(method, path, { query = {}, body, form, once = false } = {}) {
    const parameters = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const search = parameters.length ? `?${new URLSearchParams(parameters)}` : '';
    const headers = {};
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (once) headers['Idempotency-Key'] = uuid();
    const call = { method, url: this.url + path + search, headers, body: form ?? (body && JSON.stringify(body)) };
    const tries = method === 'GET' || once ? TRIES : 1;
    const response = await this.#send(call, tries);
    const text = response.status === 204 ? '' : await response.text();
    return text === '' ? null : JSON.parse(text);
  }

  /** The bytes behind a URL this server gave out (an image's representation). @returns {Promise<Blob>} */
  async blob(/** @type {string} */ url) {
    return (await this.#send({ method: 'GET', url, headers: {} }, TRIES)).blob();
  }

  async #send(call, tries) {
    let renewed = false;
    for (let attempt = 1; ; attempt += 1) {
      const error = await this.#once(call).catch((cause) => unreachable(cause));
      if (!(error instanceof LegatoError)) return error;
      if (error.code === 'system:error:expired-token' && !renewed) {
        renewed = true;
        if (!(await this.renew())) throw error;
        attempt -= 1;
      } else if (attempt < tries && isPassing(error)) {
        await pause(error.retryAfter === undefined ? RETRY_MS * 3 ** (attempt - 1) : error.retryAfter * 1000);
      } else {
        throw error;
      }
    }
  }

  /** @returns {Promise<Response | LegatoError>} */
  async #once({ method, url, headers, body }) {
    const started = performance.now();
    const sent = { ...headers, Authorization: `Bearer ${await this.token()}` };
    const response = await fetch(url, { method, headers: sent, body }).catch(unreachable);
    const elapsed = performance.now() - started;
    this.onRequest({ method, url, headers: sent, body, status: response.status, elapsed });
    return response instanceof LegatoError || response.ok ? response : LegatoError.fromResponse(response);
  }
}

function unreachable(cause) {
  if (cause instanceof LegatoError) return cause;
  return new LegatoError('client:error:unreachable', 'The server could not be reached.', { cause });
}

function isPassing(/** @type {LegatoError} */ { status, retryAfter = 0 }) {
  return (status === 0 || status === 429 || status === 503) && retryAfter <= MAX_RETRY_AFTER_S;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
