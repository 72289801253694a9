// SPDX-License-Identifier: Apache-2.0

export declare const VERSION: string;

/** A point in time as the API writes it: ISO 8601, UTC, milliseconds, `Z`. */
export type Timestamp = string;

/** An event, as the log holds it. `id` is its place in the conversation's log; signals (typing, ephemeral) have none. */
export interface LegatoEvent<Body = Record<string, any>> {
  type: string;
  id?: number;
  conversation_id: string;
  from?: string | null;
  to?: string;
  timestamp: Timestamp;
  body: Body;
  application_id?: string;
  /** Receipts by member id: `{delivered_to: {"MEM-…": "2026-…"}, seen_by: {…}}`. On events read from history. */
  state?: Record<string, Record<string, Timestamp>> | null;
  _embedded?: { from_user?: EventUser; from_member?: { id: string } };
}

export interface EventUser {
  id: string;
  name: string;
  display_name?: string | null;
  image_url?: string | null;
  custom_data?: Record<string, unknown>;
}

export interface Member {
  id: string;
  state: 'INVITED' | 'JOINED' | 'LEFT' | 'UNKNOWN';
  channel?: Record<string, unknown>;
  timestamp?: { invited?: Timestamp; joined?: Timestamp; left?: Timestamp };
  _embedded?: { user: EventUser };
}

export interface ConversationProperties {
  id: string;
  name: string;
  display_name?: string | null;
  image_url?: string | null;
  state?: 'ACTIVE' | 'INACTIVE' | 'DELETED';
  sequence_number?: number;
  timestamp: { created?: Timestamp; updated?: Timestamp; destroyed?: Timestamp };
  properties?: { ttl?: number; custom_sort_key?: string; custom_data?: Record<string, unknown> };
  _embedded?: { member?: Member };
}

export interface NewConversation {
  name?: string;
  display_name?: string;
  image_url?: string;
  properties?: { ttl?: number; custom_sort_key?: string; custom_data?: Record<string, unknown> };
}

export interface Representation {
  id: string;
  url: string;
  type: string;
  size: number;
}

export interface Representations {
  id: string;
  original: Representation;
  medium: Representation;
  thumbnail: Representation;
}

/** Percentages: of the original's quality, and of its size for the two smaller ones. */
export interface Ratios {
  quality?: number;
  medium?: number;
  thumbnail?: number;
}

/** One page of a list, and the ways to its neighbours. */
export interface Page<Item> {
  items: Item[];
  next: (() => Promise<Page<Item>>) | null;
  previous: (() => Promise<Page<Item>>) | null;
}

export interface PageOptions {
  /** 1 to 100; 10 when left out. */
  pageSize?: number;
  order?: 'asc' | 'desc';
  cursor?: string;
}

export interface EventOptions extends PageOptions {
  /** Types, `member:*` for a family. */
  types?: string[];
  startId?: number;
  endId?: number;
  excludeDeleted?: boolean;
}

export type Status = 'closed' | 'connecting' | 'connected' | 'reconnecting' | 'suspended';

export interface StatusChange {
  status: Status;
  /** With `connected`: whether an earlier session goes on. If not, what was missed is in the history only. */
  resumed?: boolean;
  /** With `closed` and `reconnecting`: why. */
  error?: LegatoError;
  /** With `reconnecting`: how often it has been tried, and the milliseconds until it is tried again. */
  attempt?: number;
  delay?: number;
}

/** An HTTP call, after its answer. `status` is undefined when there was none. */
export interface RequestMade {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string | FormData;
  status?: number;
  /** Milliseconds. */
  elapsed: number;
}

export declare class LegatoError extends Error {
  /** For programs: a code of the platform, or one of the client's own, `client:error:…`. */
  readonly code: string;
  /** What to change, in words. */
  readonly detail: string;
  /** The HTTP status; 401 for a refused session; 0 when there was no answer. */
  readonly status: number;
  readonly title: string;
  readonly instance: string;
  readonly invalidParameters: { name: string; reason: string }[];
  /** Seconds to wait, when the server said so. */
  readonly retryAfter?: number;
}

export interface ClientOptions {
  /** The server's origin; a path prefix is allowed. */
  url: string;
  /** A JWT, or a function that gets a fresh one: then the client renews it before it expires. */
  token: string | (() => string | Promise<string>);
  /** The session's path, `/v2/rtc` when left out. */
  path?: string;
  /** For runtimes without a global one. */
  WebSocket?: typeof WebSocket;
}

export declare class LegatoClient {
  constructor(options: ClientOptions);

  /** The logged-in user; null before `connect` and after `logout`. */
  readonly user: { id: string; name: string } | null;
  readonly status: Status;
  /** `SES-…`; null while there is none. */
  readonly sessionId: string | null;
  /** For calls this class has no method for. */
  readonly rest: {
    request<Answer = any>(
      method: string,
      path: string,
      options?: { query?: object; body?: object; form?: FormData; once?: boolean },
    ): Promise<Answer>;
  };

  connect(): Promise<{ id: string; name: string }>;
  /** Drops the connection and stays away until `resume`; what happens meanwhile comes then. */
  suspend(): void;
  resume(): void;
  /** Ends the pause between two attempts to reconnect. */
  hurry(): void;
  logout(): Promise<void>;
  renewToken(): Promise<boolean>;

  on(type: 'status', listener: (change: StatusChange) => void): () => void;
  on(type: 'request', listener: (request: RequestMade) => void): () => void;
  on<Body = Record<string, any>>(type: string, listener: (event: LegatoEvent<Body>) => void): () => void;
  off(type: string, listener: (event: any) => void): void;

  conversation(id: string): Conversation;
  createConversation(properties?: NewConversation): Promise<Conversation>;
  conversations(
    options?: PageOptions & { state?: 'INVITED' | 'JOINED' | 'LEFT' },
  ): Promise<Page<ConversationProperties>>;
  uploadImage(file: Blob, ratios?: Ratios): Promise<Representations>;
  fetchMedia(url: string): Promise<Blob>;
}

export declare class Conversation {
  private constructor();

  readonly id: string;
  /** The id of the last stored event that came over the session; 0 before the first. */
  readonly lastEventId: number;

  get(): Promise<ConversationProperties>;
  update(changes: { [Key in keyof NewConversation]?: NewConversation[Key] | null }): Promise<ConversationProperties>;
  delete(): Promise<null>;

  me(): Promise<Member>;
  join(): Promise<Member>;
  accept(): Promise<Member>;
  invite(user: string): Promise<Member>;
  leave(options?: { member?: string; reason?: { code?: string; text?: string } }): Promise<Member>;
  members(options?: PageOptions): Promise<Page<Member>>;

  text(text: string): Promise<LegatoEvent<{ text: string }>>;
  image(file: Blob, ratios?: Ratios): Promise<LegatoEvent<{ representations: Representations }>>;
  typing(on: boolean): Promise<LegatoEvent>;
  delivered(event: { id: number; type: string }): Promise<LegatoEvent>;
  seen(event: { id: number; type: string }): Promise<LegatoEvent>;
  edit(eventId: number, text: string): Promise<LegatoEvent>;
  custom(name: string, body: object): Promise<LegatoEvent>;
  ephemeral(body: object): Promise<LegatoEvent>;
  remove(eventId: number): Promise<null>;
  /** Any creatable type. `once` guards against a second event when an answer gets lost (an Idempotency-Key). */
  post<Body extends object>(type: string, body?: Body, options?: { once?: boolean }): Promise<LegatoEvent<Body>>;
  events(options?: EventOptions): Promise<Page<LegatoEvent>>;
}
