// SPDX-License-Identifier: Apache-2.0

/**
 * Every failure this client reports, from HTTP, from the socket or from the network.
 *
 * `code` is for programs (`conversation:error:not-found`), `detail` says in words what to change. `status` is the HTTP
 * status and 0 where there was no answer. Codes of the client itself: `client:error:unreachable` (no answer),
 * `client:error:timeout`, `client:error:closed` (the session has ended), `client:error:not-joined` (no member of one's
 * own in that conversation).
 */
export class LegatoError extends Error {
  /**
   * @param {string} code
   * @param {string} detail
   * @param {{status?: number, title?: string, instance?: string, invalidParameters?: {name: string, reason: string}[],
   *          retryAfter?: number, cause?: unknown}} [more]
   */
  constructor(code, detail, { status = 0, title = '', instance = '', invalidParameters = [], retryAfter, cause } = {}) {
    super(`${detail} (${code})`, cause === undefined ? undefined : { cause });
    this.name = 'LegatoError';
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.title = title;
    this.instance = instance;
    this.invalidParameters = invalidParameters;
    this.retryAfter = retryAfter;
  }

  /** Reads either error shape of the API: `{title, code, detail, …}` or `{code, description}`. */
  static async fromResponse(/** @type {Response} */ response) {
    const body = await response.json().catch(() => null);
    const problem = body !== null && typeof body === 'object' ? body : {};
    const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
    return new LegatoError(
      problem.code ?? `http:error:${response.status}`,
      problem.detail ?? problem.description ?? problem.title ?? `The server answered ${response.status}.`,
      {
        status: response.status,
        title: problem.title,
        instance: problem.instance,
        invalidParameters: problem.invalid_parameters,
        retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
      },
    );
  }
}
