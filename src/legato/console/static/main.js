import { LegatoClient } from './client/legato.js';
import { curlOf } from './curl.js';
import { Catalogue } from './describe.js';
import { Deliveries } from './deliveries.js';
import { copy, element } from './element.js';
import { Pane } from './pane.js';
import { Timeline } from './timeline.js';

const HUES = [262, 172, 32, 320]; // of the people on the page, in their order
const FEED_RETRY_MS = 2_000; // after the server has refused the feed; a cut one is made anew by the browser
const LONG_ID = /\b([A-Z]{3}-\w{4})[\w-]{32}/g; // CON-, MEM- and a UUID
const $ = (id) => document.getElementById(id);

/** What `legato dev` set up. A server that was set up anew has another application: then the page begins again. */
async function demo(known) {
  const found = await fetchJson('/console/demo.json');
  if (known && known !== found.application_id) location.reload();
  return found;
}

async function fetchJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

function follow(conversationId, timeline, deliveries) {
  let after = '';
  const open = () => {
    const feed = new EventSource(
      `/console/feed?${new URLSearchParams({ conversation_id: conversationId, ...(after && { after }) })}`,
    );
    feed.onmessage = ({ data, lastEventId }) => {
      after = lastEventId || after;
      timeline.add(JSON.parse(data));
    };
    feed.addEventListener('deliveries', ({ data }) => deliveries.take(JSON.parse(data)));
    feed.onerror = () => feed.readyState === EventSource.CLOSED && setTimeout(open, FEED_RETRY_MS);
  };
  open();
}

/** Below the log: the last thing a pane asked of the API, to try by hand. */
function showRequest(request) {
  if (request.method === 'GET') return;
  const { pathname, search } = new URL(request.url);
  $('request').hidden = false;
  $('request-line').replaceChildren(
    element('b', {}, request.method),
    ` ${pathname.replace(LONG_ID, '$1…')} `,
    element(
      'span',
      { class: request.status < 400 && request.status ? 'good' : 'bad' },
      String(request.status || 'no answer'),
    ),
    ` ${request.elapsed < 10 ? request.elapsed.toFixed(1) : Math.round(request.elapsed)} ms`,
  );
  $('request-line').title = `${request.method} ${pathname}${search}`;
  $('request-copy').onclick = ({ currentTarget }) => copy(curlOf(request), currentTarget);
}

function themes() {
  const order = ['system', 'light', 'dark'];
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    $('theme').setAttribute('aria-label', `Colours: ${theme}. Change`);
    $('theme').title = `Colours: ${theme}`;
  };
  show(document.documentElement.dataset.theme);
  $('theme').addEventListener('click', () => {
    const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    localStorage.setItem('legato-theme', next);
    show(next);
  });
}

function shortcuts(panes, timeline) {
  const single = $('single-keys');
  single.checked = localStorage.getItem('legato-single-keys') !== 'off';
  single.addEventListener('change', () => localStorage.setItem('legato-single-keys', single.checked ? 'on' : 'off'));
  $('shortcuts-open').addEventListener('click', () => $('shortcuts').showModal());
  const keys = {
    a: () => panes[0] && show(0, () => panes[0].focus()),
    b: () => panes[1] && show(1, () => panes[1].focus()),
    l: () => show(panes.length, () => timeline.focus()),
    '/': () => show(panes.length, () => $('filter').focus()),
    '?': () => $('shortcuts').showModal(),
  };
  document.addEventListener('keydown', (event) => {
    const isWriting = event.target.closest('input:not([type=checkbox], [type=radio]), textarea, select, dialog');
    if (isWriting || !single.checked || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented)
      return;
    const act = keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
  $('filter').addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !$('filter').value) timeline.focus();
  });
}

/** On a narrow screen one of the three is shown at a time. */
function show(place, then = () => {}) {
  $('main').dataset.shown = place;
  [...$('switch').children].forEach((button, index) => button.setAttribute('aria-pressed', String(index === place)));
  then();
}

function switches(panes) {
  const names = [...panes.map(({ user }) => user.name), 'log'];
  $('switch').append(
    ...names.map((name, place) =>
      element(
        'button',
        { type: 'button', 'aria-pressed': String(place === 0), onclick: () => show(place) },
        name,
        element('span', { class: 'badge', hidden: true }),
      ),
    ),
  );
  panes.forEach((pane, place) => {
    pane.section.dataset.place = place;
    pane.section.addEventListener('unread', () => {
      const badge = $('switch').children[place].lastElementChild;
      badge.hidden = pane.unread === 0;
      badge.textContent = pane.unread;
    });
  });
  $('log').dataset.place = panes.length;
}

function hint() {
  $('hint').hidden = localStorage.getItem('legato-hint') === 'off';
  $('hint-close').addEventListener('click', () => {
    $('hint').hidden = true;
    localStorage.setItem('legato-hint', 'off');
    $('main').querySelector('textarea')?.focus();
  });
}

function picture(url, alt) {
  const dialog = $('picture');
  dialog.querySelector('img')?.remove();
  dialog.append(element('img', { src: url, alt }));
  dialog.onclose = () => URL.revokeObjectURL(url);
  dialog.onclick = ({ target }) => target === dialog && dialog.close();
  dialog.showModal();
}

async function begin() {
  themes();
  hint();
  const [access, entries] = await Promise.all([demo(), fetchJson('/console/catalogue.json')]);
  const { users } = access;
  // The page of another conversation with alice and bob in it: /?conversation_id=CON-…
  const conversationId = new URLSearchParams(location.search).get('conversation_id') ?? access.conversation_id;
  const point = (id, message = id) => {
    timeline.point(id);
    for (const pane of panes) pane.point(message);
  };
  const announce = (text) => ($('announcer').textContent = text);
  const deliveries = new Deliveries({ conversationId, announce });
  const timeline = new Timeline({
    catalogue: new Catalogue(entries),
    deliveries,
    people: new Map(users.map(({ name }, place) => [name, HUES[place % HUES.length]])),
    onPoint: point,
  });
  const panes = users.map((user, place) => {
    let first = user.token;
    const token = async () => {
      const given = first ?? (await demo(access.application_id)).users.find(({ id }) => id === user.id).token;
      first = null;
      return given;
    };
    const client = new LegatoClient({ url: location.origin, token });
    client.on('request', showRequest);
    return new Pane({
      user,
      hue: HUES[place % HUES.length],
      client,
      conversationId,
      onPoint: point,
      onPicture: picture,
      announce,
    });
  });
  $('log').before(...panes.map(({ section }) => section));
  switches(panes);
  shortcuts(panes, timeline);
  follow(conversationId, timeline, deliveries);
  await Promise.all(panes.map((pane) => pane.start()));
  const properties = await panes[0].conversation.get();
  $('conversation').hidden = false;
  $('conversation').append(element('span', { class: 'label' }, properties.display_name || properties.name));
  $('conversation').title = `${conversationId}: copy the id`;
  $('conversation').onclick = ({ currentTarget }) => copy(conversationId, currentTarget);
  document.documentElement.dataset.ready = 'yes';
}

begin().catch((error) => {
  $('hint').hidden = false;
  $('hint').firstElementChild.textContent =
    `The page could not begin: ${error.message}. Is the server running? Reload to try again.`;
  throw error;
});
