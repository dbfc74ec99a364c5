/** One message hop by hop: a lane for everybody it passed, time from top to bottom. */

import { get } from "./api.js";
import { arrowKeys, badge, clock, duration, el, paced } from "./dom.js";
import { follow } from "./hops.js";

const PACE_MS = 400;
// How far apart hops are drawn, in pixels, by how long it took.
const MIN_GAP_PX = 16;
const MAX_GAP_PX = 44;
// "garden" is a name, "1" of "gw:1" is none.
const MIN_NAME = 4;
const KINDS = { ue: "UE", gateway: "gateway", server: "server", recipients: "", other: "" };

export class Trace {
  /** on.back: closes it; on.problem: takes an ApiError. */
  constructor(on) {
    this.element = el("div", { class: "trace" });
    this._on = on;
    this._id = "";
    this._ways = {};
    this._edition = this._drawn = 0;
    this._open = new Set();
    this._reload = paced(PACE_MS, () => this._load());
  }

  /** Show a trace. */
  async show(id) {
    this._id = id;
    this._ways = {};
    this._open.clear();
    this.element.replaceChildren(el("p", { class: "empty" }, "…"));
    await this._load();
  }

  /** Nothing is shown any more. */
  hide() {
    this._id = "";
  }

  /** Take an entry of the stream: it may belong here. */
  take(entry) {
    if (!this._id) return;
    const inside = entry.traces ?? [];
    if (entry.trace === this._id || inside.includes(this._id) || this._outer?.has(entry.trace)) {
      this._reload();
    }
  }

  async _load() {
    const id = this._id;
    if (!id) return;
    const edition = (this._edition += 1);
    try {
      const trace = await get(`traces/${encodeURIComponent(id)}`);
      await this._learnWays(trace);
      // What was asked for earlier may be answered later.
      if (id === this._id && edition > this._drawn) {
        this._drawn = edition;
        this._draw(trace);
      }
    } catch (problem) {
      if (id !== this._id || edition < this._edition) return;
      this.element.replaceChildren(this._head(), el("p", { class: "empty" }, problem.message));
      if (problem.status !== 404) this._on.problem(problem);
    }
  }

  async _learnWays(trace) {
    const names = new Set([trace.from, trace.to, ...trace.entries.map((entry) => entry.to)]);
    for (const name of [...names].filter(Boolean).slice(0, 8)) {
      if (name in this._ways) continue;
      const { ues } = await get("ues", { q: name.slice(0, 300), limit: 20 });
      this._ways[name] = ues.find((row) => row.ue_service_id === name);
    }
  }

  _draw(trace) {
    this._outer = new Set(trace.entries.map((entry) => entry.trace));
    const { lanes, hops } = follow(trace, this._ways);
    const list = el("ol", { class: "hops" }, ...hops.map((hop, at) => this._hop(hop, at, lanes)));
    const drawn = el("div", { class: "lanes" }, this._names(lanes), list);
    drawn.style.setProperty("--lanes", lanes.length);
    const focused = document.activeElement?.dataset?.hop;
    const isAtHead = this.element.querySelector("h3") === document.activeElement;
    this.element.replaceChildren(this._head(trace), drawn, facts(trace));
    arrowKeys(list, ".hop")();
    if (isAtHead) this.element.querySelector("h3").focus();
    if (focused !== undefined) list.querySelector(`[data-hop="${focused}"]`)?.focus();
  }

  _head(trace) {
    const back = el("button", { type: "button", class: "quiet back", onclick: this._on.back });
    back.append("← Back");
    if (!trace) return el("header", { class: "title" }, back);
    return el(
      "header",
      { class: "title" },
      back,
      el("h3", { tabindex: "-1" }, trace.kind || "request"),
      badge(trace.state),
      el("span", { class: "took" }, duration(trace.ms)),
      trace.text ? el("p", { class: "quote" }, trace.text) : null,
    );
  }

