/** The page: its parts, what is in the address after #, the keys, and the stream of events. */

import { askToken, deregister, keys, send, tell } from "./actions.js";
import { askBy, get } from "./api.js";
import { duration, say } from "./dom.js";
import { follow } from "./events.js";
import { Log } from "./log.js";
import { Messages } from "./messages.js";
import { Rates } from "./rates.js";
import { Trace } from "./trace.js";
import { Ues } from "./ues.js";

const RETRY_MS = 2000;
const by = (id) => document.getElementById(id);
const detail = by("detail");
const may = { send: false, deregister: false };

askBy(askToken);
const problem = (failed) => failed.status && tell(failed.message);
const ues = new Ues({ open: (row) => go({ ue: row.ue_service_id }), problem });
const log = new Log({ follow: (trace) => go({ ...place(), trace }), problem });
const rates = new Rates({ problem });
const trace = new Trace({ back, problem });
const messages = new Messages({
  follow: (id) => go({ ...place(), trace: id }),
  close: back,
  problem,
  get send() {
    return may.send ? (ue) => send(ue, (id) => go({ ue, trace: id })) : null;
  },
  get deregister() {
    return may.deregister ? deregister : null;
  },
});

/** Return what is open: {ue, trace}, from the address. */
function place() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

function go(to) {
  const hash = new URLSearchParams(to).toString();
  if (`#${hash}` === location.hash) show();
  else location.hash = hash;
}

function back() {
  const { ue, trace: id } = place();
  go(id && ue ? { ue } : {});
}

let shown = {};
async function show() {
  const { ue, trace: id } = place();
  const before = shown;
  shown = { ue, id };
  ues.choose(ue ?? "");
  say(by("detail-title"), id ? "A message hop by hop" : ue ? `UE ${ue}` : "Messages");
  if (id) {
    messages.element.remove();
    detail.append(trace.element);
    await trace.show(id);
  } else {
    trace.hide();
    trace.element.remove();
    detail.append(messages.element);
    await messages.show(ue ? await rowOf(ue) : null);
  }
  const isNew = before.ue !== ue || before.id !== id;
  if (ue || id) view("detail");
  else if (before.ue || before.id) view("ues");
  if (isNew && (ue || id)) detail.querySelector("h3")?.focus();
  else if (isNew && before.ue) ues.focus();
}

async function rowOf(ue) {
  const known = ues.rows.of(ue);
  if (known) return known;
  try {
    const found = await get("ues", { q: ue.slice(0, 300), limit: 20 });
    return found.ues.find((row) => row.ue_service_id === ue) ?? { ue_service_id: ue };
  } catch (failed) {
    problem(failed);
    return { ue_service_id: ue };
  }
}

/** On a narrow screen one part is seen at a time. */
function view(name) {
  document.body.dataset.view = name;
  for (const tab of document.querySelectorAll(".tabs button")) {
    if (tab.dataset.show === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
}

function pressed(event) {
  const isTyping = event.target.matches("input:not([type=radio]), textarea, select");
  if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey)
    return;
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    view("ues");
    by("q").select();
  } else if (event.key === "?" && !isTyping) keys();
  else if (event.key === "Escape") {
    const { ue, trace: id } = place();
    if (isTyping) ues.focus();
    else if (ue || id) back();
    else ues.focus();
  }
}

function describe(about) {
  say(by("role"), about.role);
  say(by("at"), about.at === about.role ? "" : about.at);
  say(by("version"), `${about.version}, Release ${about.release}`);
  document.title = `MSGin5G ${about.at === about.role ? about.role : about.at}`;
  for (const name of Object.keys(may)) may[name] = about.actions.includes(name);
  by("compose").hidden = !may.send;
}

function streamState(state, wait) {
  const stream = by("stream");
  stream.dataset.state = state;
  say(stream, state === "live" ? "live" : `not connected, again in ${duration(wait)}`);
}

async function loadAll() {
  ues.load();
  rates.load();
  const last = await log.load();
  await show();
  return last;
}

async function begin() {
  by("skip").addEventListener(
    "click",
    (event) => (event.preventDefault(), view("ues"), ues.focus()),
  );
  by("compose").addEventListener("click", () => send(place().ue ?? "", (id) => go({ trace: id })));
  by("help").addEventListener("click", keys);
  for (const tab of document.querySelectorAll(".tabs button")) {
    tab.addEventListener("click", () => view(tab.dataset.show));
  }
  addEventListener("hashchange", show);
  addEventListener("keydown", pressed);
  let about;
  while (!about) {
    try {
      about = await get("about");
    } catch (failed) {
      streamState("waiting", RETRY_MS);
      if (failed.status) tell(failed.message);
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
  describe(about);
  const last = await loadAll();
  await follow(
    {
      state: streamState,
      again() {
        ues.rows.refresh();
        rates.load();
        messages.refresh();
      },
      restarted: (anew) => (describe(anew), loadAll()),
      rates: (sample) => rates.take(sample),
      missed: ({ entries }) => log.missed(entries),
      ue(row) {
        ues.rows.apply(row);
        messages.update(row);
      },
      entry(entry) {
        log.take(entry);
        messages.take(entry);
        trace.take(entry);
      },
    },
    last,
    about.since,
  );
}

begin();
