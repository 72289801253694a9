const SVG = 'http://www.w3.org/2000/svg';
const RIGHT = 17; // px: where a slur begins and ends, beside the dots
const BELLY = { least: 2, most: 14 }; // px: how far it bends; a long one bends more
const THICKNESS = 2.6; // px, in its middle

/** As in a score: a slur from one height to each of the others, in pixels from the top of the canvas. */
export function slursOf(from, ends) {
  const top = Math.min(from, ...ends);
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'slurs');
  svg.setAttribute('aria-hidden', 'true');
  svg.style.top = `${top}px`;
  svg.style.height = `${Math.max(from, ...ends) - top}px`;
  svg.append(...ends.map((end) => slur(Math.min(from, end) - top + 3, Math.max(from, end) - top - 3)));
  return svg;
}

function slur(high, low) {
  const outer = Math.max(BELLY.most - (low - high) / 30, BELLY.least);
  const inner = outer + THICKNESS;
  const path = document.createElementNS(SVG, 'path');
  const there = `C${outer} ${high + 12} ${outer} ${low - 12} ${RIGHT} ${low}`;
  const back = `C${inner} ${low - 14} ${inner} ${high + 14} ${RIGHT} ${high}`;
  path.setAttribute('d', `M${RIGHT} ${high}${there}${back}Z`);
  return path;
}