  /** The time that passed at a lane before it sent on: the longer, the further apart. */
  _wait(hop) {
    if (!hop.gap) return null;
    const text = el("span", { "aria-hidden": "true" }, duration(hop.gap));
    text.style.gridColumn = `${2 * hop.from + 1} / ${2 * hop.from + 3}`;
    const wait = el("div", { class: "wait" }, text);
    const height = Math.min(MAX_GAP_PX, MIN_GAP_PX + 3 * Math.log2(hop.gap));
    wait.style.setProperty("--gap", `${height}px`);
    return wait;
  }

  _names(lanes) {
    const names = el(
      "div",
      { class: "names" },
      ...lanes.map((lane) =>
        el(
          "span",
          { title: lane.name, class: lane.kind },
          el("small", {}, KINDS[lane.kind] ?? ""),
          el("b", {}, shortName(lane.name)),
        ),
      ),
    );
    return el(
      "div",
      { class: "heads" },
      el("small", {}, "after ms"),
      names,
      el("small", {}, "on the way"),
    );
  }

  _hop(hop, at, lanes) {
    const passed = hop.from !== hop.to;
    const times = passed || hop.entries.length < 2 ? "" : ` × ${hop.entries.length}`;
    const shown = el(
      "button",
      {
        type: "button",
        class: passed ? `hop ${hop.from < hop.to ? "right" : "left"}` : "hop note",
        "data-hop": at,
        "aria-expanded": String(this._open.has(at)),
      },
      el("span", { class: "unseen" }, sentence(hop, lanes)),
      el("span", { class: "when", "aria-hidden": "true" }, `+${hop.t}`),
      el(
        "span",
        { class: "track", "aria-hidden": "true" },
        el(
          "span",
          { class: "arrow" },
          el("span", { class: "what" }, hop.what, times),
          linkTag(hop),
        ),
      ),
      el(
        "span",
        { class: "gap", "aria-hidden": "true" },
        hop.took === null || !passed ? "" : duration(hop.took),
      ),
    );
    const [low, high] = [Math.min(hop.from, hop.to), Math.max(hop.from, hop.to)];
    const arrow = shown.querySelector(".arrow");
    arrow.style.gridColumn = passed
      ? `${2 * low + 2} / ${2 * high + 2}`
      : `${2 * low + 1} / ${2 * low + 3}`;
    const item = el("li", {}, this._wait(hop), shown);
    const json = () => item.append(el("pre", {}, JSON.stringify(hop.entries, null, 2)));
    if (this._open.has(at)) json();
    shown.addEventListener("click", () => {
      const isOpen = this._open.delete(at);
      if (isOpen) item.lastChild.remove();
      else {
        this._open.add(at);
        json();
      }
      shown.setAttribute("aria-expanded", String(!isOpen));
    });
    return item;
  }
}

function linkTag(hop) {
  return hop.link ? el("span", { class: "via" }, hop.link) : null;
}

function facts(trace) {
  const pairs = [
    ["from", trace.from],
    ["to", trace.to],
    ["began", clock(trace.began, true)],
    ["trace", trace.trace],
  ];
  return el(
    "dl",
    { class: "facts" },
    ...pairs
      .filter(([, value]) => value)
      .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

function sentence(hop, lanes) {
  const when = `after ${duration(hop.t)}`;
  const name = (at) => lanes[at].name;
  if (hop.from === hop.to) return `${when}: ${hop.what} at ${name(hop.from)}`;
  const over = hop.link ? ` over ${hop.link}` : "";
  const took = hop.took === null ? "" : `, in ${duration(hop.took)}`;
  return `${when}: ${hop.what} from ${name(hop.from)} to ${name(hop.to)}${over}${took}`;
}

/** Return the end of a Service ID, which tells more than its beginning. */
export function shortName(name) {
  const parts = name.split(/[:/@]/).filter(Boolean);
  const last = parts.at(-1) ?? name;
  return parts.length > 2 && last.length < MIN_NAME ? parts.slice(-2).join(":") : last;
}
