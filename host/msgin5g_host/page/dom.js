/** Elements, badges and times. What others sent only ever becomes text nodes. */

const SVG = "http://www.w3.org/2000/svg";

// Word, shape and tone: a state is never told by colour alone.
const SHAPES = {
  disc: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3Z",
  ring: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8Z",
  triangle: "M8 1.5 15 14H1L8 1.5Z",
  square: "M3 3h10v10H3V3Zm2 2v6h6V5H5Z",
  dots: "M1.5 8a1.7 1.7 0 1 1 3.4 0 1.7 1.7 0 0 1-3.4 0Zm4.8 0a1.7 1.7 0 1 1 3.4 0 1.7 1.7 0 0 1-3.4 0Zm4.8 0a1.7 1.7 0 1 1 3.4 0 1.7 1.7 0 0 1-3.4 0Z",
  check: "m6.5 13-5-5L3 6.5l3.5 3.5L13 3.5 14.5 5l-8 8Z",
  checks:
    "M4.6 12.5.4 8.3l1.3-1.3 2.9 2.9 5.6-5.6 1.3 1.3-6.9 6.9Zm4.6-.9 1 .9 6-6.9-1.3-1.3-5.7 6.7Z",
  clock:
    "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm0 2a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM7.2 5h1.6v2.6l1.9 1.2-.8 1.4-2.7-1.7V5Z",
  cross:
    "m3.5 2 4.5 4.5L12.5 2 14 3.5 9.5 8l4.5 4.5L12.5 14 8 9.5 3.5 14 2 12.5 6.5 8 2 3.5 3.5 2Z",
};
const LOOKS = {
  registered: ["disc", "good"],
  expected: ["ring", "calm"],
  unreachable: ["triangle", "warn"],
  deregistered: ["square", "calm"],
  "under way": ["dots", "calm"],
  delivered: ["check", "good"],
  reported: ["checks", "good"],
  deferred: ["clock", "warn"],
  discarded: ["cross", "bad"],
  rejected: ["cross", "bad"],
  refused: ["cross", "bad"],
};
const WORDS = { deregistered: "de-registered" };

/** Make an element. props: attributes, or functions for "on…"; children: nodes or texts. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** Put a text into an element if it has another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Return what a person calls a state. */
export const word = (state) => WORDS[state] ?? state;

/** Return a badge: the shape and the word of a state. */
export function badge(state) {
  const [shape, tone] = LOOKS[state] ?? ["ring", "calm"];
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 16 16");
  drawn.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[shape]);
  drawn.append(path);
  return el("span", { class: `badge ${tone}` }, drawn, el("span", {}, word(state)));
}

/**
 * Give a container these children in this order. Those that it has already stay where they are: who
 * takes an element away under a finger or the focus takes away the click, too.
 */
export function arrange(container, wanted) {
  const kept = new Set(wanted);
  for (const child of [...container.children]) if (!kept.has(child)) child.remove();
  wanted.forEach((child, at) => {
    const there = container.children[at];
    if (there !== child) container.insertBefore(child, there ?? null);
  });
}

const two = (number) => String(number).padStart(2, "0");

/** Return the time of day of an ISO moment: 13:28:18, with milliseconds if exact. */
export function clock(moment, exact = false) {
  const at = new Date(moment);
  if (Number.isNaN(at.getTime())) return "";
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return exact ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Return a duration as a person reads it: 8 ms, 1.25 s, 3 min. */
export function duration(ms) {
  if (ms == null) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 100_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** Return a count with its thousands apart. */
export const count = (number) => number.toLocaleString("en");

/**
 * Let the arrow keys, Home and End move the focus among what `selector` finds in a container, so
 * that Tab passes all of it at one go.
 */
export function arrowKeys(container, selector) {
  const all = () => [...container.querySelectorAll(selector)];
  container.addEventListener("keydown", (event) => {
    const items = all();
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (at < 0 || to == null || !items[to]) return;
    event.preventDefault();
    items[to].focus();
  });
  const stopAt = (stop, items) => {
    for (const item of items) {
      const wanted = item === stop ? 0 : -1;
      if (item.tabIndex !== wanted) item.tabIndex = wanted;
    }
  };
  container.addEventListener("focusin", (event) => {
    if (event.target.matches(selector)) stopAt(event.target, all());
  });
  // New items are passed by Tab; one of them must not be.
  return () => {
    const items = all();
    stopAt(items.find((item) => item === document.activeElement) ?? items[0], items);
  };
}

/** Return a function that does `work` soon, at most once in `ms`, however often it is called. */
export function paced(ms, work) {
  let timer = null;
  let last = -Infinity;
  return () => {
    timer ??= setTimeout(
      () => {
        timer = null;
        last = performance.now();
        work();
      },
      Math.max(0, last + ms - performance.now()),
    );
  };
}
