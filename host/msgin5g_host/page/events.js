/** Server-sent events by fetch, so that they can carry the token; connects again by itself. */

import { call, get } from "./api.js";

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 10_000;
// The server says something every 15 s; who is silent for so long is gone.
const SILENCE_MS = 40_000;
// A browser has six connections to a server: a tab that nobody looks at gives its own back.
const HIDDEN_MS = 60_000;

/**
 * Follow the events for ever. on: {entry, ue, rates, missed: functions of the data;
 * state: function of "live" or "waiting" and the ms until the next try; again: called when it is
 * live again; restarted: called when the process is another one, whose numbers begin anew, returns
 * the last entry}. after: the last entry that is known; since: when the process began.
 */
export async function follow(on, after, since) {
  let last = after;
  let wait = FIRST_WAIT_MS;
  for (let times = 0; ; times += 1) {
    await seen();
    try {
      const about = await get("about");
      if (about.since !== since) {
        since = about.since;
        last = await on.restarted(about);
      } else if (times) on.again();
      const leave = new AbortController();
      const headers = { "Last-Event-ID": String(last) };
      const answer = await call("events", { headers, signal: leave.signal });
      on.state("live");
      wait = FIRST_WAIT_MS;
      await read(answer.body, leave, (name, data, id) => {
        if (id) last = Number(id);
        on[name]?.(data);
      });
    } catch (problem) {
      if (!(problem instanceof Error)) throw problem;
    }
    on.state("waiting", wait);
    await pause(wait);
    wait = Math.min(wait * 2, MAX_WAIT_MS);
  }
}

/** Wait, but no longer than until there is a network again. */
async function pause(ms) {
  const over = new AbortController();
  await new Promise((done) => {
    setTimeout(done, ms);
    addEventListener("online", done, { signal: over.signal });
  });
  over.abort();
}

/** Wait until somebody looks at this tab. */
function seen() {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((done) => {
    document.addEventListener("visibilitychange", done, { once: true });
  });
}

async function read(body, leave, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let watch;
  let hidden;
  const { signal } = leave;
  const away = () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(() => leave.abort(), HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", away, { signal });
  // A page that may come back by the browser's "back" must not go on in the dark.
  addEventListener("pagehide", () => leave.abort(), { signal });
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => leave.abort(), SILENCE_MS);
  };
  try {
    for (;;) {
      alive();
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) event(block, take);
    }
  } finally {
    clearTimeout(watch);
    clearTimeout(hidden);
    leave.abort();
  }
}

function event(block, take) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  if (fields.event && fields.data) take(fields.event, JSON.parse(fields.data), fields.id);
}
